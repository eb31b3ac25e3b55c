"""Points in the world and where photos see them."""

from dataclasses import dataclass

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from photoreal.core.value import Value


@dataclass(frozen=True)
class Points(Value):
    """A coloured point cloud."""

    positions: Float[Tensor, "N 3"]
    colours: UInt8[Tensor, "N 3"]
    """sRGB."""
    confidence: Float[Tensor, " N"]
    """At least 0; for points of structure from motion, the number of photos that see them."""

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class Tracks(Value):
    """Sightings of points: row k says that `view[k]` sees `point[k]` at `pixel[k]`."""

    view: Int64[Tensor, " K"]
    point: Int64[Tensor, " K"]
    pixel: Float[Tensor, "K 2"]


@dataclass(frozen=True)
class Matches(Value):
    """Places in two photos that show the same thing, row by row."""

    first: Float[Tensor, "K 2"]
    """Pixels in the first photo."""
    second: Float[Tensor, "K 2"]
    """Pixels in the second."""
    confidence: Float[Tensor, " K"]
    """In [0, 1]."""

    def __len__(self) -> int:
        return len(self.first)
