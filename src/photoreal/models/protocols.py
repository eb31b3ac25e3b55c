"""What a network must do for the code above it; any callable of the right shape will serve."""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from photoreal.core import Features, Geometry, Matches, Photos, Step


@runtime_checkable
class PerceptualNetwork(Protocol):
    """How different two images look to a network, layer by layer."""

    def __call__(self, image: Float[Tensor, "3 H W"], reference: Float[Tensor, "3 H W"]) -> tuple[Tensor, ...]:
        """Maps `h w` of distances >= 0, one a layer, that cover the whole image; the images are sRGB in [0, 1]."""
        ...


@runtime_checkable
class FeatureModel(Protocol):
    """Dense descriptors of images."""

    def __call__(self, images: Float[Tensor, "V 3 H W"]) -> Features:
        """Descriptors of every image; differentiable with respect to the images, which are sRGB in [0, 1]."""
        ...


@runtime_checkable
class ImageEncoder(Protocol):
    """One vector for a whole image."""

    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C"]:
        """Not normalised; the images are sRGB in [0, 1]. Differentiable with respect to them."""
        ...


@runtime_checkable
class Matcher(Protocol):
    """Places that show the same thing in two photos."""

    def __call__(self, photos: Photos, pairs: Sequence[tuple[int, int]]) -> Iterator[Matches]:
        """The matches of each pair of indices, in the order of `pairs`; none lies where a mask is False.

        A place that is found once in a photo has exactly the same pixel in all pairs of which the photo is one.
        """
        ...


@runtime_checkable
class GeometryModel(Protocol):
    """Cameras and depth of photographs."""

    def __call__(self, photos: Photos) -> Generator[Step, None, Geometry]:
        """Yield steps; return the geometry of the photos that could be placed.

        Raises:
            AlignmentError: none could.
        """
        ...
