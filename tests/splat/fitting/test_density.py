"""Copies that look like their original, and moves that keep the count."""

import torch
from blobs import random_gaussians
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import Cameras
from photoreal.splat import rasterize_numba
from photoreal.splat.fitting.density import copies_of, draw_sources, opacity_of
from photoreal.splat.fitting.optimise import gaussians_of, grow, population_of, relocate, sort_in_space
from photoreal.splat.harmonics import opacity_from_logit


@given(st.floats(0.01, 0.98), st.integers(1, 51))
def test_copies_keep_the_opacity_at_the_centre(opacity, copies):
    new, scales = copies_of(torch.tensor([opacity], dtype=torch.float64), torch.ones(1, 3), torch.tensor([copies]))
    assert abs(1 - (1 - new.item()) ** copies - opacity) < 1e-9
    assert 0 < scales.max() <= 1 + 1e-9


def test_a_split_gaussian_renders_as_before():
    gaussian = random_gaussians(1, 1, opacity_count=1, colour_count=1).map(lambda t: t.float())
    gaussian = gaussian.replace(
        means=torch.tensor([[0.0, 0.0, 3.0]]),
        log_scales=torch.full((1, 3), -0.7),
        opacity_harmonics=opacity_from_logit(torch.tensor([0.8])),
    )
    intrinsics = torch.tensor([[[60.0, 0, 32], [0, 60, 32], [0, 0, 1]]])
    camera, black = Cameras(torch.eye(4)[None], intrinsics, (64, 64)), torch.zeros(1, 3)
    opacity, scales = copies_of(
        opacity_of(gaussian.opacity_harmonics[:, 0]), gaussian.log_scales.exp(), torch.tensor([3])
    )
    copy = gaussian.replace(log_scales=scales.log(), opacity_harmonics=opacity_from_logit(opacity.logit()))
    copies = copy.take(torch.zeros(3, dtype=torch.long))
    before, after = (rasterize_numba(g, camera, black).alpha for g in (gaussian, copies))
    assert (before - after).abs().mean() < 0.012
    assert (before - after).abs()[0, 32, 32] < 0.01


def test_growth_goes_where_it_is_needed_and_stays_within_the_source():
    gaussians = random_gaussians(5, 20, opacity_count=1).map(lambda t: t.float())
    gaussians = gaussians.replace(means=10 * torch.arange(20.0)[:, None].expand(20, 3).clone())
    population = population_of(gaussians)
    need = torch.zeros(20)
    need[7] = 1
    grow(population, 30, need, generator=torch.Generator().manual_seed(0))
    grown = gaussians_of(population)
    assert len(grown) == 50
    distances = (grown.means[20:] - gaussians.means[7]).norm(dim=1)
    assert distances.max() < 5 * gaussians.log_scales[7].exp().max()
    assert distances.min() > 0
    assert opacity_of(grown.opacity_harmonics[:, 0])[7] < opacity_of(gaussians.opacity_harmonics[:, 0])[7]


def test_relocation_leaves_no_dead_and_keeps_the_count():
    gaussians = random_gaussians(2, 200, opacity_count=1).map(lambda t: t.float())
    logits = torch.where(torch.arange(200) < 50, torch.tensor(-8.0), torch.tensor(1.0))
    population = population_of(gaussians.replace(opacity_harmonics=opacity_from_logit(logits)))
    population.mean[:] = 1
    relocate(population, torch.arange(50), generator=torch.Generator().manual_seed(0))
    moved = gaussians_of(population)
    opacity = opacity_of(moved.opacity_harmonics[:, 0])
    assert len(opacity) == 200
    assert opacity.min() > 0.005
    assert (moved.means[:50, None] == moved.means[None, 50:]).all(-1).any(1).all()
    assert population.mean[:3].max() == 0, "the moments of what moved are forgotten"
    assert population.mean[4:].max() == 1


def test_sources_are_drawn_by_opacity():
    opacity = torch.tensor([0.0, 0.1, 0.4, 0.0])
    drawn = draw_sources(opacity, 10_000, torch.Generator().manual_seed(0))
    share = torch.bincount(drawn, minlength=4) / 10_000
    assert torch.allclose(share, torch.tensor([0.0, 0.2, 0.8, 0.0]), atol=0.02)


def test_sorting_in_space_changes_places_only():
    gaussians = random_gaussians(4, 50, opacity_count=4).map(lambda t: t.float())
    population = population_of(gaussians)
    population.mean[:] = population.values
    order = sort_in_space(population)
    assert torch.equal(order.sort().values, torch.arange(50))
    assert torch.equal(gaussians_of(population).means, gaussians.means[order])
    assert torch.equal(gaussians_of(population).colour_harmonics, gaussians.colour_harmonics[order])
    assert (population.mean[:3] == population.values[:3]).all(), "moments move along"


def test_neighbours_in_space_share_blocks():
    gaussians = random_gaussians(4, 64, opacity_count=1).map(lambda t: t.float())
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 2)
    places = torch.cat([corners, torch.zeros(4, 1)], 1).repeat(16, 1)
    population = population_of(gaussians.replace(means=places + 0.01 * gaussians.means))
    sort_in_space(population)
    for block in gaussians_of(population).means.round().view(4, 16, 3):
        assert (block == block[0]).all()
