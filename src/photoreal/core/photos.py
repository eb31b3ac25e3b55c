"""Photographs as tensors, alone and with their cameras."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from photoreal.core.cameras import Cameras
from photoreal.core.value import Value


@dataclass(frozen=True)
class Photos(Value):
    """Photographs on one common canvas.

    Photos of several sizes share the canvas of the largest: each lies in its top left corner and the rest is masked.
    """

    images: UInt8[Tensor, "V 3 H W"]
    """sRGB, as stored in a file."""
    masks: Bool[Tensor, "V H W"]
    """True where the pixel shows the scene; False for padding, cut-out background, people, undefined borders."""
    names: tuple[str, ...]
    """File names without folder, unique; names of written images derive from them."""
    focal_hints: Float[Tensor, " V"]
    """Focal length in pixels from EXIF; 0 where unknown."""
    lens_ids: Int64[Tensor, " V"]
    """Photos with the same number were taken by one lens at one zoom and share intrinsics."""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or len(self.names) != len(self.images):
            raise ValueError(f"{len(self.images)} images need as many distinct names, not {len(set(self.names))}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas in pixels."""
        return self.images.shape[-2], self.images.shape[-1]

    def take(self, indices: Sequence[int]) -> "Photos":
        """The photos at `indices`, in that order."""
        names = tuple(self.names[i] for i in indices)
        index = torch.as_tensor(list(indices), dtype=torch.long, device=self.images.device)
        return Photos(self.images[index], self.masks[index], names, self.focal_hints[index], self.lens_ids[index])


@dataclass(frozen=True)
class Capture(Value):
    """Undistorted photos and the pinhole cameras that took them, in the same order and size."""

    photos: Photos
    cameras: Cameras

    def __post_init__(self) -> None:
        if len(self.photos) != len(self.cameras):
            raise ValueError(f"{len(self.photos)} photos but {len(self.cameras)} cameras")
        if self.photos.size != self.cameras.size:
            raise ValueError(f"photos are {self.photos.size} pixels but cameras {self.cameras.size}")

    def __len__(self) -> int:
        return len(self.photos)

    def take(self, indices: Sequence[int]) -> "Capture":
        """The photos and cameras at `indices`, in that order."""
        return Capture(self.photos.take(indices), self.cameras.take(indices))


def photo_sizes(photos: Photos) -> Int64[Tensor, "V 2"]:
    """Height and width of each photo inside the canvas; photos of one lens have one size.

    Rows at the bottom and columns at the right that are masked and black in all photos of a lens are padding. Some
    photo reaches each side of the canvas, so a single lens always fills it.
    """
    canvas = torch.tensor(photos.size)
    lenses = photos.lens_ids.unique().tolist()
    if len(lenses) == 1:
        return canvas.expand(len(photos), 2).clone()
    sizes = canvas.expand(len(photos), 2).clone()
    for lens in lenses:
        rows = photos.lens_ids == lens
        filled = photos.masks[rows].any(0) | photos.images[rows].amax((0, 1)).bool()
        rows = rows.cpu()
        reach = [_last(filled.any(1)), _last(filled.any(0))]
        sizes[rows] = torch.tensor([reach[k] or int(canvas[k]) for k in range(2)])
    return sizes


def _last(filled: Tensor) -> int:
    indices = filled.nonzero()
    return int(indices[-1]) + 1 if len(indices) else 0
