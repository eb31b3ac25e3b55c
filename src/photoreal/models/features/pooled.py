"""One vector for an image out of its dense features: what stands in for CLIP where there is no hub."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from photoreal.models.features.dino import DinoConfig
from photoreal.models.features.dinov2_saliency import Dinov2SaliencyConfig
from photoreal.models.features.patches import PatchConfig, PatchFeatures, matching_descriptors

_POWER = 3
_LEAST = 1e-6
"""Keeps the root's slope finite."""


def _embedded() -> Dinov2SaliencyConfig:
    return Dinov2SaliencyConfig(PatchConfig(layers=(8,), side=224, images_at_once=16))


@dataclass(frozen=True)
class PooledConfig:
    """An image's patches by DINOv2, pooled: it knows what is seen and how it looks, and nothing of language."""

    features: Dinov2SaliencyConfig | DinoConfig = field(default_factory=_embedded)
    """Whose patches."""

    def load(self, device: torch.device | str = "cpu") -> "PooledEncoder":
        """The frozen network, differentiable with respect to its images.

        Raises:
            MissingWeightsError: its weights are not on this machine.
            FormatError: they are damaged, or it has no such layer.
        """
        return PooledEncoder(self.features.load(device))


class PooledEncoder(nn.Module):
    """An image encoder: the generalised mean of the patches' descriptors, each layer's of unit length.

    It gives weight to what is strong in some patches (GeM with p = 3, Radenovic et al. 2019, eq. 4). On corners of the
    photos of five captures it beats the plain mean in every layer, and layer 8 the others (`benchmarks models`).
    """

    def __init__(self, features: PatchFeatures) -> None:
        super().__init__()
        self.features = features
        self.name = f"{features.name}, pooled"

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C"]:
        """One vector an image, not normalised; images are sRGB in [0, 1], of any size, and keep their shape."""
        present = matching_descriptors(self.features(images)).clamp_min(_LEAST)
        return present.pow(_POWER).mean((2, 3)).pow(1 / _POWER)
