"""COLMAP datasets: cameras, poses and points in binary or text, with the photos that belong to them.

The formats are those of COLMAP's documentation ("Output Format"). They are read here and not by pycolmap, which goes on
reading behind the end of a damaged file.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import (
    Cameras,
    Capture,
    CaptureError,
    FormatError,
    Points,
    Tracks,
    matrix_from_quaternion,
    project,
    quaternion_from_matrix,
    rigid,
)
from photoreal.io.files import writing
from photoreal.io.lens import Lens, undistort
from photoreal.io.photos import AS_USUAL, PhotoFile, ReadConfig, Skipped, load_photos
from photoreal.io.source import colmap_models, image_files, inside, natural_key, unique_names

_MODELS = {int(number): name for name, number in pycolmap.CameraModelId.__members__.items()}
NO_POINTS = Points(torch.zeros((0, 3), dtype=torch.float64), torch.zeros((0, 3), dtype=torch.uint8), torch.zeros(0))


@dataclass(frozen=True)
class PosedReading:
    """The photos of a dataset with its cameras and points, in its own world, and the images that were skipped."""

    capture: Capture
    points: Points
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class PosedFile:
    """An image of a dataset, its camera's place, and its lens once the size of the file is known."""

    file: PhotoFile
    cam_from_world: Float[Tensor, "4 4"]
    lens: Callable[[tuple[int, int]], Lens]
    """The lens for a file of that height and width, in pixels of whatever size the dataset states."""


@dataclass(frozen=True)
class _View:
    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]


def read_colmap(folder: Path, config: ReadConfig = AS_USUAL) -> PosedReading:
    """The photos, cameras and points of a COLMAP dataset (`sparse/0`, `sparse` or the folder itself), made pinhole.

    Images are looked for in `images`, else in the folder that holds most of them; missing ones are skipped. Cameras and
    points are float64, a point's confidence is the length of its track.

    Raises:
        CaptureError: there is no such dataset, none of its images, or a name that leads out of the folder.
        FormatError: a file is damaged.
    """
    models = colmap_models(folder)
    if not models:
        raise CaptureError(f"{folder} holds no COLMAP model; give the folder above sparse/0")
    binary = (models[0] / "cameras.bin").is_file()
    lenses, views = (_read_binary if binary else _read_text)(models[0])
    views = sorted(views, key=lambda view: natural_key(view.name))
    for view in views:
        if view.camera not in lenses:
            raise FormatError(f"{models[0]} has no camera {view.camera}, which image {view.name} needs")
    images = _image_folder(folder, models[0], views)
    names = unique_names(Path(view.name).name for view in views)
    posed = [
        PosedFile(
            PhotoFile(
                inside(images, view.name),
                name,
                _mask(images, view.name, config.masks),
                orientation="stated",
                stated_size=lenses[view.camera].size,
            ),
            _pose(view),
            lambda _size, camera=view.camera: lenses[camera],
        )
        for view, name in zip(views, names, strict=True)
    ]
    return read_posed(posed, _read_points(models[0]), config)


def read_posed(posed: Sequence[PosedFile], points: Points, config: ReadConfig) -> PosedReading:
    """The photos of a dataset undistorted, with cameras for the pixels that they have after scaling.

    Raises:
        CaptureError: no photo can be used.
    """
    loaded = load_photos([each.file for each in posed], config)
    used = [posed[index] for index in loaded.kept]
    originals = [each.lens(size) for each, size in zip(used, loaded.file_sizes, strict=True)]
    lenses = [lens.resized(size) for lens, size in zip(originals, loaded.sizes, strict=True)]
    photos, intrinsics = undistort(loaded.photos, lenses, memory="reuse")
    numbers = {lens: number for number, lens in enumerate(dict.fromkeys(lenses))}
    photos = photos.replace(
        focal_hints=intrinsics[:, 0, 0].to(torch.float32),
        lens_ids=torch.tensor([numbers[lens] for lens in lenses], dtype=torch.int64),
    )
    cameras = Cameras(torch.stack([each.cam_from_world for each in used]), intrinsics, photos.size)
    return PosedReading(Capture(photos, cameras), points, loaded.skipped)


