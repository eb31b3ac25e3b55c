"""Per-pixel maps: depth, features, and what a geometry model says of photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core.photos import Capture
from photoreal.core.value import Value


@dataclass(frozen=True)
class Depths(Value):
    """Depth along the camera axis, and how much to believe it."""

    depth: Float[Tensor, "V H W"]
    """World units; infinite where the view is known to see past everything; meaningless where the confidence is 0."""
    confidence: Float[Tensor, "V H W"]
    """At least 0; 0 = no depth here."""

    def __len__(self) -> int:
        return len(self.depth)

    @property
    def known(self) -> Bool[Tensor, "V H W"]:
        """Where there is a finite depth."""
        return (self.confidence > 0) & self.depth.isfinite()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.depth.shape[-2], self.depth.shape[-1]

    def take(self, indices: Sequence[int]) -> "Depths":
        """The maps at `indices`, in that order."""
        index = torch.as_tensor(list(indices), dtype=torch.long, device=self.depth.device)
        return Depths(self.depth[index], self.confidence[index])


@dataclass(frozen=True)
class Features(Value):
    """Dense descriptors by several layers of one network, on a grid of cells that covers the whole of each photo."""

    descriptors: Float[Tensor, "L V C h w"]
    """Cell (row, column) of h x w is the part of the photo at the same place; not normalised."""
    layers: tuple[int, ...]
    """The network's own numbers of the layers, in the order of the first axis."""

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.descriptors):
            raise ValueError(f"{len(self.descriptors)} layers of descriptors but {len(self.layers)} names")

    def __len__(self) -> int:
        return self.descriptors.shape[1]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.descriptors.shape[-2], self.descriptors.shape[-1]

    def layer(self, number: int) -> Float[Tensor, "V C h w"]:
        """The descriptors by the layer that the network calls `number`."""
        return self.descriptors[self.layers.index(number)]


Gauge = Literal["metric", "scale_invariant"]
"""Whether one unit is a metre, or of no known length."""


@dataclass(frozen=True)
class Geometry(Value):
    """Cameras of photographs, and depth as each of them sees it."""

    capture: Capture
    """The photos that could be placed, undistorted, in the order in which they were given."""
    depths: Depths
    """In the units of the cameras; maps may be coarser than the photos, which they cover. A map's confidence says which
    of its pixels to believe more; between models it does not compare."""
    gauge: Gauge
    model: str
    """What made it, in words, such as "embedded: structure from motion"."""

    def __post_init__(self) -> None:
        if len(self.capture) != len(self.depths):
            raise ValueError(f"{len(self.capture)} photos but {len(self.depths)} depth maps")

    def __len__(self) -> int:
        return len(self.capture)
