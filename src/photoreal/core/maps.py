"""Per-pixel maps: depth and features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

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
