"""Photographs from image files: upright, in sRGB bytes, with their masks, on one canvas."""

import hashlib
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError
from torch import Tensor

from photoreal.core import CaptureError, MissingDependencyError, Photos, require
from photoreal.io.exif import Exif, Place, focal_hint, lens_identity, orientation_of, read_exif, turned, upright
from photoreal.io.source import HEIF_SUFFIXES, image_files, image_folder, mask_files, unique_names

MIN_SIDE = 32
"""Pixels; a picture with a shorter side is no photograph."""
MAX_PIXELS = 500_000_000
"""A larger picture is refused."""

_HUGE_PIXELS = 64_000_000
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error),
    *(zlib.error, MemoryError, RuntimeError, Image.DecompressionBombError),
)
_HEADER_LOCK = threading.Lock()
_HUGE_LOCK = threading.Lock()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadConfig:
    """How photographs are read."""

    max_side: int = 1600
    """Photographs are scaled down until their longer side has at most this many pixels."""
    masks: Path | None = None
    """Folder of masks, white where the scene is, named NAME.png or NAME.jpg.png; without it, a folder `masks` inside or
    beside the photographs is used where there is one."""


AS_USUAL = ReadConfig()
"""How photographs are read unless told otherwise."""


@dataclass(frozen=True)
class Skipped:
    """A file that was not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class PhotoReading:
    """The photographs of a source, and the files that were skipped."""

    photos: Photos
    skipped: tuple[Skipped, ...]
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where photos were taken, by name; those that do not say are absent."""


@dataclass(frozen=True)
class PhotoFile:
    """An image file that is to become a photo."""

    path: Path
    name: str
    """Unique among the files read together."""
    mask: Path | None = None
    """White where the scene is; scaled to the photo by nearest neighbour."""
    orientation: Literal["exif", "stated"] = "exif"
    """Turned upright as EXIF asks, or (where a dataset gives cameras) only where that makes it fit the stated size."""
    stated_size: tuple[int, int] | None = None
    """Height and width of the dataset's camera in pixels; the file may have fewer or more."""


@dataclass(frozen=True)
class Loaded:
    """What became of a list of files."""

    photos: Photos
    sizes: tuple[tuple[int, int], ...]
    """Height and width of each photo inside the canvas, in pixels."""
    file_sizes: tuple[tuple[int, int], ...]
    """Height and width of each photo as its file has it, turned upright, before scaling."""
    kept: tuple[int, ...]
    """Which of the files each photo is."""
    skipped: tuple[Skipped, ...]
    places: Mapping[str, Place]


@dataclass(frozen=True)
class _Plan:
    """What the header of a file promises."""

    file: PhotoFile
    exif: Exif
    orientation: int
    stored: tuple[int, int]
    size: tuple[int, int]

    @property
    def displayed(self) -> tuple[int, int]:
        return turned(self.stored, self.orientation)


class _UnusableError(Exception):
    """Why a file is skipped."""


def read_photos(source: Path, config: ReadConfig = AS_USUAL) -> PhotoReading:
    """The photographs of a folder (or its `images`), or a single one, in natural order of their names.

    EXIF rotation is honoured, colours become sRGB, and alpha above one half and white in a mask mark the scene. Files
    that cannot be used and repetitions of one picture are skipped and named.

    Raises:
        CaptureError: no file can be used, or all show the same picture.
    """
    if not source.exists():
        raise CaptureError(f"{source} does not exist; give a folder of photographs")
    folder = source.parent if source.is_file() else image_folder(source)
    paths = [source] if source.is_file() else image_files(folder)
    masks = mask_files(paths, config.masks)
    names = unique_names(path.name for path in paths)
    files = [PhotoFile(path, name, masks.get(path)) for path, name in zip(paths, names, strict=True)]
    return _without_repeats(load_photos(files, config), folder)


def load_photos(files: Sequence[PhotoFile], config: ReadConfig) -> Loaded:
    """The files that can be used as photos on one canvas; memory is the photos and two decoded files at a time.

    Raises:
        CaptureError: no file can be used.
    """
    if config.max_side < MIN_SIDE:
        raise CaptureError(f"photos of at most {config.max_side} pixels are too small; ask for {MIN_SIDE} or more")
    with _quiet_pillow():
        plans, refusals = _plan_all(files, config)
        height, width = (max((plan.size[axis] for plan in plans.values()), default=0) for axis in (0, 1))
        images = torch.zeros((len(plans), 3, height, width), dtype=torch.uint8)
        masks = torch.zeros((len(plans), height, width), dtype=torch.bool)
        pool = ThreadPoolExecutor(2)
        try:
            fills = [pool.submit(_fill, plan, images[row], masks[row]) for row, plan in enumerate(plans.values())]
            wait(fills)
        finally:
            pool.shutdown(cancel_futures=True)
        for index, fill in zip(plans, fills, strict=True):
            if isinstance(error := fill.exception(), _UnusableError):
                refusals[index] = str(error)
            elif error is not None:
                raise error
    if len(refusals) == len(files):
        raise _nothing_usable(files, refusals)
    rows = [row for row, index in enumerate(plans) if index not in refusals]
    used = {index: plan for index, plan in plans.items() if index not in refusals}
    skipped = tuple(Skipped(files[index].path.name, refusals[index]) for index in sorted(refusals))
    return _loaded(used, _rows_in_place(images, rows), _rows_in_place(masks, rows), skipped)


