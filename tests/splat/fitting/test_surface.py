"""Losses of surfaces against what they mean, and their kernel against autograd."""

import dataclasses

import numpy as np
import pytest
import torch
from blobs import random_gaussians, two_cameras
from toy_training import RATES, masked_room, trainer_parts

from photoreal.core import Cameras, pixel_rays
from photoreal.splat.cpu import composite_numba
from photoreal.splat.fitting.kernels.surface import surface
from photoreal.splat.fitting.surface import depth_normals, surface_losses
from photoreal.splat.fitting.training import Trainer, targets_of
from photoreal.splat.frame import camera_numbers
from photoreal.splat.kernels.compositing import ALL
from photoreal.splat.reference import composite_torch

SIZE = (20, 24)


def camera(size: tuple[int, int] = SIZE) -> Cameras:
    turned = two_cameras(size).take([1])
    lens = torch.tensor([[[22.0, 0, 11.5], [0, 23.0, 10.5], [0, 0, 1]]], dtype=torch.float64)
    return Cameras(turned.cam_from_world, lens, size)


def plane_depth(at: Cameras, normal: torch.Tensor, distance: float) -> torch.Tensor:
    """Depth of the plane normal . x = -distance, in camera axes."""
    return -distance / (pixel_rays(at)[0] @ normal)


def test_normals_of_a_plane_are_its_own():
    at = camera()
    normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, -1.0], dtype=torch.float64), dim=0)
    found, there = depth_normals(plane_depth(at, normal, 4.0), torch.ones(SIZE, dtype=torch.bool), at)
    in_world = at.cam_from_world[0, :3, :3].T @ normal
    assert there[1:-1, 1:-1].all()
    assert there.sum() == (SIZE[0] - 2) * (SIZE[1] - 2)
    torch.testing.assert_close(found[:, there], in_world[:, None].expand(3, int(there.sum())), atol=1e-9, rtol=0)


def test_a_thin_surface_costs_nothing_and_a_thick_one_its_variance():
    """Two layers of weights a and b at depths z and z + d: the distortion is a b d^2 over the squared mean depth."""
    at, shown = camera(), torch.ones(SIZE, dtype=torch.bool)
    normal = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)
    in_world = at.cam_from_world[0, :3, :3].T @ normal
    a, b, z, d = 0.6, 0.3, 3.0, 0.2
    flat = torch.ones(SIZE, dtype=torch.float64)
    for thickness in (0.0, d):
        far = z + thickness
        sums = torch.stack([(a * z + b * far) * flat, *((a + b) * flat * n for n in in_world)])
        sums = torch.cat([sums, ((a * z**2 + b * far**2) * flat)[None]])
        distortion, disagreement = surface_losses(sums, (1 - a - b) * flat, at, shown)
        mean = (a * z + b * far) / (a + b)
        assert float(distortion) == pytest.approx(a * b * thickness**2 / mean**2, abs=1e-12)
        assert float(disagreement) == pytest.approx(0, abs=1e-9)
    turned = torch.cat([sums[:1], -sums[1:4], sums[4:]])
    share = (SIZE[0] - 2) * (SIZE[1] - 2) / (SIZE[0] * SIZE[1])
    assert float(surface_losses(turned, (1 - a - b) * flat, at, shown)[1]) == pytest.approx(2 * (a + b) ** 2 * share)


def test_units_do_not_matter():
    gaussians, at = random_gaussians(3), two_cameras().take([0])
    shown = torch.ones(at.size, dtype=torch.bool)
    sums, alpha, _ = composite_torch(gaussians, at)
    scaled = torch.cat([7 * sums[3:4], sums[4:7], 49 * sums[7:8]])
    for one, other in zip(
        surface_losses(sums[3:], 1 - alpha, at, shown), surface_losses(scaled, 1 - alpha, at, shown), strict=True
    ):
        assert float(one) == pytest.approx(float(other))


