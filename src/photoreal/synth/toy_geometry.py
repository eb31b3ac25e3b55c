"""A geometry model that knows the truth of a toy scene and errs as much as it is told to."""

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch

from photoreal.core import Capture, Depths, Geometry, Photos, Step, rigid, rotation_from_vector
from photoreal.synth.toy import ToyScene


@dataclass(frozen=True)
class ToyGeometry:
    """Says of a toy scene's photos what is true, with errors of known size; metric."""

    scene: ToyScene
    rotation_degrees: float = 0.0
    """Deviation of each camera's turn about a random axis."""
    shift: float = 0.0
    """Deviation of each coordinate of a camera's place, in metres."""
    depth_noise: float = 0.0
    """Deviation of each depth, as a share of it."""
    depth_stretch: float = 0.0
    """Deviation of the factor of a whole depth map."""
    seed: int = 0
    """One seed errs in one way."""

    def __call__(self, photos: Photos) -> Generator[Step, None, Geometry]:
        """Yield steps; return the geometry of photos of the scene, which are told by their names."""
        yield Step("remembering", 0, len(photos))
        truth = self.scene.capture
        rows = [truth.photos.names.index(name) for name in photos.names]
        cameras, depths = truth.cameras.take(rows), self.scene.depths.take(rows)
        count, generator = len(rows), torch.Generator().manual_seed(self.seed)
        axes = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
        angles = math.radians(self.rotation_degrees) * torch.randn(count, 1, generator=generator)
        moved = rigid(rotation_from_vector(angles * axes), self.shift * torch.randn(count, 3, generator=generator))
        stretch = (self.depth_stretch * torch.randn(count, 1, 1, generator=generator)).exp()
        noise = (self.depth_noise * torch.randn(depths.depth.shape, generator=generator)).exp()
        yield Step("remembering", len(photos), len(photos))
        return Geometry(
            Capture(photos, cameras.replace(cam_from_world=moved @ cameras.cam_from_world)),
            Depths(depths.depth * stretch * noise, depths.confidence),
            "metric",
            "toy: the truth, with errors",
        )
