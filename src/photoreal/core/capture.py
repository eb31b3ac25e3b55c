"""Photographs whose cameras are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from photoreal.core.cameras import Cameras
from photoreal.core.photos import Photos
from photoreal.core.value import Value


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
