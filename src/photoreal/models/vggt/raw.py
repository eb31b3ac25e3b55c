"""What the network says, before it is put into the house's terms."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from photoreal.core import Features
from photoreal.core.value import Value


@dataclass(frozen=True)
class RawPrediction(Value):
    """Of images of one size; the world is the first camera's frame."""

    pose_encoding: Float[Tensor, "V 9"]
    """Translation, quaternion xyzw (of any length), vertical and horizontal field of view in radians."""
    depth: Float[Tensor, "V H W"]
    """Along the axis."""
    depth_confidence: Float[Tensor, "V H W"]
    """At least 1."""
    points: Float[Tensor, "V H W 3"]
    """In the world."""
    point_confidence: Float[Tensor, "V H W"]
    """At least 1."""
    features: Features
    """Of the layers that the dense heads read."""
