"""Gaussians from points."""

import torch

from photoreal.core import Points
from photoreal.splat import gaussians_from_points
from photoreal.splat.fitting.density import opacity_of
from photoreal.splat.fitting.initial import neighbour_distance
from photoreal.splat.harmonics import Y_0


def grid_points(side: int = 6, step: float = 0.5) -> Points:
    line = torch.arange(side) * step
    positions = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    colours = torch.full((len(positions), 3), 200, dtype=torch.uint8)
    return Points(positions, colours, torch.ones(len(positions)))


def test_they_are_as_wide_as_the_points_are_apart():
    gaussians = gaussians_from_points(grid_points(), opacity=0.3)
    torch.testing.assert_close(gaussians.log_scales.exp(), torch.full((216, 3), 0.5), rtol=1e-5, atol=0)
    torch.testing.assert_close(opacity_of(gaussians.opacity_harmonics[:, 0]), torch.full((216,), 0.3))
    seen = 0.5 + Y_0 * gaussians.colour_harmonics[:, 0]
    torch.testing.assert_close(seen, torch.full((216, 3), 200 / 255), rtol=1e-5, atol=0)


def test_repeated_points_and_outliers_keep_a_sane_width():
    positions = grid_points().positions
    positions = torch.cat([positions, positions[:1], positions[:1], positions[:1], torch.tensor([[1e4, 0, 0]])])
    distances = neighbour_distance(positions)
    assert distances.min() >= 0.02 * 0.5 * 0.99
    assert distances.max() <= 5 * 0.5 * 1.01
