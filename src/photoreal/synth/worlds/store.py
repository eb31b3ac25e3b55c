"""Samples on disk: a JPEG, and beside it its inverse depth."""

import io
import math
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from photoreal.core import FormatError, Step
from photoreal.synth.textures import Number
from photoreal.synth.worlds.render import Sample, render_world

_TOP = 65535


@dataclass(frozen=True)
class Stored:
    """A photo with what is known of its depth."""

    image: UInt8[np.ndarray, "H W 3"]
    inverse_depth: Float[np.ndarray, "H W"]
    """1 / metres, rounded to a 65535th of the largest; 0 where there is only sky."""
    horizontal_field_of_view: Number
    """Degrees."""


def render_worlds(
    folder: Path, count: int, *, first: int = 0, every: int = 1, size: tuple[int, int] | None = None
) -> Generator[Step, None, None]:
    """Yield steps; afterwards the folder holds the samples with the numbers first, first + every, ...

    Those that are there already stay as they are, so that a run goes on where it was stopped, and several can share
    the numbers among them.

    Raises:
        MissingDependencyError: embree or scikit-image is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for done, number in enumerate(range(first, first + count * every, every)):
        yield Step("rendering worlds", done, count)
        if not _depth_file(folder, number).exists():
            write_sample(folder, number, render_world(number, size))


def write_sample(folder: Path, number: int, sample: Sample) -> None:
    """Write both files; the depth last, so that where it is the photo is."""
    rng = np.random.default_rng([number, 2])
    inverse = np.where(np.isfinite(sample.depth), 1 / np.maximum(sample.depth, 1e-6), 0)
    top = float(inverse.max()) or 1.0
    known = Image.fromarray(np.round(inverse / top * _TOP).astype(np.uint16))
    photo, depth = io.BytesIO(), io.BytesIO()
    Image.fromarray(sample.image).save(photo, "JPEG", quality=int(rng.integers(75, 97)))
    angle = f"{sample.horizontal_field_of_view:.4f}"
    about = _text(inverse_depth_at_white=f"{top:.9g}", horizontal_field_of_view=angle, kind=sample.kind)
    known.save(depth, "PNG", pnginfo=about, compress_level=6)
    for path, data in ((_photo_file(folder, number), photo), (_depth_file(folder, number), depth)):
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_bytes(data.getvalue())
        part.replace(path)


def read_sample(folder: Path, number: int) -> Stored:
    """The sample of a number.

    Raises:
        FormatError: its files are damaged or not ours.
        FileNotFoundError: there is none.
    """
    path = _depth_file(folder, number)
    with Image.open(_photo_file(folder, number)) as photo, Image.open(path) as depth:
        image, inverse = np.asarray(photo.convert("RGB")), np.asarray(depth, np.float32)
        about = {str(key): value for key, value in depth.info.items()}
    try:
        top, angle = (float(about[name]) for name in ("inverse_depth_at_white", "horizontal_field_of_view"))
    except (KeyError, ValueError) as error:
        raise FormatError(f"{path} does not say what its values mean") from error
    if image.shape[:2] != inverse.shape or not (math.isfinite(top) and 0 < angle < 180):
        raise FormatError(f"{path} is {inverse.shape}, its photo {image.shape[:2]}")
    return Stored(image, inverse * np.float32(top / _TOP), angle)


def stored_numbers(folder: Path) -> list[int]:
    """Numbers of the samples in a folder, in rising order."""
    return sorted(int(path.stem) for path in folder.glob("*.png") if path.stem.isdigit())


def _text(**values: str) -> PngInfo:
    info = PngInfo()
    for name, value in values.items():
        info.add_text(name, value)
    return info


def _photo_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.jpg"


def _depth_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.png"
