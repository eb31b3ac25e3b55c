"""What the network itself says of a set of images, in its own conventions."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from photoreal.core import Features, Step, Value


@dataclass(frozen=True)
class RawPrediction(Value):
    """The network's outputs for V images of `h w` pixels; the world is the first camera's frame, of no known scale."""

    pose_encoding: Float[Tensor, "V 9"]
    """Translation of cam_from_world, its quaternion xyzw of any norm, and the vertical and the horizontal field of
    view in radians (Wang et al. 2025, section 3.1)."""
    depth: Float[Tensor, "V h w"]
    """Along the axis."""
    depth_confidence: Float[Tensor, "V h w"]
    """At least 1."""
    points: Float[Tensor, "V h w 3"]
    """In the world."""
    point_confidence: Float[Tensor, "V h w"]
    """At least 1."""
    features: Features
    """One cell a patch."""


@runtime_checkable
class RawNetwork(Protocol):
    """What is asked of the network."""

    patch: int
    """Side of a patch in pixels; the sides of images are multiples of it."""

    def predict(self, images: Float[Tensor, "V 3 h w"]) -> Generator[Step, None, RawPrediction]:
        """Yield steps; return what it says of images in [0, 1], on their device and without gradients."""
        ...
