"""`transforms.json` of instant-ngp, nerfstudio and NeRF's synthetic scenes: cameras in OpenGL axes (x right, y up)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, CaptureError, FormatError, Points, invert_rigid, rigid
from photoreal.io.colmap import NO_POINTS, PosedFile, PosedReading, read_posed
from photoreal.io.files import read_json, write_json
from photoreal.io.lens import Lens, opencv_lens
from photoreal.io.photos import AS_USUAL, PhotoFile, ReadConfig, Skipped, load_photos
from photoreal.io.ply import read_points
from photoreal.io.source import TRANSFORMS_NAMES, inside, mask_files, unique_names

RIGID_TOLERANCE = 1e-3
"""How far R^T R of a stated rotation may be from the identity; what is within is made exact."""

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".JPG", ".PNG")
_COEFFICIENTS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_PERSPECTIVE = ("", "OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")
_FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
_OTHER_PROJECTIONS = ("ftheta_p0", "latlong", "equirectangular")


@dataclass(frozen=True)
class _Frame:
    """One entry of `frames`, its own keys over the file's."""

    where: str
    keys: dict[str, Any]

    def number(self, name: str) -> float:
        """A number of the frame; 0 where it is not stated."""
        return _number(self.keys.get(name, 0.0), f"{self.where}: {name}")

    def text(self, name: str) -> str:
        """A text of the frame; empty where it is not stated."""
        value = self.keys.get(name, "")
        if not isinstance(value, str):
            raise FormatError(f"{self.where}: {name} is {value!r:.40}, not a text")
        return value


def read_nerfstudio(path: Path, config: ReadConfig = AS_USUAL) -> PosedReading:
    """The photos and cameras of a `transforms.json` (or of the folder that holds it), made pinhole, in its own world.

    Frames whose image is missing are skipped. Intrinsics may stand once or in each frame, in pixels or as
    `camera_angle_x`; cameras are float64. Points come from `ply_file_path` where it is stated.

    Raises:
        CaptureError: no frames, no images, a path that leads out of the folder, or a projection that is no lens's.
        FormatError: the file is not JSON, or has numbers that are not finite or matrices that are not rigid.
    """
    file = _transforms_file(path)
    stated = read_json(file)
    frames = _frames(file, stated)
    poses = [_pose(frame) for frame in frames]
    images = [_image(file.parent, frame) for frame in frames]
    there = [k for k, image in enumerate(images) if image.is_file()]
    if not there:
        raise CaptureError(f"0 of the {len(frames)} images that {file} names are there; the first is {images[0]}")
    missing = (Skipped(frames[k].text("file_path"), "the file is not there") for k in range(len(frames)))
    skipped = tuple(each for k, each in enumerate(missing) if not images[k].is_file())
    names = unique_names(images[k].name for k in there)
    masks = mask_files([images[k] for k in there], config.masks) if config.masks is not None else {}
    posed = [
        PosedFile(
            PhotoFile(
                images[k],
                name,
                _mask(file.parent, frames[k]) or masks.get(images[k]),
                orientation="stated",
                stated_size=_stated_size(frames[k]),
            ),
            poses[k],
            lambda size, frame=frames[k]: _lens(frame, size),
        )
        for k, name in zip(there, names, strict=True)
    ]
    reading = read_posed(posed, _points(file.parent, stated), config)
    return PosedReading(reading.capture, reading.points, skipped + reading.skipped)


def read_nerfstudio_cameras(path: Path) -> tuple[Cameras, list[str]]:
    """The cameras alone, float64 and without distortion, and the names of their images without folder and suffix.

    No image needs to be there, unless the file does not state their size: then the first one's is that of all.

    Raises:
        CaptureError: as `read_nerfstudio`, or the cameras have several sizes.
        FormatError: as `read_nerfstudio`.
    """
    file = _transforms_file(path)
    frames = _frames(file, read_json(file))
    first = PhotoFile(_image(file.parent, frames[0]), "first", orientation="stated")
    stated = all(_stated_size(frame) for frame in frames)
    file_size = (0, 0) if stated else load_photos([first], AS_USUAL).file_sizes[0]
    lenses = [_lens(frame, file_size) for frame in frames]
    sizes = {lens.size for lens in lenses}
    if len(sizes) > 1:
        raise CaptureError(f"{file} has cameras of {len(sizes)} sizes; give one file for each size")
    poses, intrinsics = torch.stack([_pose(frame) for frame in frames]), torch.stack([lens.pinhole for lens in lenses])
    names = unique_names(PurePosixPath(frame.text("file_path")).name for frame in frames)
    return Cameras(poses, intrinsics, sizes.pop()), [PurePosixPath(name).stem for name in names]


def write_nerfstudio(
    path_json: Path,
    cameras: Cameras,
    image_names: Sequence[str],
    *,
    mask_names: Sequence[str] = (),
    points_name: str = "points.ply",
) -> None:
    """Afterwards the file holds one frame for each camera, with OpenGL axes and names relative to the file's folder.

    Args:
        path_json: the file to write.
        cameras: pinhole.
        image_names: file_path of each frame, such as `images/0001.jpg`.
        mask_names: mask_path of each frame, white where the scene is; empty for none.
        points_name: ply_file_path; empty for none.

    Raises:
        SceneError: the disk is full or the file cannot be written.
    """
    if len(image_names) != len(cameras) or len(mask_names) not in (0, len(cameras)):
        raise ValueError(f"{len(image_names)} images and {len(mask_names)} masks for {len(cameras)} cameras")
    world_from_cam = _flipped(invert_rigid(cameras.cam_from_world.detach().cpu().double()))
    keys = [_intrinsics(each, cameras.size) for each in cameras.intrinsics.detach().cpu().double()]
    shared = keys[0] if all(each == keys[0] for each in keys) else {}
    frames: list[dict[str, Any]] = []
    for k, name in enumerate(image_names):
        mask = {"mask_path": mask_names[k]} if mask_names else {}
        own = {} if shared else keys[k]
        frames.append({"file_path": name, **mask, **own, "transform_matrix": world_from_cam[k].tolist()})
    points = {"ply_file_path": points_name} if points_name else {}
    write_json(path_json, {"camera_model": "PINHOLE", **shared, **points, "frames": frames})


