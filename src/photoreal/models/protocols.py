"""What a network must do for the code above it; any callable of the right shape will serve."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class PerceptualNetwork(Protocol):
    """How different two images look to a network, layer by layer."""

    def __call__(self, image: Float[Tensor, "3 H W"], reference: Float[Tensor, "3 H W"]) -> tuple[Tensor, ...]:
        """Maps `h w` of distances >= 0, one a layer, that cover the whole image; the images are sRGB in [0, 1]."""
        ...