def write_colmap(
    folder_sparse_0: Path, capture: Capture, points: Points, tracks: Tracks, image_names: Sequence[str]
) -> None:
    """Afterwards the folder holds `cameras.bin`, `images.bin` and `points3D.bin`; equal intrinsics are one camera.

    Image k + 1 is photo k, point k + 1 is point k; a point's error is its mean distance in pixels to its sightings.

    Raises:
        SceneError: the disk is full or the folder cannot be written.
    """
    if len(image_names) != len(capture):
        raise ValueError(f"{len(image_names)} names for {len(capture)} photos")
    columns = [tensor.detach().cpu().numpy() for tensor in (tracks.view, tracks.point, tracks.pixel)]
    order = np.lexsort((columns[1], columns[0]))
    view, point, pixel = (column[order] for column in columns)
    starts = np.searchsorted(view, np.arange(len(capture) + 1))
    sighting = np.arange(len(view)) - starts[view]
    with writing(folder_sparse_0):
        folder_sparse_0.mkdir(parents=True, exist_ok=True)
        camera_of = _write_cameras(folder_sparse_0 / "cameras.bin", capture.cameras)
        rows = np.empty(len(view), np.dtype([("pixel", "<f8", 2), ("point", "<i8")]))
        rows["pixel"], rows["point"] = pixel, point + 1
        seen = [rows[start:end] for start, end in pairwise(starts)]
        _write_images(folder_sparse_0 / "images.bin", capture.cameras, camera_of, image_names, seen)
        by_point = np.argsort(point, kind="stable")
        elements = np.stack([view + 1, sighting], -1).astype("<u4")[by_point]
        ends = np.searchsorted(point[by_point], np.arange(len(points) + 1))
        pieces = [elements[start:end] for start, end in pairwise(ends)]
        _write_points(folder_sparse_0 / "points3D.bin", points, _errors(capture.cameras, points, tracks), pieces)


def _write_cameras(path: Path, cameras: Cameras) -> list[int]:
    """The number of each view's camera."""
    pinholes = [tuple(k[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()) for k in cameras.intrinsics.detach().cpu().double()]
    numbers = {pinhole: number for number, pinhole in enumerate(dict.fromkeys(pinholes), start=1)}
    model = int(pycolmap.CameraModelId.PINHOLE)
    height, width = cameras.size
    rows = [struct.pack("<IiQQ4d", number, model, width, height, *pinhole) for pinhole, number in numbers.items()]
    path.write_bytes(struct.pack("<Q", len(rows)) + b"".join(rows))
    return [numbers[pinhole] for pinhole in pinholes]


def _write_images(
    path: Path, cameras: Cameras, camera_of: Sequence[int], names: Sequence[str], seen: Sequence[np.ndarray]
) -> None:
    poses = cameras.cam_from_world.detach().cpu().double()
    quaternions = quaternion_from_matrix(poses[:, :3, :3]).tolist()
    translations = poses[:, :3, 3].tolist()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(names)))
        for k, name in enumerate(names):
            file.write(struct.pack("<I7dI", k + 1, *quaternions[k], *translations[k], camera_of[k]))
            file.write(name.encode() + b"\0" + struct.pack("<Q", len(seen[k])) + seen[k].tobytes())


def _write_points(path: Path, points: Points, errors: Float[np.ndarray, " N"], sightings: Sequence[np.ndarray]) -> None:
    positions, colours = points.positions.detach().cpu().double().tolist(), points.colours.cpu().tolist()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(points)))
        for k, elements in enumerate(sightings):
            file.write(struct.pack("<Q3d3BdQ", k + 1, *positions[k], *colours[k], float(errors[k]), len(elements)))
            file.write(elements.tobytes())


def _errors(cameras: Cameras, points: Points, tracks: Tracks) -> Float[np.ndarray, " N"]:
    """Mean reprojection error of each point in pixels; -1, COLMAP's word for unknown, where nothing sees it."""
    total, count = torch.zeros(len(points), dtype=torch.float64), torch.zeros(len(points), dtype=torch.float64)
    for view in range(len(cameras)):
        rows = tracks.view == view
        index = tracks.point[rows]
        predicted, _ = project(cameras.take([view]).map(torch.Tensor.double), points.positions[index].double())
        total.index_add_(0, index, (predicted[0] - tracks.pixel[rows]).norm(dim=-1))
        count.index_add_(0, index, torch.ones(len(index), dtype=torch.float64))
    return torch.where(count > 0, total / count.clamp_min(1), -1.0).numpy()


def _image_folder(folder: Path, model: Path, views: Sequence[_View]) -> Path:
    """The folder in which most images of the model are."""
    near = [folder / "images", *(p for p in sorted(folder.iterdir()) if p.name != "masks" and image_files(p)), folder]
    above = [model.parent / "images", model.parent.parent / "images"] if model == folder else []
    found = {place: sum(inside(place, view.name).is_file() for view in views) for place in near + above}
    best = max(found, key=lambda place: found[place])
    if not found[best]:
        raise CaptureError(
            f"0 of the {len(views)} images that {model} names are in {folder / 'images'}; put them there"
        )
    return best


def _mask(images: Path, name: str, folder: Path | None) -> Path | None:
    """The mask of an image in `masks` beside its folder, where there is one."""
    home = images.parent / "masks" if folder is None else folder
    tries = (home / f"{name}.png", (home / name).with_suffix(".png"))
    return next((path for path in tries if path.is_file()), None)


