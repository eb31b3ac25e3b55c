"""The fused step against the same step written with autograd, and its promises."""

import dataclasses

import numba
import numpy as np
import pytest
import torch
from toy_training import RATES, masked_room, trainer_parts

from photoreal.core import Cameras, Gaussians, pixel_rays, unit_from_bytes
from photoreal.splat import expose, photometric_loss, render_colour
from photoreal.splat.appearance import Background, Exposures
from photoreal.splat.fitting.optimise import gaussians_of
from photoreal.splat.fitting.training import Rates, Targets, Trainer, falling, targets_of
from photoreal.splat.harmonics import harmonic_basis
from photoreal.splat.kernels.blocks import OPACITY, unpack
from photoreal.synth import toy_scene


@pytest.fixture(scope="module")
def scene():
    return masked_room()


def start(scene, *, opacity_degree: int = 1) -> Trainer:
    return Trainer(*trainer_parts(scene, opacity_degree=opacity_degree))


def leaves(trainer: Trainer) -> tuple[Gaussians, Background, Exposures]:
    affine = torch.from_numpy(trainer.exposures.value.reshape(-1, 3, 4).copy())
    gaussians = gaussians_of(trainer.population).map(lambda t: t.requires_grad_())
    background = Background(torch.from_numpy(trainer.background.value.reshape(-1, 3).copy()).requires_grad_())
    return (
        gaussians,
        background,
        Exposures(affine[..., :3].clone().requires_grad_(), affine[..., 3].clone().requires_grad_()),
    )


@pytest.mark.parametrize("view", [0, 1])
def test_gradients_and_loss_are_those_of_autograd(scene, view: int):
    """After one step Adam's first moments are a tenth of the gradients."""
    capture, _ = scene
    trainer = start(scene)
    gaussians, background, exposures = leaves(trainer)
    camera = capture.cameras.take([view])
    colour, transmittance = render_colour(gaussians, camera)
    image = expose(exposures, view, colour + transmittance * exact_background(background, camera))
    photo, mask = unit_from_bytes(capture.photos.images[view]), capture.photos.masks[view]
    expected = photometric_loss(image, photo, mask)
    opacity = torch.sigmoid(gaussians.opacity_harmonics[:, 0] * 0.28209479177387814)
    shown = (trainer_reach(trainer, capture, view) > 0).float()
    penalty = 0.01 * (opacity * shown).mean() + 0.02 * (gaussians.log_scales.exp() * shown[:, None]).mean()
    (expected + penalty).backward()

    loss = trainer.train(targets_of(capture, 1.0), view, 16, RATES)
    assert loss == pytest.approx(float(expected.detach()), rel=2e-4)
    moments = unpack(trainer.population.mean, trainer.population.count, trainer.population.opacity_count)
    names = ("means", "quaternions", "log_scales", "opacity_harmonics", "colour_harmonics")
    for name, moment in zip(names, moments, strict=True):
        wanted = getattr(gaussians, name).grad
        assert relative(10 * moment, wanted) < 2e-3, name
    assert relative(10 * trainer.background.mean.reshape(-1, 3), background.harmonics.grad) < 2e-2
    by_exposure = 10 * trainer.exposures.mean.reshape(-1, 3, 4)
    assert relative(by_exposure[..., :3], exposures.matrices.grad) < 2e-3
    assert relative(by_exposure[..., 3], exposures.offsets.grad) < 2e-3


def exact_background(background: Background, camera: Cameras) -> torch.Tensor:
    rays = torch.nn.functional.normalize(pixel_rays(camera)[0] @ camera.cam_from_world[0, :3, :3], dim=-1)
    return (0.5 + harmonic_basis(rays, 16) @ background.harmonics).permute(2, 0, 1)


