"""The scene folder: standard files that other programs open as they are, and `capture.json` for our own exact reading.

The folder is a COLMAP dataset (`images`, `masks`, `sparse/0`) and a nerfstudio one (`transforms.json`, `points.ply`).
"""

import collections
import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from photoreal.core import Cameras, Capture, Depths, FormatError, Gaussians, Photos, Points, SceneError, Tracks
from photoreal.io.colmap import write_colmap
from photoreal.io.files import atomic_folder, atomic_path, read_json, remove, write_json, writing
from photoreal.io.nerfstudio import write_nerfstudio
from photoreal.io.ply import read_gaussians_ply, read_points, write_gaussians_ply, write_points
from photoreal.io.spz import write_spz

ImageFormat = Literal["jpeg", "png"]
"""How a scene's images are stored: small and nearly the same, or exactly."""
CAPTURE_NAME = "capture.json"
_FORMAT = 1
_THREADS = 2
_BAD_IMAGE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on damaged files."""
_SUFFIXES: dict[ImageFormat, str] = {"jpeg": ".jpg", "png": ".png"}
_PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class SceneCapture:
    """What a scene folder knows of the place: the photos used with their cameras, and the points seen in them."""

    capture: Capture
    points: Points


@dataclass(frozen=True)
class _Index:
    """What capture.json holds."""

    names: tuple[str, ...]
    files: tuple[str, ...]
    has_masks: bool
    cameras: Cameras
    focal_hints: Float[Tensor, " V"]
    lens_ids: Int64[Tensor, " V"]


def write_capture(
    folder: Path, capture: Capture, points: Points, tracks: Tracks, *, image_format: ImageFormat = "jpeg"
) -> None:
    """Afterwards the folder is a COLMAP and nerfstudio dataset of the capture, and `read_capture` gives it back.

    Cameras, masks, names and points come back exactly; images too with "png", while "jpeg" (quality 97, colours at full
    resolution) is about a third of the size. `masks` holds all photos if some pixel is masked, else it is absent.
    After a call that did not end, `read_capture` refuses the folder.

    Raises:
        SceneError: the disk is full or the folder cannot be written.
    """
    names = image_names(capture.photos.names, image_format)
    masks = () if bool(capture.photos.masks.all()) else names
    with writing(folder):
        remove(folder / CAPTURE_NAME)
    with atomic_folder(folder / "images") as images:
        _in_threads(lambda i: _write_image(images / names[i], capture.photos.images[i]), len(names))
    _write_masks(folder / "masks", capture.photos.masks, masks)
    with atomic_folder(folder / "sparse") as sparse:
        (sparse / "0").mkdir()
        write_colmap(sparse / "0", capture, points, tracks, names)
    write_nerfstudio(
        folder / "transforms.json",
        capture.cameras,
        [f"images/{name}" for name in names],
        mask_names=[f"masks/{_mask_name(name)}" for name in masks],
    )
    write_points(folder / "points.ply", points)
    write_json(folder / CAPTURE_NAME, _json_capture(capture, names, has_masks=bool(masks)))


def read_capture(folder: Path) -> SceneCapture:
    """The capture and points that `write_capture` left, the same on every call.

    Raises:
        SceneError: the folder holds no finished capture.
        FormatError: a file is missing, damaged or does not fit the others; the text names it.
    """
    index = _read_index(folder)
    size, files = index.cameras.size, index.files
    images = torch.empty((len(files), 3, *size), dtype=torch.uint8)
    masks = torch.ones((len(files), *size), dtype=torch.bool)
    _in_threads(lambda i: images[i].copy_(_read_image(folder / "images" / files[i], "RGB", size)), len(files))
    if index.has_masks:
        paths = [folder / "masks" / _mask_name(name) for name in files]
        _in_threads(lambda i: masks[i].copy_(_read_image(paths[i], "L", size)[0] > 127), len(files))
    photos = Photos(images, masks, index.names, index.focal_hints, index.lens_ids)
    return SceneCapture(Capture(photos, index.cameras), read_points(folder / "points.ply"))


def image_paths(folder: Path) -> dict[str, Path]:
    """The file in `images` of each photo of a scene folder, by the photo's name and in the photos' order.

    Raises:
        SceneError: the folder holds no finished capture.
        FormatError: its capture.json is damaged.
    """
    index = _read_index(folder)
    return {name: folder / "images" / file for name, file in zip(index.names, index.files, strict=True)}


def image_names(names: Sequence[str], image_format: ImageFormat) -> tuple[str, ...]:
    """File names for photos: the stem and the format's suffix, numbered where two would differ by case at most."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        stem = PurePath(name).stem or "photo"
        candidates = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(1)))
        free = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(free.casefold())
        result.append(free + _SUFFIXES[image_format])
    return tuple(result)


def gaussians_path(folder: Path) -> Path:
    """Where a scene folder keeps its Gaussians exactly."""
    return folder / "gaussians.ply"


def write_gaussians(folder: Path, gaussians: Gaussians) -> None:
    """Afterwards `gaussians.ply` holds the Gaussians as `write_gaussians_ply` says, and `gaussians.spz` its small copy.

    Raises:
        FormatError: a Gaussian is not finite or has a zero quaternion.
        SceneError: the disk is full or the folder cannot be written.
    """
    write_gaussians_ply(gaussians_path(folder), gaussians)
    write_spz(folder / "gaussians.spz", gaussians)


