"""The reference against a direct sum, and the CPU rasterizer against the reference."""

import math

import numpy as np
import pytest
import torch
from blobs import random_gaussians, two_cameras
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from photoreal.core import Cameras, Gaussians
from photoreal.splat import rasterize_numba, rasterize_torch
from photoreal.splat.cpu import render_colour
from photoreal.splat.harmonics import harmonic_basis, opacity_from_logit
from photoreal.splat.kernels.binning import deal_tiles

MAPS = ("colour", "alpha", "depth_expected", "depth_median", "normals")
FIELDS = ("means", "quaternions", "log_scales", "opacity_harmonics", "colour_harmonics")


BACKGROUNDS = torch.tensor([[0.2, 0.5, 0.7], [0.1, 0.0, 0.3]])


def test_one_gaussian_is_the_formula():
    means = torch.tensor([[0.1, 0.2, 2.0]], dtype=torch.float64)
    sigma, opacity = 0.2, 0.7
    gaussian = Gaussians(
        means,
        torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64),
        torch.full((1, 3), math.log(sigma), dtype=torch.float64),
        opacity_from_logit(torch.tensor([opacity], dtype=torch.float64).logit()),
        torch.zeros(1, 1, 3, dtype=torch.float64),
    )
    intrinsics = torch.tensor([[[40.0, 0, 20], [0, 40, 15], [0, 0, 1]]], dtype=torch.float64)
    camera = Cameras(torch.eye(4, dtype=torch.float64)[None], intrinsics, (30, 40))
    render = rasterize_torch(gaussian, camera, torch.zeros(1, 3, dtype=torch.float64))
    # At the pixel centre (22.5, 19.5) from the mean's pixel (22, 19); J is 20 I plus the slopes' column.
    jacobian = torch.tensor([[20.0, 0, -20 * 0.05], [0, 20.0, -20 * 0.1]], dtype=torch.float64)
    covariance = sigma**2 * jacobian @ jacobian.T + 0.3 * torch.eye(2, dtype=torch.float64)
    offset = torch.tensor([0.5, 0.5], dtype=torch.float64)
    expected = opacity * math.exp(-0.5 * float(offset @ torch.linalg.inv(covariance) @ offset))
    assert render.alpha[0, 19, 22].item() == pytest.approx(expected, rel=1e-9)
    assert render.colour[0, 0, 19, 22].item() == pytest.approx(0.5 * expected, rel=1e-9)
    assert render.depth_expected[0, 19, 22].item() == pytest.approx(2.0)
    assert render.depth_median[0, 19, 22].item() == (2.0 if expected > 0.5 else 0.0)


def test_reference_equals_a_pixel_loop():
    """Front-to-back compositing of one pixel, written out, from the projected Gaussians."""
    from photoreal.splat.reference import project_gaussians

    gaussians, cameras = random_gaussians(3, 40), two_cameras()
    render = rasterize_torch(gaussians, cameras, BACKGROUNDS.double())
    projected = project_gaussians(gaussians, cameras.take([1]))
    y, x = 20, 33
    colour, transmittance = torch.zeros(3, dtype=torch.float64), 1.0
    for i in range(len(projected.depth)):
        offset = torch.tensor([x + 0.5, y + 0.5], dtype=torch.float64) - projected.pixel[i]
        alpha = min(0.99, float(projected.opacity[i] * torch.exp(-0.5 * offset @ projected.conic[i] @ offset)))
        if alpha >= 1 / 255:
            colour += transmittance * alpha * projected.colour[i]
            transmittance *= 1 - alpha
    colour += transmittance * BACKGROUNDS[1].double()
    torch.testing.assert_close(render.colour[1, :, y, x], colour, rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "antialiased"])
