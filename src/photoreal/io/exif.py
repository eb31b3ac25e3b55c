"""What a photograph's EXIF block says about its orientation, its lens and its place (CIPA DC-008, Exif 2.32)."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

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
_HIGHEST = 20_000.0
"""Metres; nobody photographs from higher up but an astronaut."""
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
class Place:
    """Where a photograph was taken, on WGS84."""

    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees from -180 to 180, east positive."""
    altitude: float | None = None
    """Metres above the sea or the ellipsoid, whichever the camera wrote; None where unknown."""


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
    place: Place | None = None
    """None where the camera did not know it, or wrote nonsense."""


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
        place=_place(block),
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


def orientation_of(exif: Exif, stored: tuple[int, int], stated: tuple[int, int]) -> int:
    """The turn that EXIF asks for, if only so a stored picture lies as the size that a dataset states; else 1.

    Sizes are heights and widths.
    """
    return exif.orientation if exif.orientation >= 5 and (stated[0] > stated[1]) != (stored[0] > stored[1]) else 1


def turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Height and width after the rotation that an EXIF orientation asks for."""
    return (size[1], size[0]) if orientation >= 5 else size


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned and mirrored as an EXIF orientation asks for."""
    return image.transpose(_TRANSPOSES[orientation]) if orientation in _TRANSPOSES else image


def _place(block: Image.Exif) -> Place | None:
    """None where a tag is missing or no angle, where the receiver had lost its satellites, and for exactly (0, 0)."""
    try:
        tags: dict[int, object] = dict(block.get_ifd(IFD.GPSInfo))
    except _BROKEN_EXIF:
        return None
    latitude = _angle(tags, GPS.GPSLatitude, _sign(tags, GPS.GPSLatitudeRef, "NS"))
    longitude = _angle(tags, GPS.GPSLongitude, _sign(tags, GPS.GPSLongitudeRef, "EW"))
    known = abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0)
    if not known or _word(tags, GPS.GPSStatus) == "V":
        return None
    return Place(latitude, longitude, _altitude(tags))


def _altitude(tags: Mapping[int, object]) -> float | None:
    reference = tags.get(GPS.GPSAltitudeRef, 0)
    below = reference in (1, 3, b"\1", b"\3")
    metres = _real(tags.get(GPS.GPSAltitude))
    return (-metres if below else metres) if abs(metres) <= _HIGHEST else None


def _angle(tags: Mapping[int, object], tag: int, sign: float) -> float:
    """Degrees of an angle in degrees, minutes and seconds; NaN where it is none."""
    parts = tags.get(tag)
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        return math.nan
    return sign * sum(_real(part) / 60**power for power, part in enumerate(parts))


def _sign(tags: Mapping[int, object], tag: int, letters: str) -> float:
    """1 for the first of two letters, -1 for the second, NaN for anything else."""
    return {letters[0]: 1.0, letters[1]: -1.0}.get(_word(tags, tag), math.nan)


def _word(tags: Mapping[int, object], tag: int) -> str:
    value = tags.get(tag, "")
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ").upper()


def _real(value: object) -> float:
    """A rational as a number; NaN where it is none."""
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan


def _number(tags: dict[int, object], tag: int) -> float:
    """A tag as a finite number that is not negative, else 0."""
    value = _real(tags.get(tag, 0))
    return value if math.isfinite(value) and value > 0 else 0.0