def read_gaussians(folder: Path) -> Gaussians:
    """The Gaussians of a scene folder, in float32.

    Raises:
        SceneError: the folder holds none yet.
        FormatError: the file is damaged.
    """
    if not gaussians_path(folder).is_file():
        raise SceneError(f"{folder} holds no gaussians.ply yet; run reconstruct with --resume")
    return read_gaussians_ply(gaussians_path(folder))


def write_depths(folder: Path, depths: Depths) -> None:
    """Afterwards `depths.safetensors` holds the depths in float32.

    Raises:
        SceneError: the disk is full or the folder cannot be written.
    """
    write_tensors(
        folder / "depths.safetensors", {"depth": depths.depth.float(), "confidence": depths.confidence.float()}
    )


def read_depths(folder: Path) -> Depths:
    """The depths of a scene folder.

    Raises:
        FormatError: the file is missing or damaged, or a value is not finite.
    """
    path = folder / "depths.safetensors"
    tensors = read_tensors(path)
    if set(tensors) != {"depth", "confidence"} or len({tensor.shape for tensor in tensors.values()}) != 1:
        raise FormatError(f"{path} must hold depth and confidence of one shape")
    if not all(tensor.ndim == 3 and bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise FormatError(f"{path} must hold finite maps, one for each view")
    return Depths(**tensors)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors, whole or not at all.

    Raises:
        SceneError: the disk is full or the place cannot be written.
    """
    data = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file.

    Raises:
        FormatError: the file is missing or damaged.
    """
    try:
        return safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except SafetensorError as error:
        raise FormatError(f"{path} is damaged or no safetensors file: {error}") from error


def _json_capture(capture: Capture, files: Sequence[str], *, has_masks: bool) -> dict[str, Any]:
    cameras, photos = capture.cameras, capture.photos
    precision = str(cameras.cam_from_world.dtype).removeprefix("torch.")
    entries = [
        {
            "name": photos.names[i],
            "file": files[i],
            "focal_hint": float(photos.focal_hints[i]),
            "lens": int(photos.lens_ids[i]),
            "cam_from_world": cameras.cam_from_world[i].tolist(),
            "intrinsics": cameras.intrinsics[i].tolist(),
        }
        for i in range(len(capture))
    ]
    return {
        "format": _FORMAT,
        "size": list(cameras.size),
        "precision": precision,
        "masks": has_masks,
        "photos": entries,
    }


def _read_index(folder: Path) -> _Index:
    path = folder / CAPTURE_NAME
    if not path.is_file():
        raise SceneError(f"{folder} holds no finished cameras ({CAPTURE_NAME}); run reconstruct with --resume")
    value = read_json(path)
    if value.get("format") != _FORMAT:
        raise FormatError(f"{path} has format {value.get('format')!r}; this photoreal reads format {_FORMAT}")
    try:
        return _index(value)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path} is not as write_capture leaves it: {type(error).__name__}: {error}") from error


def _index(value: dict[str, Any]) -> _Index:
    photos, precision = value["photos"], _PRECISIONS[value["precision"]]
    height, width = (int(side) for side in value["size"])
    files = tuple(str(photo["file"]) for photo in photos)
    names = tuple(str(photo["name"]) for photo in photos)
    if len({*names}) < len(names):
        raise ValueError("two photos have one name")
    strange = [file for file in files if PurePath(file).name != file or "\\" in file]
    if strange:
        raise ValueError(f"the file {strange[0]!r} is not in the folder images")
    poses = torch.tensor([photo["cam_from_world"] for photo in photos], dtype=precision)
    intrinsics = torch.tensor([photo["intrinsics"] for photo in photos], dtype=precision)
    return _Index(
        names=names,
        files=files,
        has_masks=bool(value["masks"]),
        cameras=Cameras(poses.reshape(len(files), 4, 4), intrinsics.reshape(len(files), 3, 3), (height, width)),
        focal_hints=torch.tensor([float(photo["focal_hint"]) for photo in photos]),
        lens_ids=torch.tensor([int(photo["lens"]) for photo in photos], dtype=torch.int64),
    )


def _write_masks(folder: Path, masks: Bool[Tensor, "V H W"], names: Sequence[str]) -> None:
    if not names:
        with writing(folder):
            remove(folder)
        return
    with atomic_folder(folder) as partial:
        _in_threads(lambda i: _save_mask(partial / _mask_name(names[i]), masks[i]), len(names))


def _mask_name(image_name: str) -> str:
    """As COLMAP looks for it."""
    return f"{image_name}.png"


def _write_image(path: Path, image: UInt8[Tensor, "3 H W"]) -> None:
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    if path.suffix == ".jpg":
        picture.save(path, quality=97, subsampling=0)
    else:
        picture.save(path, compress_level=1)


def _save_mask(path: Path, mask: Bool[Tensor, "H W"]) -> None:
    Image.fromarray(mask.to(torch.uint8).mul(255).cpu().numpy()).save(path)


def _read_image(path: Path, mode: str, size: tuple[int, int]) -> UInt8[Tensor, "C H W"]:
    try:
        with Image.open(path) as picture:
            if (picture.height, picture.width) != size:
                raise FormatError(f"{path} is {picture.width}x{picture.height} pixels, not {size[1]}x{size[0]}")
            pixels = np.array(picture.convert(mode))
    except _BAD_IMAGE as error:
        raise FormatError(f"cannot read {path}: {error}") from error
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)


def _in_threads(work: Callable[[int], object], count: int) -> None:
    """Do `work` for 0 to count - 1; Pillow lets go of the interpreter while it codes."""
    with ThreadPoolExecutor(_THREADS) as pool:
        collections.deque(pool.map(work, range(count)), maxlen=0)
