"""Per-pixel maps: depth and features."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from photoreal.core.value import Value


@dataclass(frozen=True)
class Depths(Value):
    """Depth along the camera axis, and how much to believe it."""

    depth: Float[Tensor, "V H W"]
    """World units, finite everywhere; meaningless where the confidence is 0."""
    confidence: Float[Tensor, "V H W"]
    """At least 0; 0 = no depth here."""


@dataclass(frozen=True)
class Features(Value):
    """Dense descriptors, one for each cell of `stride` x `stride` pixels."""

    descriptors: Float[Tensor, "V C h w"]
    stride: int
