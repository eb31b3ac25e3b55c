"""The camera's answer to light: noise as stated, settings as written."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from photoreal.core import srgb_from_linear
from photoreal.synth import phone_lens
from photoreal.synth.camera_response import (
    Shot,
    automatic_exposure,
    clean_shot,
    develop,
    film_curve,
    jittered_shot,
    srgb_curve,
    write_photo,
)


def test_the_curve_is_monotone_smooth_and_below_white() -> None:
    light = np.linspace(0, 8, 4001)
    shown = film_curve(light)
    slope = np.diff(shown) / np.diff(light)
    assert (slope > 0).all()
    assert np.abs(np.diff(slope)).max() < 0.01
    assert shown.max() < 1
    np.testing.assert_allclose(shown[light < 0.4], light[light < 0.4])


def test_the_transfer_function_is_core_s() -> None:
    light = np.linspace(0, 1, 101)
    expected = srgb_from_linear(torch.from_numpy(light)).numpy()
    np.testing.assert_allclose(srgb_curve(light), expected, atol=1e-6)


def test_noise_follows_the_number_of_electrons() -> None:
    light = np.full((200, 200, 3), 0.2, dtype=np.float32)
    shot = Shot(1.0, full_well=2000.0, read_noise=5.0)
    middle = develop(light, shot, 1)[80:120, 80:120].astype(float) / 255
    linear = np.where(middle <= 0.04045, middle / 12.92, ((middle + 0.055) / 1.055) ** 2.4)
    expected = np.sqrt(0.2 / 2000 + (5 / 2000) ** 2)
    assert linear.std() == pytest.approx(expected, rel=0.1)
    assert develop(light, clean_shot(1.0), 1)[80:120, 80:120].std() < 1.5


def test_corners_are_darker_and_stops_brighten() -> None:
    light = np.full((60, 80, 3), 0.2, dtype=np.float32)
    image = develop(light, clean_shot(1.0), 0).astype(int)
    assert image[0, 0, 0] < image[30, 40, 0] - 5
    brighter = develop(light, Shot(1.0, stops=1.0, full_well=float("inf"), read_noise=0.0), 0)
    assert (brighter >= image).all()


def test_automatic_exposure_puts_the_median_at_thirteen_percent() -> None:
    lights = [np.full((4, 4, 3), value, dtype=np.float32) for value in (0.01, 0.02, 0.05)]
    assert automatic_exposure(lights) * 0.02 == pytest.approx(0.13)


def test_jitter_has_the_stated_deviation() -> None:
    rng = np.random.default_rng(0)
    shots = [jittered_shot(1.0, rng) for _ in range(2000)]
    assert np.std([shot.stops for shot in shots]) == pytest.approx(0.12, rel=0.1)
    assert np.std([shot.white_balance[0] for shot in shots]) == pytest.approx(0.02 * np.sqrt(2), rel=0.1)


def test_the_file_states_its_settings(tmp_path: Path) -> None:
    lens, shot = phone_lens((60, 80)), Shot(1.0, stops=0.5)
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    write_photo(tmp_path / "a.jpg", image, lens, shot, index=3, quality=95)
    with Image.open(tmp_path / "a.jpg") as photo:
        assert photo.size == (80, 60)
        exif = photo.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Model]) == ("photoreal", "synthetic camera")
    assert details[ExifTags.Base.FocalLengthIn35mmFilm] == 26
    assert float(details[ExifTags.Base.FocalLength]) == pytest.approx(5.2, abs=1e-3)
    assert float(details[ExifTags.Base.ExposureTime]) == pytest.approx(2**0.5 / 60, rel=1e-3)
    assert details[ExifTags.Base.DateTimeOriginal] == "2026:05:16 16:20:12"