def _nothing_usable(files: Sequence[PhotoFile], refusals: dict[int, str]) -> CaptureError:
    if not files:
        return CaptureError("0 photos to read; give a folder of photographs")
    first = files[min(refusals)].path
    return CaptureError(
        f"0 of {len(files)} photos in {first.parent} can be used; {first.name}: {refusals[min(refusals)]}"
    )


def _loaded(
    plans: dict[int, _Plan],
    images: UInt8[Tensor, "V 3 H W"],
    masks: Bool[Tensor, "V H W"],
    skipped: tuple[Skipped, ...],
) -> Loaded:
    used = list(plans.values())
    height, width = (max(plan.size[axis] for plan in used) for axis in (0, 1))
    lenses = [lens_identity(plan.exif, plan.displayed) for plan in used]
    numbers = {lens: number for number, lens in enumerate(dict.fromkeys(lenses))}
    hints = [focal_hint(plan.exif, plan.stored) * max(plan.size) / max(plan.stored) for plan in used]
    photos = Photos(
        images=images[..., :height, :width].contiguous(),
        masks=masks[..., :height, :width].contiguous(),
        names=tuple(plan.file.name for plan in used),
        focal_hints=torch.tensor(hints, dtype=torch.float32),
        lens_ids=torch.tensor([numbers[lens] for lens in lenses], dtype=torch.int64),
    )
    sizes = tuple(plan.size for plan in used)
    places = {plan.file.name: plan.exif.place for plan in used if plan.exif.place is not None}
    return Loaded(photos, sizes, tuple(plan.displayed for plan in used), tuple(plans), skipped, places)


def _rows_in_place(rows: Tensor, kept: list[int]) -> Tensor:
    """The kept rows moved to the front of the same memory."""
    for target, source in enumerate(kept):
        if target != source:
            rows[target] = rows[source]
    return rows[: len(kept)]


def _without_repeats(loaded: Loaded, folder: Path) -> PhotoReading:
    """Pictures that are equal to the byte once scaled count once."""
    first: dict[bytes, int] = {}
    skipped = list(loaded.skipped)
    photos = loaded.photos
    for row, image in enumerate(photos.images):
        digest = hashlib.blake2b(image.numpy().data).digest()
        original = first.setdefault(digest, row)
        if original != row:
            skipped.append(Skipped(photos.names[row], f"the same picture as {photos.names[original]}"))
    if len(first) == len(photos):
        return PhotoReading(photos, tuple(skipped), loaded.places)
    if len(first) == 1:
        raise CaptureError(
            f"all {len(photos)} photos in {folder} are the same picture; photograph the scene from different places"
        )
    kept = list(first.values())
    names = tuple(photos.names[row] for row in kept)
    images, masks = _rows_in_place(photos.images, kept), _rows_in_place(photos.masks, kept)
    photos = Photos(images, masks, names, photos.focal_hints[kept], photos.lens_ids[kept])
    places = {name: place for name, place in loaded.places.items() if name in names}
    return PhotoReading(photos, tuple(skipped), places)


@contextmanager
def _quiet_pillow() -> Generator[None]:
    """Pillow's warnings about damaged metadata are of no use to anyone here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        yield


def _plan_all(files: Sequence[PhotoFile], config: ReadConfig) -> tuple[dict[int, _Plan], dict[int, str]]:
    plans: dict[int, _Plan] = {}
    refusals: dict[int, str] = {}
    for index, file in enumerate(files):
        try:
            plans[index] = _plan(file, config.max_side)
        except _UnusableError as error:
            refusals[index] = str(error)
    return plans, refusals


def _plan(file: PhotoFile, max_side: int) -> _Plan:
    with _opened(file.path) as image:
        stored = (image.height, image.width)
        exif = read_exif(image)
    if min(stored) < MIN_SIDE:
        raise _UnusableError(f"{stored[1]}x{stored[0]} pixels; a photo needs at least {MIN_SIDE} on each side")
    turn = exif.orientation if file.orientation == "exif" else orientation_of(exif, stored, file.stated_size or stored)
    _check_shape(turned(stored, turn), file.stated_size)
    scale = min(1.0, max_side / max(stored))
    height, width = (max(1, round(side * scale)) for side in turned(stored, turn))
    if stored[0] * stored[1] > _HUGE_PIXELS:
        log.warning("%s has %dx%d pixels; it is read at %dx%d", file.path.name, stored[1], stored[0], width, height)
    return _Plan(file, exif, turn, stored, (height, width))


def _check_shape(found: tuple[int, int], stated: tuple[int, int] | None) -> None:
    """A scaled picture keeps its camera's aspect ratio, up to rounding."""
    if stated is None or abs(found[0] - found[1] * stated[0] / stated[1]) <= max(1.5, 0.02 * found[0]):
        return
    raise _UnusableError(f"{found[1]}x{found[0]} pixels, but its camera has {stated[1]}x{stated[0]}")


