"""Random Gaussians and cameras that look at them; shared by the tests of rasterizers."""

import torch
from torch import Tensor

from photoreal.core import Cameras, Gaussians, look_at

VIEW = (50, 61)


def random_gaussians(seed: int, count: int = 150, *, opacity_count: int = 4, colour_count: int = 16) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    scales = torch.rand(count, 3, generator=generator, dtype=torch.float64) * 0.22 + 0.03
    return Gaussians(
        normal(count, 3) * 0.8,
        normal(count, 4),
        scales.log(),
        normal(count, opacity_count) * 1.5 + 0.5,
        normal(count, colour_count, 3) * 0.4,
    )


def two_cameras(size: tuple[int, int] = VIEW) -> Cameras:
    centres = torch.tensor([[0.5, -0.4, -3.0], [2.0, 1.0, -2.0]], dtype=torch.float64)
    up = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    intrinsics = torch.tensor([[70.0, 0, 31], [0, 72.0, 24], [0, 0, 1]], dtype=torch.float64)
    return Cameras(look_at(centres, torch.zeros(2, 3, dtype=torch.float64), up), intrinsics.repeat(2, 1, 1), size)
