"""Sizes at which the network sees photographs, and images as its authors make them.

Sizes are (height, width). Normalisation by ImageNet's mean and deviation is the network's own affair.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from photoreal.core import PhotorealError

PATCH = 14
"""Side of a patch of the released network, in pixels."""
SIDE = 518
"""Side of the images on which it was trained most."""
LEAST_PATCHES = 4
"""No side of an image is made shorter than so many patches."""
_WHITE = 1.0


def network_size(size: tuple[int, int], side: int = SIDE, patch: int = PATCH) -> tuple[int, int]:
    """Size at which the network sees the whole of a photo: its longer side is `side`, both are multiples of `patch`.

    The proportions change by the rounding alone, or, of a photo more than `side` / (4 `patch`) times as long as wide,
    so that it needs a border. A `side` that is no multiple of `patch` becomes the nearest one.

    Raises:
        PhotorealError: `side` is less than 4 patches.
    """
    if side < LEAST_PATCHES * patch:
        raise PhotorealError(f"the side of VGGT's images is {side}; it must be at least {LEAST_PATCHES * patch} pixels")
    longer = max(size)
    height, width = (max(LEAST_PATCHES, round(length * side / longer / patch)) * patch for length in size)
    return height, width


def prepare_as_released(
    images: Sequence[UInt8[Tensor, "_ _ _"]], mode: Literal["crop", "pad"] = "crop", side: int = SIDE
) -> Float[Tensor, "V 3 h w"]:
    """Images in [0, 1] as the network's authors prepare them: what published numbers were measured on.

    "crop" makes the width `side` and cuts away what is higher than `side`, evenly at top and bottom; "pad" makes the
    longer side `side` and pads with white to a square. Sizes that still differ are padded with white, the image in the
    middle.

    Args:
        images: 3 or 4 channels; the fourth is opacity over white.
        mode: see above.
        side: a multiple of 14.
    """
    found = [_cropped(_opaque(i), side) if mode == "crop" else _padded(_opaque(i), side) for i in images]
    height, width = (max(image.shape[axis] for image in found) for axis in (1, 2))
    return torch.stack([_centred(image, (height, width)) for image in found])


def resized(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """The image at `size` (height, width), bicubic without aliases, in [0, 1] as before."""
    # Bicubic overshoots at edges; an image file would have clipped it.
    return functional.interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def _opaque(image: UInt8[Tensor, "_ _ _"]) -> Float[Tensor, "3 H W"]:
    colour = image[:3] / 255
    if len(image) == 3:
        return colour
    opacity = image[3:] / 255
    return _eight_bit(colour * opacity + _WHITE * (1 - opacity))


def _cropped(image: Float[Tensor, "3 H W"], side: int) -> Float[Tensor, "3 h w"]:
    height, width = image.shape[1:]
    scaled = _eight_bit(resized(image, (round(height * side / width / PATCH) * PATCH, side)))
    top = max(scaled.shape[1] - side, 0) // 2
    return scaled[:, top : top + side]


def _padded(image: Float[Tensor, "3 H W"], side: int) -> Float[Tensor, "3 s s"]:
    height, width = image.shape[1:]
    shorter = round(min(height, width) * side / max(height, width) / PATCH) * PATCH
    size = (shorter, side) if width >= height else (side, shorter)
    return _centred(_eight_bit(resized(image, size)), (side, side))


def _centred(image: Float[Tensor, "3 h w"], size: tuple[int, int]) -> Float[Tensor, "3 H W"]:
    """In the middle of white; where it cannot be, half a pixel further to the top left."""
    down, right = size[0] - image.shape[1], size[1] - image.shape[2]
    return functional.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2), value=_WHITE)


def _eight_bit(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """As if kept in an image of bytes, which the authors do between two steps."""
    return (image * 255).round() / 255