def trainer_reach(trainer: Trainer, capture, view: int) -> torch.Tensor:
    """Half extents of the Gaussians as this view draws them."""
    targets, population = targets_of(capture, 1.0), trainer.population
    rows = population.values.shape[1]
    counts = (rows, population.opacity_count, (rows - OPACITY - population.opacity_count) // 3, 16)
    trainer.frame.draw(population.values, counts, targets.cameras[view], targets.size, 3)
    record = trainer.frame.buffers["record"][: len(population.values) * 256].reshape(-1, 16)
    return torch.from_numpy(record[: population.count, 13].copy())


def relative(found: np.ndarray, wanted: torch.Tensor | None) -> float:
    assert wanted is not None
    difference = torch.from_numpy(np.ascontiguousarray(found)) - wanted
    return float(difference.norm() / wanted.norm())


def test_adam_is_that_of_torch(scene):
    """Three steps on one photo, with gradients read from the moments."""
    capture, _ = scene
    trainer = start(scene, opacity_degree=0)
    targets = targets_of(capture, 1.0)
    reference = torch.from_numpy(trainer.population.values.copy()).requires_grad_()
    optimiser = torch.optim.Adam([reference], lr=5e-3, eps=1e-15)
    same = dataclasses.replace(RATES, means=5e-3, rotations=5e-3, opacities=5e-3, colours=5e-3)
    before = trainer.population.mean.copy()
    for _ in range(3):
        trainer.train(targets, 0, 16, same)
        gradient = (trainer.population.mean - 0.9 * before) / 0.1
        before = trainer.population.mean.copy()
        reference.grad = torch.from_numpy(gradient)
        optimiser.step()
    ours = torch.from_numpy(trainer.population.values)
    rows = [*range(OPACITY + 1), 11, 12, 13]  # the other colours learn at a twentieth of the rate
    torch.testing.assert_close(ours[:, rows], reference.detach()[:, rows], rtol=1e-4, atol=1e-5)
    start_values = torch.from_numpy(start(scene, opacity_degree=0).population.values)
    slow, fast = (ours - start_values)[:, 14:], (reference.detach() - start_values)[:, 14:]
    torch.testing.assert_close(slow, fast / 20, rtol=2e-3, atol=1e-6)


def test_what_is_not_drawn_stays_as_it_is(scene):
    capture, _ = scene
    trainer = start(scene)
    trainer.population.values[:2, 0] += 1000
    before = trainer.population.values.copy()
    rates = dataclasses.replace(RATES, noise=1.0)
    for view in (0, 1, 2):
        trainer.train(targets_of(capture, 1.0), view, 16, rates)
    assert np.array_equal(trainer.population.values[:2], before[:2])
    assert not np.array_equal(trainer.population.values[2:], before[2:])
    assert trainer.shown[:32].max() == 0
    assert trainer.shown[32 : trainer.population.count].max() == 3


def test_bytes_do_not_depend_on_the_number_of_threads(scene):
    capture, _ = scene
    rates = dataclasses.replace(RATES, noise=1.0)
    results = []
    for threads in (1, 2):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        trainer = start(scene)
        for step in range(6):
            trainer.train(targets_of(capture, 1.0), step % 3, 16, rates)
        results.append((trainer.population.values, trainer.background.value, trainer.exposures.value))
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_noise_moves_only_faint_gaussians(scene):
    capture, _ = scene
    still = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, noise=1e4)
    trainer = start(scene, opacity_degree=0)
    trainer.population.values[:, OPACITY] = 3.0
    trainer.population.values[0, OPACITY] = -11.0
    before = trainer.population.values.copy()
    trainer.train(targets_of(capture, 1.0), 0, 16, still)
    moved = (trainer.population.values != before).any(1)
    assert moved[0].any()
    assert not moved[1:].any()


def test_targets_are_averaged_and_masked_where_any_part_is():
    made = toy_scene(0, views=2, size=(40, 48), points=50).capture
    masks = made.photos.masks.clone()
    masks[0, 0, 0] = False
    targets: Targets = targets_of(made.replace(photos=made.photos.replace(masks=masks)), 0.5)
    assert targets.size == (20, 24)
    assert targets.images.shape == (2, 3, 20, 32)
    mean = made.photos.images[0, :, :2, :2].float().mean((1, 2))
    assert np.abs(targets.images[0, :, 0, 0] - mean.numpy()).max() <= 0.5
    assert targets.images[..., 24:].max() == 0
    assert targets.masks is not None
    assert targets.masks[0, 0, 0] == 0
    assert targets.masks[0, 0, 1] == 1
    assert targets_of(made, 1.0).masks is None


def test_falling_is_geometric():
    assert falling(1.0, 0.01, 0.0) == pytest.approx(1)
    assert falling(1.0, 0.01, 0.5) == pytest.approx(0.1)
    assert falling(1.0, 0.01, 1.0) == pytest.approx(0.01)
