"""The training step in torch against the one in kernels, on the same rasterizer."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_training import RATES, masked_room, trainer_parts

from photoreal.core import Cameras, Gaussians
from photoreal.splat import FitConfig, fit, render_colour
from photoreal.splat.cpu import composite_numba
from photoreal.splat.fitting import fit as fitting
from photoreal.splat.fitting.autograd import AutogradTrainer
from photoreal.splat.fitting.backdrop import pixel_kinds
from photoreal.splat.fitting.optimise import population_of
from photoreal.splat.fitting.training import Trainer, targets_of
from photoreal.splat.frame import Frame, camera_numbers
from photoreal.splat.kernels.projection import REACH, RECORD


def draw(gaussians: Gaussians, camera: Cameras, *, surfaces: bool) -> tuple[Tensor, Tensor, Tensor]:
    """By the CPU rasterizer."""
    sums, transmittance = (composite_numba if surfaces else render_colour)(gaussians, camera)
    population, frame = population_of(gaussians), Frame()
    colours = gaussians.colour_harmonics.shape[1]
    counts = (population.values.shape[1], population.opacity_count, colours, colours)
    numbers = camera_numbers(camera, antialiased=gaussians.antialiased)
    frame.draw(population.values, counts, numbers, camera.size, 3)
    reach = frame.buffers["record"].reshape(-1, RECORD)[: len(gaussians), REACH]
    return sums, transmittance, torch.from_numpy(reach > 0)


@pytest.fixture(scope="module")
def scene():
    return masked_room()


@pytest.mark.parametrize(
    ("colours", "smoothed", "empty", "surfaces", "antialiased"),
    [
        (16, False, False, False, False),
        (4, False, False, False, False),
        (16, True, False, False, False),
        (16, False, True, False, False),
        (16, False, True, True, False),
        (16, True, False, True, False),
        (16, False, False, False, True),
        (16, True, False, True, True),
    ],
)
def test_both_trainers_do_the_same(scene, colours: int, smoothed: bool, empty: bool, surfaces: bool, antialiased: bool):
    rates = dataclasses.replace(RATES, distortion=0.5, normals=0.2) if surfaces else RATES
    as_if = scene[0].cameras.resized((9, 13))
    targets = targets_of(scene[0], 1.0, pixel_kinds(scene[0].photos, outside_is_empty=empty))

    def start() -> tuple:
        population, *others = trainer_parts(scene, opacity_degree=0 if smoothed else 1)
        population = dataclasses.replace(population, antialiased=antialiased)
        return population, *others, *((as_if,) if smoothed else ())

    ours, theirs = Trainer(*start()), AutogradTrainer(*start(), draw=draw, device="cpu")
    for step in range(4):
        losses = [trainer.train(targets, step % 3, colours, rates) for trainer in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    first, population = Trainer(*start()).fetch(), theirs.fetch()
    moved = np.abs(ours.population.values - first.values)
    assert moved[:, : 14 + 3 * (colours - 1)].max() > 0
    for name, tolerance in {"mean": 5e-3, "square": 5e-3, "values": 5e-2}.items():  # Adam enlarges least gradients
        found, wanted = getattr(population, name), getattr(ours.population, name)
        assert np.linalg.norm(found - wanted) < tolerance * np.linalg.norm(wanted - getattr(first, name)), name
    np.testing.assert_array_equal(theirs.shown, ours.shown)
    assert np.linalg.norm(theirs.need - ours.need) < 5e-3 * np.linalg.norm(ours.need)
    for name in ("background", "exposures"):
        found, wanted = getattr(theirs, name).mean, getattr(ours, name).mean
        assert np.linalg.norm(found - wanted) <= 1e-2 * np.linalg.norm(wanted), name


def test_noise_moves_faint_gaussians_that_are_drawn(scene):
    still, noisy = ({"means": 0.0, "scales": 0.0, "rotations": 0.0, "noise": n} for n in (0.0, 50.0))
    moved = []
    for changes in (still, noisy):
        trainer = AutogradTrainer(*trainer_parts(scene), draw=draw, device="cpu")
        trainer.population.values[:8, 10] = -12
        trainer.settle()
        before = trainer.fetch().columns(0, 3)
        trainer.train(targets_of(scene[0], 1.0), 0, 16, dataclasses.replace(RATES, **changes))
        moved.append((trainer.fetch().columns(0, 3) - before).norm(dim=1))
        faint = torch.sigmoid(trainer.population.column(10) * 0.282) < 0.1
    assert moved[0].max() == 0
    assert moved[1][~faint].max() == 0
    assert (moved[1][faint] > 0).any()


def test_a_whole_fit_by_autograd_learns_and_densifies(scene, monkeypatch: pytest.MonkeyPatch):
    """As on a GPU, with the CPU's rasterizer in gsplat's place."""
    capture, points = scene
    config = FitConfig(steps=60, max_gaussians=150, far_gaussians=20, report_every=30, coarse=((0.2, 0.5),))
    config = dataclasses.replace(config, density=dataclasses.replace(config.density, every=10))
    kernels = list(fit(capture, points.map(lambda t: t[:80]), config))
    monkeypatch.setattr(fitting, "device_of", lambda config: "cuda")
    monkeypatch.setattr(fitting, "draw_gsplat", draw)
    monkeypatch.setattr(fitting, "CUDA", "cpu")
    steps = list(fit(capture, points.map(lambda t: t[:80]), config))
    assert len(steps[-1].gaussians) == len(kernels[-1].gaussians) == 150
    assert steps[-1].loss == pytest.approx(kernels[-1].loss, rel=0.1)