@pytest.mark.parametrize(("masked", "size"), [(False, (21, 27)), (True, (21, 27)), (True, (32, 32))])
def test_kernel_is_the_gradient(masked: bool, size: tuple[int, int]):
    """Of random smooth planes; at a width that is not a whole number of lanes, and with no room beyond the image."""
    padded = (32, 32)
    at, generator = camera(size), torch.Generator().manual_seed(1)
    plane = padded[0] * padded[1]
    rough = torch.nn.functional.interpolate(torch.rand(1, ALL + 1, 5, 6, generator=generator), size=size)[0]
    planes = torch.zeros(ALL + 1, *padded)
    planes[:, : size[0], : size[1]] = rough + 0.05 * torch.rand(ALL + 1, *size, generator=generator)
    planes[ALL] = planes[ALL].clamp(0, 1)
    planes[3, : size[0], : size[1]] += 4
    planes[7, : size[0], : size[1]] += 18
    kinds = (torch.rand(size, generator=generator) > (0.2 if masked else 0)).to(torch.uint8)
    leaves = planes[:, : size[0], : size[1]].double().requires_grad_()
    losses = surface_losses(leaves[3:8], leaves[8], at, kinds > 0)
    (wanted,) = torch.autograd.grad(0.7 * losses[0] + 0.4 * losses[1], leaves)
    mask = np.zeros(size[0] * padded[1], np.uint8)
    mask.reshape(size[0], -1)[:, : size[1]] = kinds.numpy()
    gradient, scratch = np.zeros(len(planes) * plane, np.float32), np.empty(4 * ((size[0] + 2) * padded[1] + 32), "f4")
    numbers = camera_numbers(at)
    pixels = float((kinds > 0).sum())
    weights = (np.float32(0.7 / pixels), np.float32(0.4 / pixels))
    surface(planes.numpy().ravel(), size, padded[1], numbers, mask if masked else mask[:0], weights, scratch, gradient)
    found = torch.from_numpy(gradient).reshape(len(planes), *padded)
    assert not found[:, size[0] :].any()
    assert not found[:, :, size[1] :].any()
    for c in range(3, 8):
        mine = found[c, : size[0], : size[1]]
        assert (mine - wanted[c]).norm() < 1e-4 * wanted[c].norm(), c
    rest = (wanted * leaves.detach()).sum(0)
    assert (found[8, : size[0], : size[1]] - rest).norm() < 1e-4 * rest.norm()


def test_squared_depth_is_composited_like_the_rest():
    gaussians, at = random_gaussians(4), two_cameras().take([0])
    weights = torch.randn(8, *at.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    results = []
    for composite, kind in ((composite_torch, torch.float64), (composite_numba, torch.float32)):
        leaves = gaussians.map(lambda t, kind=kind: t.to(kind).requires_grad_())
        pose = at.cam_from_world.to(kind).requires_grad_()
        sums = composite(leaves, Cameras(pose, at.intrinsics.to(kind), at.size))[0]
        fields = [leaves.means, leaves.quaternions, leaves.log_scales, leaves.opacity_harmonics, pose]
        results.append((sums.detach(), torch.autograd.grad((sums * weights.to(kind)).sum(), fields)))
    (exact, wanted), (sums, found) = results
    assert (sums - exact).abs().max() < 5e-6 * exact.abs().max()
    for mine, theirs in zip(found, wanted, strict=True):
        assert (mine - theirs).norm() < 1e-4 * theirs.norm()


@pytest.mark.parametrize(("name", "number"), [("distortion", 0), ("normals", 1)])
def test_training_lessens_what_is_weighted(name: str, number: int):
    scene = masked_room()
    targets, camera = targets_of(scene[0], 1.0), scene[0].cameras.take([0])
    after = []
    for weight in (0.0, 1.0):
        trainer = Trainer(*trainer_parts(scene, opacity_degree=0))
        for step in range(180):
            trainer.train(targets, step % 3, 16, dataclasses.replace(RATES, **{name: weight}))
        sums, transmittance = composite_numba(trainer.gaussians(), camera)
        losses = surface_losses(sums[3:], transmittance, camera, torch.ones(camera.size, dtype=torch.bool))
        after.append(float(losses[number]))
    assert after[1] < 0.5 * after[0]
