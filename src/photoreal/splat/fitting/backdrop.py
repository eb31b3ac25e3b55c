"""What a pixel of a photograph asks of the splats: its colour, nothing, or that nothing be there.

Before a plain backdrop, Gaussians of the backdrop's colour cost nothing in front of it, and few photos cannot tell
where they are: new views are darkened by fog. Where a photo shows nothing, splats are therefore held against a colour
that changes with every step, so that only transparency fits; elsewhere the backdrop keeps its own.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy import ndimage
from torch import Tensor

from photoreal.core import Photos, unit_from_bytes

IGNORED, SHOWN, EMPTY = 0, 1, 2
_TOLERANCE = 14.0
"""How far, of 255 in any channel, pixels of a backdrop are from its colour at most."""
_LEAST_TOLERANCE, _OF_NOISE = 2.0, 4.0
"""Within this many times the noise at the borders, and at least so much."""
_ENOUGH = 0.75
"""Share of the pictures' border pixels that a plain backdrop must fill."""
_EDGE = 2
"""Pixels around what stands before the backdrop that count as shown: they are mixed."""


def pixel_kinds(photos: Photos, *, outside_is_empty: bool) -> UInt8[Tensor, "V H W"]:
    """By the masks alone: IGNORED or EMPTY where they say so, else SHOWN."""
    outside = EMPTY if outside_is_empty else IGNORED
    return torch.full_like(photos.masks, outside, dtype=torch.uint8).masked_fill(photos.masks, SHOWN)


def plain_backdrop(photos: Photos) -> tuple[Float[Tensor, " 3"], UInt8[Tensor, "V H W"]] | None:
    """The sRGB colour that fills the borders of all photos, and the pixels' kinds by it; None where there is none, or
    nothing before it.

    EMPTY is what has that colour and hangs together with the border of its photo.
    """
    if not bool(photos.masks.all()):
        return None
    images = photos.images.numpy()
    rims = [images[:, :, 0], images[:, :, -1], images[..., 0], images[..., -1]]
    rim = np.concatenate([r.transpose(1, 0, 2).reshape(3, -1) for r in rims], 1)
    colour = np.median(rim, axis=1)
    off = np.abs(rim - colour[:, None]).max(0)
    plain = off[off <= _TOLERANCE]
    if len(plain) < _ENOUGH * len(off):
        return None
    tolerance = min(_TOLERANCE, max(_LEAST_TOLERANCE, _OF_NOISE * float(np.sqrt(np.mean(plain**2)))))
    kinds = np.stack([_kinds(image, colour, tolerance) for image in images])
    if not (kinds == SHOWN).any():
        return None
    return unit_from_bytes(torch.from_numpy(colour).round().byte()), torch.from_numpy(kinds)


def _kinds(image: np.ndarray, colour: np.ndarray, tolerance: float) -> np.ndarray:
    """The kinds of one photo."""
    plain = np.abs(image - colour[:, None, None]).max(0) <= tolerance
    regions = np.zeros(plain.shape, np.int32)
    ndimage.label(plain, output=regions)
    touching = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    behind = np.isin(regions, touching[touching > 0])
    inner = ndimage.binary_erosion(behind, iterations=_EDGE, border_value=1)
    return np.where(inner, EMPTY, SHOWN).astype(np.uint8)
