"""Places that are found anew in each pair become places of a photo."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from photoreal.core import Matches


@dataclass(frozen=True)
class Grid:
    """A photo's places, at most one in each square of a grid."""

    places: Float[Tensor, "R C 2"]
    """Filled as they are found; not a number where none was."""
    side: float
    """Of a square, in pixels."""

    def settle(self, pixels: Float[Tensor, "K 2"]) -> tuple[Float[Tensor, "K 2"], Int64[Tensor, " K"]]:
        """The places of the squares in which `pixels` lie, and the squares' numbers; a square without a place takes
        the first pixel in it."""
        rows, columns = self.places.shape[:2]
        column, row = (pixels / self.side).long().unbind(1)
        square = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
        places = self.places.view(-1, 2)
        new = first_of_each(square) & places[square].isnan().any(1)
        places[square[new]] = pixels[new]
        return places[square], square


def empty_grid(size: tuple[int, int], side: float) -> Grid:
    """The grid of a photo of the given height and width that has no places yet."""
    rows, columns = (int(length / side) + 1 for length in size)
    return Grid(torch.full((rows, columns, 2), torch.nan), side)


def snapped(matches: Matches, first: Grid, second: Grid) -> Matches:
    """Matches of two photos' places, each place in one match at most; the surest must come first."""
    (a, square_a), (b, square_b) = first.settle(matches.first), second.settle(matches.second)
    kept = first_of_each(square_a).nonzero()[:, 0]
    kept = kept[first_of_each(square_b[kept])]
    return Matches(a[kept], b[kept], matches.confidence[kept])


def first_of_each(numbers: Int64[Tensor, " K"]) -> Bool[Tensor, " K"]:
    """True where a number stands for the first time."""
    values, which = numbers.unique(return_inverse=True)
    position = torch.arange(len(numbers), device=numbers.device)
    earliest = torch.full_like(values, len(numbers)).scatter_reduce(0, which, position, "amin")
    return earliest[which] == position