@contextmanager
def _opened(path: Path) -> Generator[ImageFile.ImageFile]:
    """The image with its header read; every way in which Pillow fails on it becomes one line.

    Pillow's guard against huge pictures is lifted while the header is read only; our own follows.
    """
    try:
        with _HEADER_LOCK:
            formats = _formats(path)
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path, formats=formats)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
        with image:
            if image.width * image.height > MAX_PIXELS:
                limit = MAX_PIXELS // 10**6
                raise _UnusableError(f"{image.width}x{image.height} pixels, more than {limit} million; scale it down")
            yield image
    except MissingDependencyError as error:
        raise _UnusableError(str(error)) from error
    except FileNotFoundError as error:
        raise _UnusableError("the file is not there") from error
    except UnidentifiedImageError as error:
        raise _UnusableError("not a picture that can be read" if path.stat().st_size else "an empty file") from error
    except _BROKEN as error:
        raise _UnusableError(f"cannot be decoded ({_one_line(error)})") from error


def _formats(path: Path) -> list[str]:
    if path.suffix.lower() in HEIF_SUFFIXES:
        require("pillow_heif", extra="heif").register_heif_opener()
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _fill(plan: _Plan, image_row: UInt8[Tensor, "3 H W"], mask_row: Bool[Tensor, "H W"]) -> None:
    pixels, mask = _decoded(plan)
    if plan.file.mask is not None:
        mask &= _kept_by_mask(plan, plan.file.mask)
    if not mask.any():
        raise _UnusableError("its mask or transparency leaves no pixel")
    height, width = plan.size
    image_row[:, :height, :width] = torch.from_numpy(pixels).permute(2, 0, 1)
    mask_row[:height, :width] = torch.from_numpy(mask)


def _decoded(plan: _Plan) -> tuple[UInt8[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """Upright sRGB pixels, and where their alpha is above one half."""
    height, width = turned(plan.size, plan.orientation)
    with _opened(plan.file.path) as opened:
        opened.draft(opened.mode, (2 * width, 2 * height))
        with _HUGE_LOCK if opened.width * opened.height > _HUGE_PIXELS else nullcontext():
            plain = _plain(opened)
            if plain.size != (width, height):
                plain = plain.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        rgb = upright(_srgb(plain, opened.info.get("icc_profile")), plan.orientation)
        if "A" not in plain.getbands():
            return np.array(rgb), np.ones((rgb.height, rgb.width), bool)
        return np.array(rgb), np.asarray(upright(plain.getchannel("A"), plan.orientation)) > 127


def _plain(image: Image.Image) -> Image.Image:
    """The same picture with 8 bits a channel in a mode that scales well: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.max(initial=0) > 0xFFFF or levels.min(initial=0) < 0:
            raise _UnusableError("its grey levels have 32 bits; save it with 8 or 16")
        return Image.fromarray((levels >> 8).astype(np.uint8))
    if image.mode == "F":
        raise _UnusableError("its pixels are floating point numbers; save it with 8 or 16 bits")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") and "transparency" not in image.info:
        image.load()
        return image
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB in sRGB; a colour profile that is damaged or belongs to other channels is ignored."""
    colours = image.convert(image.mode[:-1]) if image.mode in ("LA", "RGBA") else image
    if not profile:
        return colours.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}[colours.mode]
        description: Any = source.profile
        known = description.xcolor_space.strip() == space
        if known and "sRGB" not in ImageCms.getProfileDescription(source):
            converted = ImageCms.profileToProfile(colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted if converted is not None else colours.convert("RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.info("a colour profile is ignored: %s", _one_line(error))
    return colours.convert("RGB")


def _kept_by_mask(plan: _Plan, path: Path) -> Bool[np.ndarray, "H W"]:
    """Where the mask is white, in upright pixels; a mask that lies sideways as the file does is turned too."""
    height, width = plan.size
    try:
        with _opened(path) as opened:
            sideways = plan.orientation >= 5 and (opened.width > opened.height) != (width > height)
            orientation = plan.orientation if sideways else 1
            stored_height, stored_width = turned(plan.size, orientation)
            nearest = _plain(opened).resize((stored_width, stored_height), Image.Resampling.NEAREST)
    except _UnusableError as error:
        raise _UnusableError(f"its mask {path.name}: {error}") from error
    levels = np.asarray(upright(nearest.convert("L"), orientation))
    opaque = np.asarray(upright(nearest.getchannel("A"), orientation)) if "A" in nearest.getbands() else 255
    return (levels > (127 if levels.max() > 1 else 0)) & (opaque > np.uint8(127))
