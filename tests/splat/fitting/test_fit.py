"""Fitting a toy scene: it gets better, it repeats itself, and it heeds masks and exposures."""

import dataclasses

import numpy as np
import pytest
import torch

from photoreal.core import CaptureError, bytes_from_unit, unit_from_bytes
from photoreal.metrics import psnr
from photoreal.splat import FitConfig, background_image, carved_points, expose, fit, render_colour
from photoreal.splat.appearance import Exposures, centred, equal_exposures
from photoreal.splat.fitting.fit import rates_at
from photoreal.synth import toy_scene

SHORT = FitConfig(steps=120, report_every=60, far_gaussians=0, coarse=())


@pytest.fixture(scope="module")
def scene():
    return toy_scene(0, views=8, size=(60, 80))


def held_out_psnr(scene, step, view: int) -> float:
    camera = scene.capture.cameras.take([view])
    with torch.no_grad():
        colour, transmittance = render_colour(step.gaussians, camera)
        image = colour + transmittance * background_image(step.background, camera)
    return psnr(image.clamp(0, 1), unit_from_bytes(scene.capture.photos.images[view]))


def test_fitting_improves_an_unseen_view_and_repeats(scene):
    seen = scene.capture.take([0, 1, 2, 3, 5, 6, 7])
    first, last = list(fit(seen, scene.points, SHORT, seed=3))
    assert last.loss < first.loss
    assert held_out_psnr(scene, last, 4) > 17
    again = list(fit(seen, scene.points, SHORT, seed=3))[-1]
    assert torch.equal(last.gaussians.means, again.gaussians.means)
    assert torch.equal(last.gaussians.colour_harmonics, again.gaussians.colour_harmonics)
    other = list(fit(seen, scene.points, SHORT, seed=4))[-1]
    assert not torch.equal(last.gaussians.means[:100], other.gaussians.means[:100])


def test_a_few_photos_get_fewer_steps(scene):
    """With the whole schedule in them, from coarse to fine and from fast to slow."""
    seen = scene.capture.take([0, 4])
    many = FitConfig(steps=5000, steps_a_photo=30, report_every=60, far_gaussians=0)
    *_, last = fit(seen, scene.points, many)
    *_, same = fit(seen, scene.points, dataclasses.replace(many, steps=60, steps_a_photo=250))
    assert last.index == same.index == 60
    assert torch.equal(last.gaussians.means, same.gaussians.means)


def test_the_cap_holds(scene):
    config = FitConfig(steps=200, report_every=50, far_gaussians=0, max_gaussians=len(scene.points) + 40)
    counts = [len(step.gaussians) for step in fit(scene.capture, scene.points, config)]
    assert counts[-1] == len(scene.points) + 40


def test_a_masked_corner_is_ignored(scene):
    """Photos whose masked part is noise fit the rest as well as clean ones, and far better than if it counted."""
    photos = scene.capture.photos
    noise = torch.randint(0, 256, photos.images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    masks = photos.masks.clone()
    masks[:, :30, :30] = False
    spoiled = torch.where(masks[:, None], photos.images, noise)
    results = []
    for mask in (masks, photos.masks):
        capture = scene.capture.replace(photos=photos.replace(images=spoiled, masks=mask))
        last = list(fit(capture, scene.points, SHORT))[-1]
        camera = capture.cameras.take([2])
        with torch.no_grad():
            colour, transmittance = render_colour(last.gaussians, camera)
            image = colour + transmittance * background_image(last.background, camera)
        results.append(psnr(image.clamp(0, 1), unit_from_bytes(photos.images[2]), ~masks[2]))
    assert results[0] > results[1] + 1


def test_exposures_are_learned(scene):
    photos = scene.capture.photos
    gains = torch.linspace(0.8, 1.2, len(photos))
    brighter = bytes_from_unit(unit_from_bytes(photos.images) * gains[:, None, None, None])
    capture = scene.capture.replace(photos=photos.replace(images=brighter))
    config = FitConfig(steps=400, report_every=400, far_gaussians=0, coarse=())
    last = list(fit(capture, scene.points, config))[-1]
    learned = (
        expose(last.exposures, 7, torch.full((3, 1, 1), 0.5)).mean()
        / expose(last.exposures, 0, torch.full((3, 1, 1), 0.5)).mean()
    )
    assert learned > 1.15


def test_centred_exposures_have_the_identity_as_mean():
    generator = torch.Generator().manual_seed(0)
    random = Exposures(torch.randn(5, 3, 3, generator=generator), torch.randn(5, 3, generator=generator))
    middle = centred(random)
    torch.testing.assert_close(middle.matrices.mean(0), torch.eye(3))
    torch.testing.assert_close(middle.offsets.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    colour = torch.rand(3, 4, 5, generator=generator)
    assert torch.equal(expose(equal_exposures(2), 1, colour), colour)


def test_carved_points_lie_inside_all_masks(scene):
    photos = scene.capture.photos
    masks = torch.zeros_like(photos.masks)
    masks[:, 20:40, 25:55] = True
    capture = scene.capture.replace(photos=photos.replace(masks=masks))
    points = carved_points(capture, count=500, seed=1)
    from photoreal.core import project

    pixels, depth = project(capture.cameras.map(lambda t: t.float()), points.positions)
    inside = (depth > 0) & (pixels >= 0).all(-1) & (pixels[..., 0] < 80) & (pixels[..., 1] < 60)
    kept = pixels[inside]
    assert len(points) > 20
    assert ((kept[:, 0] >= 25) & (kept[:, 0] <= 55) & (kept[:, 1] >= 20) & (kept[:, 1] <= 40)).all()


def test_too_few_points_are_refused(scene):
    few = scene.points.map(lambda t: t[:5])
    with pytest.raises(CaptureError, match="only 5 points"):
        next(fit(scene.capture, few, SHORT))


def test_plateau_stops_early(scene):
    config = FitConfig(steps=4000, report_every=100, far_gaussians=0, max_gaussians=100, plateau=0.9)
    config = config.__class__(**{**config.__dict__, "density": config.density.__class__(stop=0.01)})
    last = list(fit(scene.capture.take([0, 1]), scene.points, config))[-1]
    assert last.index < 1000
    assert np.isfinite(last.loss)


def test_surfaces_are_weighed_on_one_of_some_steps_as_much_as_on_all():
    config = FitConfig(steps=100, distortion=0.3, normals=0.02, surfaces_from=0.2, surfaces_every=5)
    weights = [(r.distortion, r.normals) for r in (rates_at(1.0, step, config, learned=True) for step in range(100))]
    assert [i for i, w in enumerate(weights) if w != (0, 0)] == list(range(20, 100, 5))
    assert np.mean(weights[20:], axis=0) == pytest.approx([0.3, 0.02])
    assert not rates_at(1.0, 90, FitConfig(steps=100, distortion=0.0), learned=True).surfaces
