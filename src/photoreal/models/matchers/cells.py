"""What Efficient LoFTR makes of its network's features: matches of cells, refined to fractions of a pixel.

The layers come from transformers 5. Its own matching is not used: as of 5.23 it lists the places of each image
in the order of the other's cells, so that rows do not belong together, and leaves the offset within a cell out.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.core import Matches

if TYPE_CHECKING:
    from transformers import EfficientLoFTRForKeypointMatching

BORDER = 2
"""Cells this near to the border of an image are not matched."""


def match_cells(
    network: "EfficientLoFTRForKeypointMatching", grey: Float[Tensor, "2 1 h w"], threshold: float
) -> Matches:
    """Matches of two images, the surest first; pixels count from the first one's centre, which is at (0, 0)."""
    coarse, *residual = network.efficientloftr(grey[None]).feature_maps
    rows, columns = coarse.shape[-2:]
    cells, confidence = mutual_best(_likeness(coarse, network.config.coarse_matching_temperature), threshold)
    kept = _inside(cells[:, 0], rows, columns) & _inside(cells[:, 1], rows, columns)
    order = confidence[kept].argsort(descending=True, stable=True)
    cells, confidence = cells[kept][order], confidence[kept][order]
    fine = network.refinement_layer(coarse / coarse.shape[2] ** 0.5, residual)
    first, second = refine(
        fine[0][0, cells[:, 0]],
        fine[1][0, cells[:, 1]],
        regressed=network.config.fine_matching_slice_dim,
        temperature=network.config.fine_matching_regress_temperature,
    )
    stride = grey.shape[-1] / columns
    corner = torch.stack([cells % columns, cells // columns], -1) * stride
    return Matches(corner[:, 0] + first, corner[:, 1] + second, confidence.clamp(0, 1))


def _likeness(coarse: Float[Tensor, "1 2 C r c"], temperature: float) -> Float[Tensor, "M M"]:
    """The probability that a cell of the first image belongs to one of the second, times that of the reverse."""
    first, second = coarse[0].flatten(2).mT
    similarity = first @ second.T / (coarse.shape[2] * temperature)
    return similarity.softmax(0) * similarity.softmax(1)


def mutual_best(likeness: Float[Tensor, "M N"], threshold: float) -> tuple[Int64[Tensor, "K 2"], Float[Tensor, " K"]]:
    """Row and column of each entry above the threshold that is the greatest of both, and the entry."""
    best = likeness.max(1)
    row = torch.arange(len(likeness), device=likeness.device)
    kept = (likeness.argmax(0)[best.indices] == row) & (best.values > threshold)
    return torch.stack([row[kept], best.indices[kept]], 1), best.values[kept]


def _inside(cells: Int64[Tensor, " K"], rows: int, columns: int) -> Tensor:
    row, column = cells // columns, cells % columns
    return (row >= BORDER) & (row < rows - BORDER) & (column >= BORDER) & (column < columns - BORDER)


def refine(
    first: Float[Tensor, "K A C"], second: Float[Tensor, "K B C"], *, regressed: int, temperature: float
) -> tuple[Float[Tensor, "K 2"], Float[Tensor, "K 2"]]:
    """Where in a cell, from its upper left corner, the match lies in the first and in the second image.

    A window of the first image has w x w pixels, one of the second a rim of one more; the last `regressed` channels
    tell the fraction of a pixel (Wang et al. 2024, section 3.3).
    """
    side = round(first.shape[1] ** 0.5)
    channels = first.shape[2] - regressed
    scores = first[..., :channels] @ second[..., :channels].mT / channels
    scores = (scores.softmax(1) * scores.softmax(2)).unflatten(2, (side + 2, side + 2))[..., 1:-1, 1:-1]
    best = scores.flatten(1).argmax(1)
    one, other = best // side**2, best % side**2
    return _offset(one, side), _offset(other, side) + _fraction(
        first[..., channels:], second[..., channels:], (one, other), temperature
    )


def _offset(pixel: Int64[Tensor, " K"], side: int) -> Float[Tensor, "K 2"]:
    """The network was trained to count places in a window of even side from half a window before its middle."""
    return torch.stack([pixel % side, pixel // side], 1) - (side - 1) / 2


def _fraction(
    first: Float[Tensor, "K A C"],
    second: Float[Tensor, "K B C"],
    pixels: tuple[Int64[Tensor, " K"], Int64[Tensor, " K"]],
    temperature: float,
) -> Float[Tensor, "K 2"]:
    """The mean offset of the second pixel's nine neighbours, weighted by their likeness to the first pixel.

    The neighbours are numbered in the window with its rim as the authors' code numbers them, without the rim's width.
    """
    side = round(first.shape[1] ** 0.5)
    match = torch.arange(len(first), device=first.device)
    step = torch.tensor([-1, 0, 1], device=first.device)
    dy, dx = (grid.flatten() for grid in torch.meshgrid(step, step, indexing="ij"))
    row, column = (pixels[1] // side)[:, None] + dy, (pixels[1] % side)[:, None] + dx
    neighbours = second.unflatten(1, (side + 2, side + 2))[match[:, None], row, column]
    scores = (neighbours @ first[match, pixels[0]][:, :, None])[..., 0] / first.shape[2] ** 0.5
    weights = (scores / temperature).softmax(1)
    return torch.stack([(weights * dx).sum(1), (weights * dy).sum(1)], 1)
