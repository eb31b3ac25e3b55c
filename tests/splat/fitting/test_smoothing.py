"""Detail is limited by sampling, and what is drawn while training is what is handed out."""

import numpy as np
import pytest
import torch
from blobs import random_gaussians

from photoreal.core import Cameras
from photoreal.splat import FitConfig, background_image, fit, render_colour
from photoreal.splat.fitting.optimise import population_of
from photoreal.splat.fitting.smoothing import sampling_variances, smoothed_gaussians
from photoreal.splat.fitting.training import Small, Trainer, deviates
from photoreal.splat.frame import Frame, camera_numbers
from photoreal.splat.harmonics import Y_0
from photoreal.synth import toy_scene

INTRINSICS = torch.tensor([[[50.0, 0, 20], [0, 50.0, 15], [0, 0, 1]]])


def camera_at(z: float) -> Cameras:
    pose = torch.eye(4)
    pose[2, 3] = -z
    return Cameras(pose[None], INTRINSICS, (30, 40))


def test_variance_is_a_fifth_of_the_finest_squared_interval():
    near, far = camera_at(0.0), camera_at(-6.0)
    both = Cameras(torch.cat([near.cam_from_world, far.cam_from_world]), INTRINSICS.repeat(2, 1, 1), (30, 40))
    means = torch.tensor([[0.0, 0, 2], [0, 0, -1], [0, 0, -100], [1.5, 0, 2]])
    found = sampling_variances(means, both)
    assert found[0] == pytest.approx(0.2 * (2 / 50) ** 2)
    assert found[1] == pytest.approx(0.2 * (5 / 50) ** 2), "only the far camera sees it"
    assert found[2] == found.max(), "seen by none: as the most coarsely seen"
    assert found[3] == pytest.approx(0.2 * (8 / 50) ** 2), "outside of the near camera's picture"


def test_smoothing_keeps_the_integral_and_rounds_what_is_thin():
    gaussians = random_gaussians(0, 50, opacity_count=1).map(lambda t: t.float())
    variances = torch.rand(50) * 0.1
    smooth = smoothed_gaussians(gaussians, variances)
    own, now = ((2 * g.log_scales).exp() for g in (gaussians, smooth))
    torch.testing.assert_close(now - own, variances[:, None].expand(50, 3), rtol=1e-3, atol=1e-5)
    mass = [torch.sigmoid(g.opacity_harmonics[:, 0] * Y_0) * g.log_scales.sum(1).exp() for g in (gaussians, smooth)]
    torch.testing.assert_close(mass[0], mass[1], rtol=1e-4, atol=0)
    unchanged = smoothed_gaussians(gaussians, torch.zeros(50))
    torch.testing.assert_close(unchanged.opacity_harmonics, gaussians.opacity_harmonics, rtol=1e-3, atol=1e-3)


def test_kernels_draw_what_the_smoothed_gaussians_look_like():
    made = toy_scene(0, 1, (48, 64), points=100)
    camera = made.capture.cameras.map(lambda t: t.float())
    gaussians = random_gaussians(1, 100, opacity_count=1).map(lambda t: t.float())
    trainer = Trainer(
        population_of(gaussians),
        Small(np.zeros((1, 3), np.float32)),
        Small(np.tile(np.eye(3, 4, dtype=np.float32).ravel(), (1, 1))),
        0.2,
        deviates(torch.Generator().manual_seed(0)),
        100,
        camera.resized((6, 8)),
    )
    frame = Frame()
    values = trainer.population.values
    frame.draw(values, (values.shape[1], 1, 16, 16), camera_numbers(camera), camera.size, 3, trainer.smoothing)
    colour, transmittance = render_colour(trainer.gaussians(), camera)
    drawn = torch.from_numpy(frame.planes[:, :48, :64].copy())
    assert float((drawn[:3] - colour).abs().max()) < 1e-4
    assert float((drawn[3] - transmittance).abs().max()) < 1e-4
    plain, _ = render_colour(gaussians, camera)
    assert float((plain - colour).abs().max()) > 0.05, "smoothing shows"


def test_a_smoothed_fit_is_never_finer_than_its_photos():
    made = toy_scene(0, 4, (40, 52), points=200)
    config = FitConfig(steps=60, max_gaussians=300, far_gaussians=0, coarse=(), smoothing=True)
    *_, last = fit(made.capture, made.points, config)
    least = sampling_variances(last.gaussians.means, made.capture.cameras).sqrt()
    assert bool((last.gaussians.log_scales.exp().min(1).values > 0.9 * least).all())


def test_an_antialiased_fit_hands_out_antialiased_gaussians():
    """Trained as they are drawn: the handed out ones show the photos as well as classic ones do."""
    made = toy_scene(0, 4, (40, 52), points=200)
    errors = {}
    for antialiased in (False, True):
        config = FitConfig(steps=120, max_gaussians=300, far_gaussians=0, coarse=(), antialiased=antialiased)
        *_, last = fit(made.capture, made.points, config)
        assert last.gaussians.antialiased is antialiased
        camera = made.capture.cameras.take([0]).map(lambda t: t.float())
        colour, transmittance = render_colour(last.gaussians, camera)
        image = colour + transmittance * background_image(last.background, camera)
        errors[antialiased] = float((image - made.capture.photos.images[0] / 255).abs().mean())
    assert errors[True] < 1.3 * errors[False]
