"""Lenses with distortion, in COLMAP's camera models, and the pinhole pictures that they would have taken without it."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, no_type_check

import numba
import numpy as np
import pycolmap
import scipy.ndimage
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from photoreal.core import CaptureError, Photos

_PINHOLES = ("SIMPLE_PINHOLE", "PINHOLE")
_RATIONAL = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
_PARAMETERS_OF_SIZE = ("f", "fx", "fy", "cx", "cy")


@dataclass(frozen=True)
class Lens:
    """A camera's intrinsics with distortion, in pixels of a picture of `size`."""

    model: str
    """One of COLMAP's camera models: PINHOLE, SIMPLE_RADIAL, OPENCV, OPENCV_FISHEYE and so on."""
    parameters: tuple[float, ...]
    """In COLMAP's order, the first pixel's centre at (0.5, 0.5)."""
    size: tuple[int, int]
    """Height and width."""

    def __post_init__(self) -> None:
        if self.model not in pycolmap.CameraModelId.__members__ or self.model in ("INVALID", "EQUIRECTANGULAR"):
            raise CaptureError(
                f"photos of the camera model {self.model} cannot be made pinhole ones; undistort them first"
            )
        names = parameter_names(self.model)
        if len(names) != len(self.parameters):
            raise CaptureError(
                f"{self.model} has {len(names)} parameters ({', '.join(names)}), not {len(self.parameters)}"
            )
        fx, fy = self.focal_lengths
        if not np.isfinite(self.parameters).all() or min(fx, fy) <= 0 or min(self.size) <= 0:
            raise CaptureError(f"a camera of {self.size[1]}x{self.size[0]} pixels has parameters {self.parameters}")

    @property
    def focal_lengths(self) -> tuple[float, float]:
        """Along x and y, in pixels."""
        named = dict(zip(parameter_names(self.model), self.parameters, strict=True))
        return named.get("fx", named.get("f", 0.0)), named.get("fy", named.get("f", 0.0))

    @property
    def pinhole(self) -> Float[Tensor, "3 3"]:
        """The intrinsic matrix of the same camera without distortion, in float64."""
        named = dict(zip(parameter_names(self.model), self.parameters, strict=True))
        fx, fy = self.focal_lengths
        rows = [[fx, 0.0, named["cx"]], [0.0, fy, named["cy"]], [0.0, 0.0, 1.0]]
        return torch.tensor(rows, dtype=torch.float64)

    @property
    def distorted(self) -> bool:
        """Whether any distortion parameter is at work."""
        if self.model in _PINHOLES:
            return False
        named = zip(parameter_names(self.model), self.parameters, strict=True)
        fisheye = "FISHEYE" in self.model or self.model in ("FOV", "EUCM")
        return fisheye or any(value != 0 for name, value in named if name not in _PARAMETERS_OF_SIZE)

    def resized(self, size: tuple[int, int]) -> "Lens":
        """The same lens for pictures scaled to `size` (height, width)."""
        factors = {"cx": size[1] / self.size[1], "cy": size[0] / self.size[0]}
        factors |= {"fx": factors["cx"], "fy": factors["cy"], "f": (factors["cx"] * factors["cy"]) ** 0.5}
        named = zip(parameter_names(self.model), self.parameters, strict=True)
        return Lens(self.model, tuple(value * factors.get(name, 1.0) for name, value in named), size)


def opencv_lens(
    pinhole: tuple[float, float, float, float],
    distortion: dict[str, float],
    size: tuple[int, int],
    *,
    projection: Literal["perspective", "fisheye"] = "perspective",
) -> Lens:
    """The lens of OpenCV's coefficients: k1 to k6, p1, p2 for a perspective camera, k1 to k4 for a fisheye one.

    Args:
        pinhole: fx, fy, cx, cy in pixels.
        distortion: coefficients by name; missing ones are 0.
        size: height and width.
        projection: which of OpenCV's two cameras is meant.
    """
    if projection == "fisheye":
        values = tuple(distortion.get(name, 0.0) for name in ("k1", "k2", "k3", "k4"))
        return Lens("OPENCV_FISHEYE", pinhole + values, size)
    values = tuple(distortion.get(name, 0.0) for name in _RATIONAL)
    if not any(values):
        return Lens("PINHOLE", pinhole, size)
    return (
        Lens("FULL_OPENCV", pinhole + values, size) if any(values[4:]) else Lens("OPENCV", pinhole + values[:4], size)
    )


def parameter_names(model: str) -> tuple[str, ...]:
    """The names of a COLMAP camera model's parameters, in order."""
    camera = pycolmap.Camera.create_from_model_name(1, model, 1.0, 1, 1)
    return tuple(name.strip() for name in camera.params_info.split(","))


