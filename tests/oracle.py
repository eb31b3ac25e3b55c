"""A matcher that knows the truth of a toy scene; shared by the tests of structure from motion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from photoreal.core import Matches, Photos, project, unproject
from photoreal.synth import ToyScene


@dataclass(frozen=True)
class Oracle:
    """Matches a lattice of surface points that both photos of a pair see; they come from the first photo's depths."""

    scene: ToyScene
    places: int = 400
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, photos: Photos, pairs: Sequence[tuple[int, int]]) -> Iterator[Matches]:
        capture, depth = self.scene.capture, self.scene.depths.depth
        rows = [capture.photos.names.index(name) for name in photos.names]
        world = unproject(capture.cameras, depth).flatten(0, 2)
        world = world[torch.randperm(len(world), generator=torch.Generator().manual_seed(0))[: self.places]]
        pixels, along = project(capture.cameras, world)
        height, width = capture.photos.size
        inside = ((pixels >= 0) & (pixels < torch.tensor([width, height]))).all(-1)
        cell = pixels.long().clamp_min(0)
        x, y = cell[..., 0].clamp_max(width - 1), cell[..., 1].clamp_max(height - 1)
        seen = inside & ((depth[torch.arange(len(depth))[:, None], y, x] / along - 1).abs() < 0.02)
        for first, second in pairs:
            self.asked.append((first, second))
            both = seen[rows[first]] & seen[rows[second]]
            yield Matches(pixels[rows[first]][both], pixels[rows[second]][both], torch.ones(int(both.sum())))
