"""Distinct places of one photo and what they look like."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from photoreal.core import Photos
from photoreal.core.value import Value
from photoreal.models.matchers.turning import turned, unturned

SMALLEST = 32
"""A photo that shows fewer pixels of the scene in either direction has no features."""


@dataclass(frozen=True)
class Detected(Value):
    """What a network finds in an image, the most distinct place first."""

    places: Float[Tensor, "N 2"]
    """(x, y) with the first pixel's centre at (0.5, 0.5)."""
    descriptors: Float[Tensor, "N C"]


@dataclass(frozen=True)
class LocalFeatures(Value):
    """Distinct places of a photo, the most distinct first."""

    pixels: Float[Tensor, "N 2"]
    """In the photo as it is."""
    places: Float[Tensor, "N 2"]
    """In the image that the network saw."""
    size: Float[Tensor, "2"]
    """Width and height of that image."""
    descriptors: Float[Tensor, "N C"]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Detector:
    """A network that finds features, and how photos are shown to it."""

    find: Callable[[Float[Tensor, "3 h w"]], Detected]
    """Of an image in [0, 1]."""
    channels: int
    """Length of a descriptor."""
    multiple: int
    """The image's sides are multiples of so many pixels."""
    max_side: int
    """The image's longer side has at most so many pixels."""
    max_features: int
    """At most so many places are kept, the most distinct ones."""
    device: torch.device


@dataclass(frozen=True)
class _Sight(Value):
    """The part of a photo that its mask spans, scaled for a network."""

    image: Float[Tensor, "3 h w"]
    corner: Float[Tensor, "2"]
    """Left and upper side of the part in the photo's pixels."""
    scale: Float[Tensor, "2"]
    """How many of the photo's pixels one pixel of the image has, across and down."""


@torch.no_grad()
def find_features(photos: Photos, index: int, detector: Detector, *, turns: int = 0) -> LocalFeatures:
    """Features of one photo where its mask is True, found in the photo turned counter-clockwise by quarters; none if
    the mask spans less than `SMALLEST` pixels in either direction."""
    mask = photos.masks[index]
    left, top, right, bottom = _spanned(mask)
    if min(right - left, bottom - top) < SMALLEST:
        return _none(detector)
    sight = _sight(photos.images[index], (left, top, right, bottom), detector)
    image = turned(sight.image, turns)
    found = detector.find(image)
    upright = unturned(found.places, turns, (sight.image.shape[1], sight.image.shape[2]))
    pixels = sight.corner + sight.scale * upright
    kept = lie_in(mask.to(pixels.device), pixels).nonzero()[: detector.max_features, 0]
    size = pixels.new_tensor([image.shape[2], image.shape[1]])
    return LocalFeatures(pixels[kept], found.places[kept], size, found.descriptors[kept])


def _none(detector: Detector) -> LocalFeatures:
    empty = torch.zeros(0, 2, device=detector.device)
    size = torch.ones(2, device=detector.device)
    return LocalFeatures(empty, empty, size, torch.zeros(0, detector.channels, device=detector.device))


def _spanned(mask: Bool[Tensor, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the smallest rectangle around all that is True."""
    columns, rows = (mask.any(axis).nonzero()[:, 0] for axis in (0, 1))
    if not len(columns):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _sight(photo: UInt8[Tensor, "3 H W"], box: tuple[int, int, int, int], detector: Detector) -> _Sight:
    left, top, right, bottom = box
    part = photo[:, top:bottom, left:right].to(detector.device).float() / 255
    shrink = min(1.0, detector.max_side / max(part.shape[1:]))
    sides = [max(1, int(side * shrink / detector.multiple + 1e-6)) * detector.multiple for side in part.shape[1:]]
    image = functional.interpolate(part[None], sides, mode="bilinear", antialias=True, align_corners=False)[0]
    scale = part.new_tensor([(right - left) / sides[1], (bottom - top) / sides[0]])
    return _Sight(image.clamp(0, 1), part.new_tensor([left, top]), scale)


def lie_in(mask: Bool[Tensor, "H W"], pixels: Float[Tensor, "N 2"]) -> Bool[Tensor, " N"]:
    """Whether the pixel around each place is True."""
    column = pixels[:, 0].long().clamp(0, mask.shape[1] - 1)
    row = pixels[:, 1].long().clamp(0, mask.shape[0] - 1)
    return mask[row, column]
