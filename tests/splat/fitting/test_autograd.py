"""The training step in torch against the one in kernels, on the same rasterizer."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from photoreal.core import Cameras, Gaussians
from photoreal.splat import FitConfig, fit, render_colour
from photoreal.splat.fitting import fit as fitting
from photoreal.splat.fitting.autograd import AutogradTrainer
from photoreal.splat.fitting.backdrop import pixel_kinds
from photoreal.splat.fitting.initial import gaussians_from_points
from photoreal.splat.fitting.optimise import population_of
from photoreal.splat.fitting.training import Rates, Small, Trainer, deviates, targets_of
from photoreal.splat.frame import Frame, camera_numbers
from photoreal.splat.kernels.projection import REACH, RECORD
from photoreal.synth import toy_scene

RATES = Rates(1e-3, 5e-3, 1e-3, 5e-2, 2.5e-3, 2e-3, 1e-3, 0.01, 0.02, 0.0)


def draw(gaussians: Gaussians, camera: Cameras) -> tuple[Tensor, Tensor, Tensor]:
    """By the CPU rasterizer."""
    colour, transmittance = render_colour(gaussians, camera)
    population, frame = population_of(gaussians), Frame()
    colours = gaussians.colour_harmonics.shape[1]
    counts = (population.values.shape[1], population.opacity_count, colours, colours)
    frame.draw(population.values, counts, camera_numbers(camera), camera.size, 3)
    reach = frame.buffers["record"].reshape(-1, RECORD)[: len(gaussians), REACH]
    return colour, transmittance, torch.from_numpy(reach > 0)


@pytest.fixture(scope="module")
def scene():
    made = toy_scene(0, views=3, size=(37, 53), points=200)
    masks = made.capture.photos.masks.clone()
    masks[1, 5:20, 30:] = False
    photos = made.capture.photos.replace(masks=masks)
    return made.capture.replace(photos=photos, cameras=made.capture.cameras.map(lambda t: t.float())), made.points


def parts(scene, *, opacity_degree: int = 1):
    capture, points = scene
    generator = torch.Generator().manual_seed(5)
    gaussians = gaussians_from_points(points, opacity_degree=opacity_degree)
    gaussians = gaussians.map(lambda t: t + 0.1 * torch.randn(t.shape, generator=generator))
    background = 0.3 * torch.randn(1, 48, generator=generator).numpy()
    exposures = np.tile(np.eye(3, 4, dtype=np.float32).ravel(), (len(capture), 1))
    exposures += 0.05 * torch.randn(exposures.shape, generator=generator).numpy()
    return population_of(gaussians), Small(background), Small(exposures), 0.2, deviates(generator), 1000


@pytest.mark.parametrize(
    ("colours", "smoothed", "empty"), [(16, False, False), (4, False, False), (16, True, False), (16, False, True)]
)
def test_both_trainers_do_the_same(scene, colours: int, smoothed: bool, empty: bool):
    as_if = scene[0].cameras.resized((9, 13))
    targets = targets_of(scene[0], 1.0, pixel_kinds(scene[0].photos, outside_is_empty=empty))

    def start() -> tuple:
        return (*parts(scene, opacity_degree=0), as_if) if smoothed else parts(scene)

    ours, theirs = Trainer(*start()), AutogradTrainer(*start(), draw=draw, device="cpu")
    for step in range(4):
        losses = [trainer.train(targets, step % 3, colours, RATES) for trainer in (ours, theirs)]
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
        trainer = AutogradTrainer(*parts(scene), draw=draw, device="cpu")
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
