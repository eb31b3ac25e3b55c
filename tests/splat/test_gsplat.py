"""gsplat behind the contract: on a GPU against the reference; without one, what surrounds it and what it says."""

import sys
import types

import pytest
import torch
from blobs import VIEW, random_gaussians, two_cameras
from torch import Tensor

from photoreal.core import MissingDependencyError
from photoreal.splat import FitConfig, device_of, gsplat, gsplat_problem, rasterize_gsplat, rasterize_torch
from photoreal.splat.reference import composite_torch, project_gaussians

MAPS = ("colour", "alpha", "depth_expected", "depth_median", "normals")
TILE = 16
NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def rasterization(means, quats, scales, opacities, colors, viewmats, Ks, width, height, **options):
    """What gsplat's function of this name gives, by brute force."""
    mode = "antialiased" if CURRENT.antialiased else "classic"
    assert options == {"near_plane": 0.01, "eps2d": 0.3, "rasterize_mode": mode, "packed": False}
    assert quats.shape == (len(means), 4)
    torch.testing.assert_close(scales, CURRENT.log_scales.exp().float())
    camera = CAMERAS.map(lambda t: t.float()).take([int((CAMERAS.cam_from_world[1].float() == viewmats[0]).all())])
    torch.testing.assert_close(camera.intrinsics, Ks)
    everything = CURRENT.map(lambda t: t.float())
    seen = project_gaussians(everything, camera)
    order = torch.argsort((everything.means @ viewmats[0, :3, :3].T + viewmats[0, :3, 3])[:, 2], stable=True)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    if CURRENT.antialiased:
        opacities = seen.opacity[torch.argsort(order)]
    image, before = torch.zeros(height, width, colors.shape[1]), torch.ones(height, width)
    for i, number in enumerate(order):
        dx, dy = x - seen.pixel[i, 0], y - seen.pixel[i, 1]
        (xx, xy), (_, yy) = seen.conic[i]
        alpha = opacities[number] * torch.exp(-0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
        alpha = torch.where(alpha >= 1 / 255, alpha.clamp_max(0.99), torch.zeros_like(alpha))
        image = image + (before * alpha)[..., None] * colors[number]
        before = before * (1 - alpha)
    back = torch.argsort(order)
    conics = torch.stack([seen.conic[:, 0, 0], seen.conic[:, 0, 1], seen.conic[:, 1, 1]], 1)[back]
    tiles = (-(-height // TILE), -(-width // TILE))
    offsets = torch.arange(tiles[0] * tiles[1]).view(1, *tiles) * len(means)
    return (
        image[None],
        (1 - before)[None, ..., None],
        {
            "means2d": seen.pixel[back][None],
            "conics": conics[None],
            "opacities": opacities[None],
            "isect_offsets": offsets.int(),
            "flatten_ids": order.repeat(tiles[0] * tiles[1]).int(),
            "tile_size": TILE,
            "radii": torch.ones(1, len(means), 2, dtype=torch.int32),
        },
    )


CURRENT, CAMERAS = random_gaussians(3, 60), two_cameras()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """gsplat's place is taken on the CPU."""
    monkeypatch.setattr(gsplat, "require", lambda name, extra: types.SimpleNamespace(rasterization=rasterization))
    monkeypatch.setattr(gsplat, "gsplat_problem", lambda: None)
    monkeypatch.setattr(gsplat, "_to_cuda", lambda tensor: tensor.float())


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("antialiased", [False, True])
def test_features_medians_and_background_are_the_reference_s(monkeypatch: pytest.MonkeyPatch, antialiased: bool):
    monkeypatch.setattr(sys.modules[__name__], "CURRENT", CURRENT.replace(antialiased=antialiased))
    assert bool(
        (CURRENT.means @ CAMERAS.cam_from_world[0, :3, :3].T + CAMERAS.cam_from_world[0, :3, 3])[:, 2].min() > 0
    )
    backgrounds = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    found, wanted = (
        rasterize_gsplat(CURRENT, CAMERAS, backgrounds),
        rasterize_torch(CURRENT, CAMERAS, backgrounds.double()),
    )
    for name in MAPS:
        torch.testing.assert_close(getattr(found, name).double(), getattr(wanted, name), atol=2e-4, rtol=1e-3)
    assert found.colour.shape == (2, 3, *VIEW)


@pytest.mark.usefixtures("stand_in")
def test_what_training_draws():
    camera = CAMERAS.take([0]).map(lambda t: t.float())
    colour, transmittance, drawn = gsplat.draw_gsplat(CURRENT.map(lambda t: t.float()), camera)
    wanted = rasterize_torch(CURRENT, CAMERAS.take([0]), torch.zeros(1, 3, dtype=torch.float64))
    torch.testing.assert_close(colour.double(), wanted.colour[0], atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(1 - transmittance.double(), wanted.alpha[0], atol=2e-4, rtol=1e-3)
    sums, _, _ = gsplat.draw_gsplat(CURRENT.map(lambda t: t.float()), camera, surfaces=True)
    torch.testing.assert_close(sums.double(), composite_torch(CURRENT, CAMERAS.take([0]))[0], atol=2e-3, rtol=1e-3)
    assert drawn.dtype == torch.bool
    assert len(drawn) == len(CURRENT)


def test_medians_end_with_the_list():
    """Nothing in the tile, or nothing opaque enough: no median."""
    empty = gsplat.median_gaussians(
        (torch.zeros(0, 2), torch.zeros(0, 3), torch.zeros(0)),
        (torch.zeros(2, 3, dtype=torch.int32), torch.zeros(0, dtype=torch.int32)),
        4,
    )
    assert empty.shape == (8, 12)
    assert bool((empty == -1).all())
    pixel, conic = torch.tensor([[2.0, 2.0], [2.0, 2.0]]), torch.tensor([[0.01, 0, 0.01]] * 2)
    lists = (torch.tensor([[0, 2]]), torch.tensor([0, 1]))
    median = gsplat.median_gaussians((pixel, conic, torch.tensor([0.3, 0.6])), lists, 4)
    assert bool((median[:, :4] == 1).all())
    assert bool((median[:, 4:] == -1).all())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_one_line_says_so():
    assert gsplat_problem() == "there is no CUDA device"
    with pytest.raises(
        MissingDependencyError, match="not possible here: there is no CUDA device; use the CPU"
    ) as error:
        rasterize_gsplat(CURRENT, CAMERAS, torch.zeros(2, 3))
    assert "\n" not in str(error.value)
    assert device_of(FitConfig()) == "cpu"
    with pytest.raises(MissingDependencyError, match="cannot be fitted on a GPU here: there is no CUDA device"):
        device_of(FitConfig(device="cuda"))


def test_gsplat_that_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch):
    def fails(name: str, extra: str) -> types.SimpleNamespace:
        def rasterization(*values: Tensor, **options: object) -> None:
            raise RuntimeError("Error building extension\n  nvcc: not found")

        return types.SimpleNamespace(rasterization=rasterization)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gsplat, "_device", lambda: "cpu")
    monkeypatch.setattr(gsplat, "require", fails)
    said = gsplat.gsplat_problem.__wrapped__()
    assert said == "gsplat is installed and does not run: Error building extension nvcc: not found"


@pytest.mark.gpu
@NEEDS_CUDA
def test_on_a_gpu_against_the_reference():
    problem = gsplat_problem()
    assert problem is None, problem
    gaussians = random_gaussians(3, 200)
    gaussians = gaussians.replace(opacity_harmonics=gaussians.opacity_harmonics.clamp(-3, 3))
    backgrounds, cameras = torch.rand(2, 3, dtype=torch.float64), two_cameras()
    weights = torch.randn(2, 3, *VIEW, dtype=torch.float64)
    images, gradients = [], []
    for draw in (rasterize_gsplat, rasterize_torch):
        ours = gaussians.map(lambda t: t.clone().requires_grad_())
        renders = draw(ours, cameras, backgrounds)
        (renders.colour.double() * weights).sum().backward()
        images.append(renders)
        gradients.append(
            [getattr(ours, name).grad for name in ("means", "quaternions", "log_scales", "colour_harmonics")]
        )
    for name in ("colour", "alpha", "normals"):
        assert float((getattr(images[0], name) - getattr(images[1], name)).abs().mean()) < 1e-3, name
    for found, wanted in zip(*gradients, strict=True):
        assert float((found - wanted).norm() / wanted.norm()) < 2e-2