def _pose(view: _View) -> Float[Tensor, "4 4"]:
    numbers = torch.tensor([*view.quaternion, *view.translation], dtype=torch.float64)
    if not bool(numbers.isfinite().all()) or not bool(numbers[:4].any()):
        raise FormatError(f"the pose of image {view.name} is not finite, or its quaternion is zero")
    return rigid(matrix_from_quaternion(numbers[:4]), numbers[4:])


class _Bytes:
    """A binary file read from front to back, its end known."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, _contents(path), 0

    def take(self, layout: str) -> tuple[Any, ...]:
        """The next values; FormatError where the file ends before."""
        self.skip(size := struct.calcsize(layout))
        return struct.unpack_from(layout, self.data, self.at - size)

    def skip(self, size: int) -> None:
        """Pass over bytes that must be there."""
        if self.at + size > len(self.data):
            raise FormatError(f"{self.path} ends after {len(self.data)} bytes, in the middle of an entry; copy it anew")
        self.at += size

    def text(self) -> str:
        """The next text, which ends in a zero byte."""
        start = self.at
        end = self.data.find(b"\0", start)
        self.skip((end if end >= 0 else len(self.data)) - start + 1)
        return self.data[start:end].decode(errors="replace")


def _read_binary(folder: Path) -> tuple[dict[int, Lens], list[_View]]:
    file = _Bytes(folder / "cameras.bin")
    lenses: dict[int, Lens] = {}
    for _ in range(file.take("<Q")[0]):
        number, model, width, height = file.take("<IiQQ")
        if model not in _MODELS or model < 0:
            raise FormatError(f"{file.path} has a camera of the unknown model {model}")
        count = len(pycolmap.Camera.create_from_model_name(1, _MODELS[model], 1.0, 1, 1).params)
        lenses[number] = Lens(_MODELS[model], file.take(f"<{count}d"), (height, width))
    file = _Bytes(folder / "images.bin")
    views: list[_View] = []
    for _ in range(file.take("<Q")[0]):
        _, *pose, camera = file.take("<I7dI")
        views.append(_View(file.text(), camera, tuple(pose[:4]), tuple(pose[4:])))
        file.skip(24 * file.take("<Q")[0])
    return lenses, views


def _read_text(folder: Path) -> tuple[dict[int, Lens], list[_View]]:
    lenses: dict[int, Lens] = {}
    views: list[_View] = []
    path = folder / "cameras.txt"
    try:
        for words in _rows(path):
            size = int(words[3]), int(words[2])
            lenses[int(words[0])] = Lens(words[1], tuple(float(word) for word in words[4:]), size)
        path = folder / "images.txt"
        lines = iter(_contents(path).decode(errors="replace").splitlines())
        for line in lines:
            if line.strip() and not line.startswith("#"):
                words = line.split(maxsplit=9)
                pose = tuple(float(word) for word in words[1:8])
                views.append(_View(words[9].strip(), int(words[8]), pose[:4], pose[4:]))
                next(lines, "")  # the image's sightings
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path} is damaged ({error}); export the model anew") from error
    return lenses, views


def _rows(path: Path) -> list[list[str]]:
    lines = _contents(path).decode(errors="replace").splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#")]


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path} ({error.strerror})") from error


def _read_points(folder: Path) -> Points:
    rows = _binary_points(folder / "points3D.bin") if (folder / "points3D.bin").is_file() else _text_points(folder)
    if not rows:
        return NO_POINTS
    numbers = np.array(rows, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise FormatError(f"{folder} has points that are not finite")
    return Points(
        torch.from_numpy(numbers[:, :3].copy()),
        torch.from_numpy(numbers[:, 3:6].clip(0, 255).astype(np.uint8)),
        torch.from_numpy(numbers[:, 6].astype(np.float32)),
    )


def _binary_points(path: Path) -> list[tuple[float, ...]]:
    """Position, colour and length of track of each point."""
    file = _Bytes(path)
    rows: list[tuple[float, ...]] = []
    for _ in range(file.take("<Q")[0]):
        _, *values, _error, length = file.take("<Q3d3BdQ")
        file.skip(8 * length)
        rows.append(tuple(map(float, (*values, length))))
    return rows


def _text_points(folder: Path) -> list[tuple[float, ...]]:
    path = folder / "points3D.txt"
    if not path.is_file():
        return []
    try:
        rows = [(words[1:7], float(words[7]), words[8:]) for words in _rows(path)]
        return [tuple(map(float, (*values, len(track) // 2))) for values, _, track in rows]
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path} is damaged ({error}); export the model anew") from error
