"""A scene as 3D Gaussians."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core.value import Value


@dataclass(frozen=True)
class Gaussians(Value):
    """3D Gaussians whose colour and opacity may depend on the direction from the camera centre to the mean.

    With Y_k the real spherical harmonics (`splat.harmonics`) of that direction: colour = max(0, 0.5 + sum_k c_k Y_k),
    opacity = sigmoid(sum_k o_k Y_k). One opacity coefficient means an opacity that is the same from all sides.
    """

    means: Float[Tensor, "N 3"]
    quaternions: Float[Tensor, "N 4"]
    """wxyz, of any norm > 0; rotate the Gaussian's axes into the world."""
    log_scales: Float[Tensor, "N 3"]
    """Natural logarithm of the standard deviation along each axis, world units."""
    opacity_harmonics: Float[Tensor, "N Ko"]
    """Ko in {1, 4, 9, 16}."""
    colour_harmonics: Float[Tensor, "N Kc 3"]
    """Kc in {1, 4, 9, 16}; sRGB."""
    antialiased: bool = False
    """Whether a rasterizer that blurs them dims them by as much as the blur spreads them out (Mip-Splatting's 2D
    filter; what SPZ files call antialiased). To be drawn as they were fitted."""

    def __len__(self) -> int:
        return len(self.means)

    def take(self, index: Tensor) -> "Gaussians":
        """The Gaussians that an index or boolean tensor selects."""
        return self.map(lambda tensor: tensor[index])


def join(first: Gaussians, second: Gaussians) -> Gaussians:
    """All Gaussians of both, which have the same degrees of harmonics and are drawn alike."""
    assert first.antialiased == second.antialiased
    return Gaussians(
        torch.cat([first.means, second.means]),
        torch.cat([first.quaternions, second.quaternions]),
        torch.cat([first.log_scales, second.log_scales]),
        torch.cat([first.opacity_harmonics, second.opacity_harmonics]),
        torch.cat([first.colour_harmonics, second.colour_harmonics]),
        first.antialiased,
    )
