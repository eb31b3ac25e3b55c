"""Exposure and white balance of each photograph, as an affine map of colours."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Value


@dataclass(frozen=True)
class Exposures(Value):
    """For each photo the map from the scene's colours to the photo's: c -> matrix c + offset, in sRGB."""

    matrices: Float[Tensor, "V 3 3"]
    offsets: Float[Tensor, "V 3"]


def equal_exposures(count: int) -> Exposures:
    """The identity for every photo."""
    return Exposures(torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 3))


def expose(exposures: Exposures, view: int, colour: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """The colours as photo `view` recorded them."""
    return (exposures.matrices[view] @ colour.flatten(1) + exposures.offsets[view][:, None]).view(colour.shape)


def centred(exposures: Exposures) -> Exposures:
    """The same maps shifted so that their mean is the identity: the scene takes the photos' average exposure."""
    matrices, offsets = exposures.matrices, exposures.offsets
    eye = torch.eye(3, dtype=matrices.dtype)
    return Exposures(matrices - matrices.mean(0) + eye, offsets - offsets.mean(0))
