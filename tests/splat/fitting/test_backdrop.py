"""A plain backdrop is found, and nothing is put in front of it."""

import dataclasses

import numpy as np
import pytest
import torch

from photoreal.core import Capture, Photos
from photoreal.splat import FitConfig, fit, render_colour
from photoreal.splat.fitting.backdrop import EMPTY, IGNORED, SHOWN, pixel_kinds, plain_backdrop
from photoreal.splat.fitting.training import targets_of
from photoreal.synth import toy_scene

SIZE = (48, 64)


def before(colour: int, scene: Capture) -> Photos:
    """The photos with a disc left of them, the rest about the given grey; a hole of that grey within the disc."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    away = (y - 24) ** 2 + (x - 32) ** 2
    noise = torch.randint(-4, 5, (len(scene), 3, *SIZE), generator=torch.Generator().manual_seed(0))
    backdrop = (colour + noise).clamp(0, 255).byte()
    bright = scene.photos.images.clamp(60, 200)
    images = torch.where((away < 18**2) & (away > 3**2), bright, backdrop)
    return scene.photos.replace(images=images)


@pytest.fixture(scope="module")
def scene():
    made = toy_scene(0, views=4, size=SIZE, points=200)
    return made.capture.replace(cameras=made.capture.cameras.map(lambda t: t.float())), made.points


@pytest.mark.parametrize("colour", [2, 251])
def test_what_hangs_together_with_the_borders_is_empty(scene, colour: int):
    photos = before(colour, scene[0])
    found = plain_backdrop(photos)
    assert found is not None
    torch.testing.assert_close(found[0], torch.full((3,), colour / 255), atol=0.01, rtol=0)
    kinds = found[1]
    assert bool((kinds[:, :3] == EMPTY).all())
    assert bool((kinds[:, 24, 32] == SHOWN).all()), "the hole within is part of the object"
    row = kinds[0, 24].tolist()
    assert row[:13] == [EMPTY] * 13
    assert row[13:50] == [SHOWN] * 37, "pixels at the edge are mixed"


def test_other_photos_have_no_backdrop(scene):
    assert plain_backdrop(scene[0].photos) is None
    masked = before(0, scene[0])
    masks = masked.masks.clone()
    masks[0, 0, 0] = False
    assert plain_backdrop(masked.replace(masks=masks)) is None, "masks say what counts"


def test_photos_of_nothing_have_no_backdrop(scene):
    blank = scene[0].photos.replace(images=torch.full_like(scene[0].photos.images, 90))
    assert plain_backdrop(blank) is None


def test_masks_give_kinds():
    masks = torch.tensor([[[True, False]]])
    photos = Photos(torch.zeros(1, 3, 1, 2, dtype=torch.uint8), masks, ("a",), torch.zeros(1), torch.zeros(1).long())
    assert pixel_kinds(photos, outside_is_empty=False).tolist() == [[[SHOWN, IGNORED]]]
    assert pixel_kinds(photos, outside_is_empty=True).tolist() == [[[SHOWN, EMPTY]]]


def test_smaller_targets_keep_only_whole_pixels(scene):
    photos = before(2, scene[0])
    found = plain_backdrop(photos)
    assert found is not None
    targets = targets_of(scene[0].replace(photos=photos), 0.5, found[1])
    assert targets.empty
    assert targets.masks is not None
    row = targets.masks[0, 12, :32].tolist()
    assert row[:6] == [EMPTY] * 6
    assert row[6] == IGNORED
    assert SHOWN in row
    assert targets.shares[0] == pytest.approx(np.count_nonzero(targets.masks[0, :, :32]) / (24 * 32))
    assert not targets_of(scene[0], 0.5).empty


def test_nothing_is_fitted_in_front_of_the_backdrop(scene):
    capture, points = scene
    dark = capture.replace(photos=before(2, capture))
    config = FitConfig(steps=150, max_gaussians=400, far_gaussians=50, coarse=(), exposure=False)
    clear: list[float] = []
    for plain in (True, False):
        *_, last = fit(dark, points, dataclasses.replace(config, plain_backdrop=plain))
        _, transmittance = render_colour(last.gaussians, capture.cameras.take([0]))
        clear.append(float(transmittance[:6].mean()))
        if plain:
            torch.testing.assert_close(
                last.background.harmonics, torch.full((1, 3), (2 / 255 - 0.5) / 0.28209479177387814), atol=0.02, rtol=0
            )
    assert clear[0] > 0.9
    assert clear[0] > clear[1] + 0.1, clear
