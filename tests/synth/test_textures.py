"""Textures are periodic, repeatable, in range and finely detailed."""

from collections.abc import Callable

import numpy as np
import pytest

from photoreal.synth import patterns
from photoreal.synth.textures import fractal_noise, masonry, planks, plaster, ramp, smooth_step, stone, wood

PICTURES: dict[str, Callable[[int], np.ndarray]] = {
    "masonry": lambda seed: masonry(0.7, 0.5, seed)[0],
    "planks": lambda seed: planks(0.9, 0.6, seed)[0],
    "plaster": lambda seed: plaster(0.5, 0.4, seed)[0],
    "wood": lambda seed: wood(0.4, 0.3, seed),
    "stone": lambda seed: stone(0.3, seed),
    "rug": lambda seed: patterns.rug(1.4, 0.9, seed),
    "tweed": lambda seed: patterns.tweed(0.2, seed, ((0.1, 0.15, 0.14), (0.58, 0.58, 0.48))),
    "plaid": lambda seed: patterns.plaid(0.2, seed, ((0.8, 0.7, 0.5), (0.5, 0.2, 0.1), (0.2, 0.2, 0.3))),
    "block print": lambda seed: patterns.block_print(0.2, seed, (0.8, 0.76, 0.62), (0.6, 0.24, 0.12)),
    "books": lambda seed: patterns.book_atlas(3, seed),
    "landscape": lambda seed: patterns.landscape(120, 160, seed),
    "botanical": lambda seed: patterns.botanical(160, 120, seed),
    "glazed ware": lambda seed: patterns.glazed_ware(128, 256, seed),
    "wicker": patterns.wicker,
    "globe": patterns.map_globe,
    "clock": patterns.clock_face,
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_in_range_repeatable_and_detailed(name: str) -> None:
    picture = PICTURES[name](3)
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.min() >= 0
    assert picture.max() <= 1
    np.testing.assert_array_equal(picture, PICTURES[name](3))
    assert not np.array_equal(picture, PICTURES[name](4))
    grey = picture.mean(-1)
    assert max(np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)) > 0.004


def test_noise_has_unit_deviation_and_only_the_wavelengths_asked_for() -> None:
    noise = fractal_noise((256, 256), 1, coarsest=64, finest=8)
    assert abs(noise.mean()) < 1e-5
    assert noise.std() == pytest.approx(1, abs=1e-4)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
    power = np.abs(np.fft.rfft2(noise)) ** 2
    inside = (frequency >= 1 / 64) & (frequency <= 1 / 8)
    assert power[inside].sum() > 0.999 * power.sum()


def test_noise_wraps_around_without_a_seam() -> None:
    noise = fractal_noise((128, 128), 2, coarsest=64, finest=6)
    seam, inside = np.abs(noise[:, 0] - noise[:, -1]).mean(), np.abs(np.diff(noise, axis=1)).mean()
    assert seam < 1.5 * inside


def test_stretched_noise_changes_slowly_along_the_stretch() -> None:
    noise = fractal_noise((256, 256), 3, coarsest=64, finest=4, stretch=(1.0, 8.0))
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.4 * np.abs(np.diff(noise, axis=0)).mean()


def test_mortar_lies_deeper_than_bricks_and_gaps_deeper_than_planks() -> None:
    _, bricks = masonry(0.9, 0.6, 1)
    assert 0.15 < (bricks < 0.004).mean() < 0.5
    assert np.percentile(bricks, 90) > 0.009
    _, floor = planks(1.5, 0.9, 1)
    assert 0.005 < (floor < 0.0015).mean() < 0.15


def test_ramp_and_step_meet_their_ends() -> None:
    colours = [(0.0, 0.1, 0.2), (1.0, 0.5, 0.4)]
    np.testing.assert_allclose(ramp(np.array([-1.0, 0.0, 0.5, 2.0]), colours)[:, 0], [0, 0, 0.5, 1])
    np.testing.assert_allclose(smooth_step(np.array([0.0, 1.0, 2.0, 3.0]), 1, 2), [0, 0, 1, 1])
