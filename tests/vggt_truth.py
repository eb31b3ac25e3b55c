"""What a network like VGGT would say of a toy scene if it knew the truth; shared by the tests of what surrounds it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from photoreal.core import (
    Cameras,
    Depths,
    Features,
    fit_similarity,
    rigid,
    rotation_from_vector,
    similarity_scale,
    transform_points,
    unproject,
)
from photoreal.models.vggt.geometry.prediction import VggtPrediction
from photoreal.synth.toy import ToyScene


def told(scene: ToyScene, rows: Sequence[int]) -> VggtPrediction:
    """The truth in the scene's own world; a photo's features are its row."""
    cameras, depths = scene.capture.cameras.take(rows), scene.depths.take(rows)
    descriptors = torch.tensor([float(row) for row in rows])[None, :, None, None, None].expand(2, -1, 3, 4, 5)
    points = unproject(cameras, depths.depth)
    return VggtPrediction(cameras, depths, points, depths.confidence, Features(descriptors, (4, 23)))


def some_similarity(generator: torch.Generator) -> Tensor:
    """Any turn and shift, a scale from 1/3 to 3."""
    scale = 3 ** (2 * torch.rand(1, generator=generator, dtype=torch.float64) - 1)
    turn = rotation_from_vector(2 * torch.randn(3, generator=generator, dtype=torch.float64))
    return rigid(scale * turn, 3 * torch.randn(3, generator=generator, dtype=torch.float64))


def noisy(said: VggtPrediction, deviation: float, generator: torch.Generator) -> VggtPrediction:
    """Each depth by itself wrong by so large a share."""
    noise = (deviation * torch.randn(said.depths.depth.shape, generator=generator)).exp()
    return said.replace(depths=Depths(said.depths.depth * noise, said.depths.confidence))


def astray(found: Cameras, true: Cameras) -> tuple[float, float, float]:
    """Errors after the best similarity: the largest of places as a share of their extent, of turns in degrees, and
    that similarity's scale."""
    true_from_found = fit_similarity(found.centres.double(), true.centres.double())
    places = transform_points(true_from_found, found.centres.double()) - true.centres
    extent = (true.centres - true.centres.mean(0)).norm(dim=1).max()
    scale = similarity_scale(true_from_found)
    turned = found.cam_from_world[:, :3, :3].double() @ (true_from_found[:3, :3] / scale).T
    cosine = ((turned * true.cam_from_world[:, :3, :3]).sum((1, 2)) - 1) / 2
    degrees = torch.rad2deg(cosine.clamp(-1, 1).acos())
    return float(places.norm(dim=1).max() / extent), float(degrees.max()), scale