def both(request: pytest.FixtureRequest) -> dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Maps and gradients of one random loss, by the reference in float64 and by the CPU rasterizer."""

    def run(rasterizer, dtype) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        gaussians = random_gaussians(1).map(lambda t: t.to(dtype).requires_grad_())
        if request.param:
            thin = gaussians.log_scales.detach() - torch.tensor([0.0, 1.5, 3.0], dtype=dtype)
            gaussians = gaussians.replace(log_scales=thin.requires_grad_(), antialiased=True)
        cameras = two_cameras().map(lambda t: t.clone().requires_grad_())
        backgrounds = BACKGROUNDS.to(dtype, copy=True).requires_grad_()
        renders = rasterizer(gaussians, cameras, backgrounds)
        generator = torch.Generator().manual_seed(5)
        weigh = lambda t: (t * torch.randn(t.shape, generator=generator, dtype=torch.float64)).sum()  # noqa: E731
        sum(weigh(getattr(renders, name)) for name in MAPS).backward()
        gradients = {name: getattr(gaussians, name).grad for name in FIELDS}
        gradients |= {"cam_from_world": cameras.cam_from_world.grad, "intrinsics": cameras.intrinsics.grad}
        gradients["backgrounds"] = backgrounds.grad
        return {name: getattr(renders, name).detach() for name in MAPS}, gradients

    return {"torch": run(rasterize_torch, torch.float64), "numba": run(rasterize_numba, torch.float32)}


@pytest.mark.parametrize("name", MAPS)
def test_maps_agree(both, name):
    reference, ours = both["torch"][0][name], both["numba"][0][name]
    bound = 5e-6 if name in ("colour", "alpha", "normals") else 5e-5
    assert (reference - ours).abs().max() < bound
    assert reference.abs().max() > 0.5


@pytest.mark.parametrize("name", [*FIELDS, "cam_from_world", "intrinsics", "backgrounds"])
def test_gradients_agree(both, name):
    reference, ours = both["torch"][1][name], both["numba"][1][name].double()
    assert (reference - ours).norm() / reference.norm() < 1e-4
    assert reference.norm() > 0


def test_reference_gradients_are_true():
    cameras = two_cameras((6, 7)).take([0])
    cameras = cameras.replace(intrinsics=cameras.intrinsics / 8 + torch.tensor([[[0, 0, 0], [0, 0, 0], [0, 0, 0.875]]]))
    fields = [getattr(random_gaussians(2, 4, colour_count=4), name).requires_grad_() for name in FIELDS]

    def maps(*tensors: Tensor) -> tuple[Tensor, ...]:
        renders = rasterize_torch(Gaussians(*tensors), cameras, torch.full((1, 3), 0.3, dtype=torch.float64))
        return renders.colour, renders.alpha, renders.depth_expected, renders.normals

    assert torch.autograd.gradcheck(maps, fields, eps=1e-7, atol=1e-4)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_order_of_gaussians_does_not_matter(seed):
    gaussians, cameras = random_gaussians(seed, 60).map(lambda t: t.float()), two_cameras()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(seed))
    one, two = (rasterize_numba(g, cameras, BACKGROUNDS) for g in (gaussians, gaussians.take(order)))
    for name in MAPS:
        torch.testing.assert_close(getattr(one, name), getattr(two, name), rtol=0, atol=1e-6)


def test_bytes_do_not_depend_on_threads():
    import numba

    gaussians, camera = random_gaussians(4, 3000).map(lambda t: t.float()), two_cameras((120, 130)).take([0])
    results = []
    threads = numba.get_num_threads()
    for count in (1, threads):
        numba.set_num_threads(count)
        leaves = gaussians.map(lambda t: t.clone().requires_grad_())
        colour, transmittance = render_colour(leaves, camera)
        (colour.square().sum() + transmittance.sum()).backward()
        results.append([colour.detach(), *(getattr(leaves, name).grad for name in FIELDS)])
    numba.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("rasterizer", [rasterize_torch, rasterize_numba])
def test_nothing_to_see_is_the_background(rasterizer):
    behind = random_gaussians(0, 5).map(lambda t: t.float())
    behind = behind.replace(means=behind.means - torch.tensor([0, 0, 100.0]))
    for gaussians in (behind, behind.take(torch.zeros(0, dtype=torch.long))):
        render = rasterizer(gaussians, two_cameras().map(lambda t: t.float()), BACKGROUNDS)
        torch.testing.assert_close(render.colour, BACKGROUNDS[:, :, None, None].expand_as(render.colour))
        assert render.alpha.abs().max() == 0
        assert render.depth_median.abs().max() == 0


def test_harmonics_are_orthonormal():
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(400_000, 3, generator=generator, dtype=torch.float64), dim=1)
    basis = harmonic_basis(directions, 16)
    gram = 4 * math.pi * basis.T @ basis / len(basis)
    assert (gram - torch.eye(16)).abs().max() < 0.03


def test_antialiased_gaussians_cover_as_much_from_afar():
    """Needles thinner than a pixel: a coarse picture shows as much of them as the fine one."""
    gaussians = random_gaussians(6, 80).map(lambda t: t.float())
    gaussians = gaussians.replace(log_scales=gaussians.log_scales - 1.5)
    fine = two_cameras((256, 256)).take([0])
    fine = fine.replace(intrinsics=fine.intrinsics * torch.tensor([[[4.0, 1, 4], [1, 4, 4], [1, 1, 1]]]))
    cover = {}
    for antialiased in (False, True):
        ours = gaussians.replace(antialiased=antialiased)
        large, small = (rasterize_numba(ours, c, BACKGROUNDS[:1]).alpha.mean() for c in (fine, fine.resized((32, 32))))
        cover[antialiased] = float(small / large)
    assert cover[False] > 2
    assert cover[True] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("tiles", "hands"), [(10, 3), (2, 4), (1, 1)])
def test_tiles_are_dealt_evenly_and_each_once(tiles, hands):
    loads = np.random.default_rng(0).integers(0, 100, tiles)
    dealt = deal_tiles(np.concatenate([[0], np.cumsum(loads)]).astype(np.int32), hands)
    assert sorted(dealt) == list(range(tiles))
    first = loads[dealt[: -(-tiles // hands)]].sum()
    assert first - loads.sum() / hands <= loads.max()
