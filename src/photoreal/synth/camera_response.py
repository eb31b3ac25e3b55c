"""What a camera makes of light: vignetting, exposure, white balance, sensor noise, tone curve, JPEG with EXIF."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, TiffImagePlugin

from photoreal.synth.camera_path import Lens

Light = Float[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class Shot:
    """The settings of one photograph."""

    exposure: float
    """Factor on linear light; 1 unit of exposed light is the sensor's white."""
    stops: float = 0.0
    """Deviation of the automatic exposure, in EV; written into the EXIF exposure time."""
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gains of red, green, blue."""
    full_well: float = 9000.0
    """Electrons at white; infinity means no shot noise."""
    read_noise: float = 4.0
    """Electrons, standard deviation."""


def jittered_shot(exposure: float, rng: np.random.Generator) -> Shot:
    """A photograph whose automatic exposure errs by 0.12 EV and whose white balance by 2 % (standard deviations)."""
    gains = 1 + rng.normal(0, 0.02, 3)
    gains /= gains[1]
    return Shot(exposure, float(rng.normal(0, 0.12)), (float(gains[0]), 1.0, float(gains[2])))


def clean_shot(exposure: float) -> Shot:
    """A photograph without noise or drift."""
    return Shot(exposure, full_well=float("inf"), read_noise=0.0)


def develop(light: Light, shot: Shot, seed: int) -> UInt8[np.ndarray, "H W 3"]:
    """The sRGB bytes that a camera stores for linear light."""
    height, width = light.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    radius = np.hypot(x - width / 2, y - height / 2) / np.hypot(width / 2, height / 2)
    signal = light * (1 - 0.16 * radius**2)[..., None] * shot.exposure * 2**shot.stops * np.array(shot.white_balance)
    signal = np.clip(signal, 0, 16)
    if np.isfinite(shot.full_well):
        rng = np.random.default_rng(seed)
        spread = np.sqrt(signal / shot.full_well + (shot.read_noise / shot.full_well) ** 2)
        signal = signal + spread * rng.standard_normal(signal.shape)
    return np.round(255 * srgb_curve(film_curve(signal))).astype(np.uint8)


def film_curve(light: Float[np.ndarray, "*shape"], shoulder: float = 0.4) -> Float[np.ndarray, "*shape"]:
    """Display light in [0, 1): linear up to the shoulder, then an exponential roll-off with the same slope."""
    bright = shoulder + (1 - shoulder) * (1 - np.exp(-(np.maximum(light, shoulder) - shoulder) / (1 - shoulder)))
    return np.where(light < shoulder, np.maximum(light, 0), bright)


def srgb_curve(linear: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """sRGB in [0, 1] of display light in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def automatic_exposure(lights: list[Light]) -> float:
    """The exposure that puts the median brightness of several views at 13 % display light."""
    return 0.13 / float(np.median([np.median(light.mean(-1)) for light in lights]))


def write_photo(
    path: Path, image: UInt8[np.ndarray, "H W 3"], lens: Lens, shot: Shot, *, index: int, quality: int
) -> None:
    """Write a JPEG whose EXIF states the truth: focal length, exposure time, sensitivity, time of day."""
    exif = Image.Exif()
    stamp = (datetime(2026, 5, 16, 16, 20) + timedelta(seconds=4 * index)).strftime("%Y:%m:%d %H:%M:%S")
    exif[ExifTags.Base.Make] = "photoreal"
    exif[ExifTags.Base.Model] = "synthetic camera"
    exif[ExifTags.Base.DateTime] = stamp
    exif[ExifTags.Base.Orientation] = 1
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: stamp,
            ExifTags.Base.FocalLength: _rational(lens.focal_35mm / 5),
            ExifTags.Base.FocalLengthIn35mmFilm: round(lens.focal_35mm),
            ExifTags.Base.FNumber: _rational(8.0),
            ExifTags.Base.ExposureTime: _rational(2**shot.stops / 60),
            ExifTags.Base.ISOSpeedRatings: 400,
            ExifTags.Base.ExifImageWidth: image.shape[1],
            ExifTags.Base.ExifImageHeight: image.shape[0],
        }
    )
    Image.fromarray(image).save(path, quality=quality, subsampling="4:2:0", exif=exif, optimize=True)


def _rational(value: float) -> TiffImagePlugin.IFDRational:
    fraction = Fraction(value).limit_denominator(10000)
    return TiffImagePlugin.IFDRational(fraction.numerator, fraction.denominator)