def undistort(
    photos: Photos, lenses: Sequence[Lens], *, memory: Literal["copy", "reuse"] = "copy"
) -> tuple[Photos, Float[Tensor, "V 3 3"]]:
    """The photos as pinhole cameras of the same focal lengths and principal points would have taken them.

    Pixels are resampled bicubically (Keys 1981); those for which the lens has no picture, or a masked one, are masked
    and black.

    Args:
        photos: as they were taken, each in the top left corner of the canvas.
        lenses: one for each photo, its size that of the photo inside the canvas.
        memory: `reuse` overwrites the given photos and so needs no second copy of them.

    Returns:
        The photos and their intrinsics in float64.
    """
    if not any(lens.distorted for lens in lenses):
        return photos, torch.stack([lens.pinhole for lens in lenses])
    images, masks = (
        (photos.images, photos.masks) if memory == "reuse" else (photos.images.clone(), photos.masks.clone())
    )
    with ThreadPoolExecutor(2) as pool:
        for lens in dict.fromkeys(lens for lens in lenses if lens.distorted):
            height, width = lens.size
            rows = [row for row, other in enumerate(lenses) if other == lens]
            windows = [(images[row, :, :height, :width], masks[row, :height, :width]) for row in rows]
            list(pool.map(partial(_straighten, *distortion_map(lens)), windows))
    return dataclasses.replace(photos, images=images, masks=masks), torch.stack([lens.pinhole for lens in lenses])


def _straighten(
    source: Float32[np.ndarray, "H W 2"],
    within: Bool[np.ndarray, "H W"],
    window: tuple[UInt8[Tensor, "3 H W"], Bool[Tensor, "H W"]],
) -> None:
    """Afterwards the image and mask are those at the source pixels."""
    image, mask = window
    resampled, kept = _resample(image.numpy().copy(), mask.numpy().copy(), source, within)
    image.copy_(torch.from_numpy(resampled))
    mask.copy_(torch.from_numpy(kept))


def distortion_map(lens: Lens) -> tuple[Float32[np.ndarray, "H W 2"], Bool[np.ndarray, "H W"]]:
    """For each pinhole pixel centre the pixel (x, y) of the distorted picture, and whether that lies within it.

    Where a strong distortion polynomial folds back, only the region around the principal point counts.
    """
    height, width = lens.size
    fx, fy, cx, cy = (float(lens.pinhole[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    rays = np.ones((height, width, 3))
    rays[..., 0] = (np.arange(width) + 0.5 - cx) / fx
    rays[..., 1] = ((np.arange(height) + 0.5 - cy) / fy)[:, None]
    camera = pycolmap.Camera(model=lens.model, width=width, height=height, params=list(lens.parameters))
    source: np.ndarray = np.asarray(camera.img_from_cam(rays.reshape(-1, 3))).reshape(height, width, 2)
    x, y = source[..., 0], source[..., 1]
    within = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    source[~within] = 0.0
    return source.astype(np.float32), within & _unfolded(source, within, (cx, cy))


def _unfolded(
    source: Float[np.ndarray, "H W 2"], within: Bool[np.ndarray, "H W"], centre: tuple[float, float]
) -> Bool[np.ndarray, "H W"]:
    """Where the map keeps its orientation, as far as that region reaches from the principal point."""
    right, down = np.zeros_like(source), np.zeros_like(source)
    right[:, 1:] = np.diff(source, axis=1)
    down[1:] = np.diff(source, axis=0)
    right[:, 0], down[0] = right[:, min(1, right.shape[1] - 1)], down[min(1, len(down) - 1)]
    kept = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0] > 0
    if (kept | ~within).all():
        return kept
    labelled: Any = scipy.ndimage.label(kept & within)
    regions: np.ndarray = labelled[0]
    row = min(max(int(centre[1]), 0), len(kept) - 1)
    column = min(max(int(centre[0]), 0), kept.shape[1] - 1)
    return regions == regions[row, column] if regions[row, column] else np.zeros_like(kept)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _cubic(t):
    """Weights of the four samples around a point at the fraction t between the middle two (Keys 1981, a = -1/2)."""
    return (
        np.float32(((-0.5 * t + 1.0) * t - 0.5) * t),
        np.float32((1.5 * t - 2.5) * t * t + 1.0),
        np.float32(((-1.5 * t + 2.0) * t + 0.5) * t),
        np.float32((0.5 * t - 0.5) * t * t),
    )


@numba.njit(cache=True, nogil=True)
@no_type_check
def _resample(image, mask, source, within):
    """Image `u8 3 H W` and mask `bool H W` at the pixels `source f32 H W 2`; beyond the edge its pixels repeat."""
    height, width = mask.shape
    new_image, new_mask = np.zeros_like(image), np.zeros_like(mask)
    columns, rows = np.empty(4, np.int64), np.empty(4, np.int64)
    for y in range(height):
        for x in range(width):
            if not within[y, x]:
                continue
            left, top = source[y, x, 0] - np.float32(0.5), source[y, x, 1] - np.float32(0.5)
            column, row = int(np.floor(left)), int(np.floor(top))
            for tap in range(4):
                columns[tap] = min(max(column + tap - 1, 0), width - 1)
                rows[tap] = min(max(row + tap - 1, 0), height - 1)
            if not (mask[rows[1], columns[1]] and mask[rows[1], columns[2]]):
                continue
            if not (mask[rows[2], columns[1]] and mask[rows[2], columns[2]]):
                continue
            new_mask[y, x] = True
            across, along = _cubic(left - column), _cubic(top - row)
            for channel in range(3):
                total = np.float32(0.5)
                for i in range(4):
                    line = np.float32(0.0)
                    for j in range(4):
                        line += across[j] * image[channel, rows[i], columns[j]]
                    total += along[i] * line
                new_image[channel, y, x] = np.uint8(min(max(total, np.float32(0.0)), np.float32(255.0)))
    return new_image, new_mask