def _intrinsics(matrix: Float[Tensor, "3 3"], size: tuple[int, int]) -> dict[str, Any]:
    (fx, _, cx), (_, fy, cy), _ = matrix.tolist()
    return {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": size[1], "h": size[0]}


def _flipped(world_from_cam: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """The same cameras in OpenCV's axes from OpenGL's, or back."""
    return world_from_cam * world_from_cam.new_tensor([1.0, -1.0, -1.0, 1.0])


def _transforms_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = next((path / name for name in TRANSFORMS_NAMES if (path / name).is_file()), None)
    if found is None:
        raise CaptureError(f"there is no {TRANSFORMS_NAMES[0]} in {path}; give that file or the folder that holds it")
    return found


def _frames(file: Path, stated: dict[str, Any]) -> list[_Frame]:
    entries = stated.get("frames")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FormatError(f"{file} has no list of frames; it is no instant-ngp or nerfstudio file")
    if not entries:
        raise CaptureError(f"{file} has 0 frames; add the photos' cameras to it or give the folder of photos")
    shared = {key: value for key, value in stated.items() if key != "frames"}
    frames = [_Frame(f"frame {k} of {file}", {**shared, **entry}) for k, entry in enumerate(entries)]
    for frame in frames:
        if not frame.text("file_path"):
            raise FormatError(f"{frame.where} has no file_path")
    return frames


def _image(folder: Path, frame: _Frame) -> Path:
    """The stated image, or one with a usual suffix where none is stated, as in NeRF's synthetic scenes."""
    path = inside(folder, frame.text("file_path"))
    tries = (path, *(path.with_name(path.name + suffix) for suffix in _SUFFIXES))
    return next((each for each in tries if each.is_file()), path)


def _mask(folder: Path, frame: _Frame) -> Path | None:
    return inside(folder, frame.text("mask_path")) if frame.text("mask_path") else None


def _points(folder: Path, stated: dict[str, Any]) -> Points:
    name = _Frame("the file", stated).text("ply_file_path")
    path = inside(folder, name) if name else None
    return read_points(path) if path is not None and path.is_file() else NO_POINTS


def _pose(frame: _Frame) -> Float[Tensor, "4 4"]:
    """cam_from_world in OpenCV's axes."""
    rows = frame.keys.get("transform_matrix")
    where = f"{frame.where}: transform_matrix"
    if not isinstance(rows, list) or len(rows) not in (3, 4) or any(len(_list(row)) != 4 for row in rows):
        raise FormatError(f"{where} has not 4 rows of 4 numbers")
    stated = torch.tensor([[_number(value, where) for value in row] for row in rows], dtype=torch.float64)
    rotation = stated[:3, :3]
    error = float((rotation.T @ rotation - torch.eye(3, dtype=torch.float64)).abs().max())
    if error > RIGID_TOLERANCE or torch.linalg.det(rotation) < 0:
        raise FormatError(f"{where} is not rigid: R^T R is {error:.2g} from the identity; remove its scale or mirror")
    u, _, vh = torch.linalg.svd(rotation)
    return invert_rigid(_flipped(rigid(u @ vh, stated[:3, 3])))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise FormatError(f"{where} is {value!r:.40}, not a finite number")
    return float(value)


def _stated_size(frame: _Frame) -> tuple[int, int] | None:
    size = round(frame.number("h")), round(frame.number("w"))
    return size if min(size) > 0 else None


def _lens(frame: _Frame, file_size: tuple[int, int]) -> Lens:
    """The frame's lens, for pictures of the size that it states, else of its file's."""
    height, width = _stated_size(frame) or file_size
    fx = _focal_length(frame, "x", width)
    fy = _focal_length(frame, "y", height) or fx
    if not fx > 0:
        raise FormatError(f"{frame.where} has neither a positive fl_x nor camera_angle_x")
    centre = (frame.number("cx") or width / 2, frame.number("cy") or height / 2)
    coefficients = {name: frame.number(name) for name in _COEFFICIENTS}
    model = frame.text("camera_model").upper()
    other = [key for key in _OTHER_PROJECTIONS if frame.keys.get(key)]
    if other or model not in _PERSPECTIVE + _FISHEYE:
        raise CaptureError(
            f"{frame.where} has the projection {model or other[0]}; only perspective and fisheye are read"
        )
    fisheye = model in _FISHEYE or bool(frame.keys.get("is_fisheye"))
    projection = "fisheye" if fisheye else "perspective"
    return opencv_lens((fx, fy, *centre), coefficients, (height, width), projection=projection)


def _focal_length(frame: _Frame, axis: str, side: int) -> float:
    """In pixels, stated as such or through the field of view in radians; 0 where neither is."""
    stated, angle = frame.number(f"fl_{axis}"), frame.number(f"camera_angle_{axis}")
    if stated or not 0 < angle < math.pi:
        return stated
    return 0.5 * side / math.tan(0.5 * angle)
