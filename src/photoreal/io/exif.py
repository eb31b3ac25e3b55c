"""What a photograph's EXIF block says about its orientation and its lens (CIPA DC-008, Exif 2.32)."""

import math
import struct
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import IFD, Base

DIAGONAL_OF_35MM_FILM = 43.2666
"""Millimetres; the diagonal of 36 x 24 mm, to which 35 mm equivalents refer (CIPA DCG-001)."""

_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_BROKEN_EXIF = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    struct.error,
    OverflowError,
)


@dataclass(frozen=True)
class Exif:
    """The part of an EXIF block that matters to geometry; 0 and "" where unknown."""

    orientation: int = 1
    """1 to 8, as in the standard; 6 means that the picture must be turned by 90 degrees clockwise to stand upright."""
    camera: str = ""
    """Make, model and lens model."""
    focal_mm: float = 0.0
    """Focal length in millimetres."""
    focal_35mm: float = 0.0
    """Focal length in millimetres of a 35 mm film camera with the same diagonal field of view."""
    pixels_per_mm: float = 0.0
    """Resolution of the sensor along x, for the picture as the camera wrote it."""
    written_size: tuple[int, int] = (0, 0)
    """Height and width that the camera wrote, before any program scaled the picture."""
    zoom: float = 1.0
    """Digital zoom."""


def read_exif(image: Image.Image) -> Exif:
    """What the opened image says of itself; a damaged block counts as none."""
    try:
        block = image.getexif()
        details = block.get_ifd(IFD.Exif)
    except _BROKEN_EXIF:
        return Exif()
    tags = {**dict(block), **dict(details)}
    # Pillow turns TIFF files by itself, its stated size included.
    orientation = 1 if image.format == "TIFF" else int(_number(tags, Base.Orientation))
    unit = _MILLIMETRES.get(int(_number(tags, Base.FocalPlaneResolutionUnit)) or 2, 25.4)
    words = (str(tags.get(tag, "")).strip("\0 ") for tag in (Base.Make, Base.Model, Base.LensModel))
    return Exif(
        orientation=orientation if orientation in _TRANSPOSES else 1,
        camera=" ".join(word for word in words if word),
        focal_mm=_number(tags, Base.FocalLength),
        focal_35mm=_number(tags, Base.FocalLengthIn35mmFilm),
        pixels_per_mm=_number(tags, Base.FocalPlaneXResolution) / unit,
        written_size=(int(_number(tags, Base.ExifImageHeight)), int(_number(tags, Base.ExifImageWidth))),
        zoom=max(1.0, _number(tags, Base.DigitalZoomRatio)),
    )


def focal_hint(exif: Exif, size: tuple[int, int]) -> float:
    """Focal length in pixels of a stored picture of `size` (height, width); 0 where EXIF says nothing, or nonsense.

    The 35 mm equivalent is asked first, then the focal length with the sensor's resolution.
    """
    from_film = exif.focal_35mm / DIAGONAL_OF_35MM_FILM * math.hypot(*size)
    scale = max(size) / max(exif.written_size) if all(exif.written_size) else 1.0
    from_sensor = exif.focal_mm * exif.pixels_per_mm * exif.zoom * scale
    plausible = (focal for focal in (from_film, from_sensor) if 0.2 * max(size) <= focal <= 50 * max(size))
    return next(plausible, 0.0)


def lens_identity(exif: Exif, displayed: tuple[int, int]) -> tuple[str, float, float, float, int, int]:
    """Equal for photos that share intrinsics: camera, zoom and size (height, width) after rotation.

    Pictures without EXIF count as taken by one lens when their sizes agree.
    """
    return exif.camera, round(exif.focal_mm, 2), round(exif.focal_35mm, 1), round(exif.zoom, 2), *displayed


def turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Height and width after the rotation that an EXIF orientation asks for."""
    return (size[1], size[0]) if orientation >= 5 else size


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned and mirrored as an EXIF orientation asks for."""
    return image.transpose(_TRANSPOSES[orientation]) if orientation in _TRANSPOSES else image


def _number(tags: dict[int, object], tag: int) -> float:
    """A tag as a finite number that is not negative, else 0."""
    try:
        value = float(tags.get(tag, 0))  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0
