"""LightGlue: features of two photos become matches (Lindenberger et al. 2023)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from photoreal.core import Matches
from photoreal.models.matchers.features import LocalFeatures
from photoreal.models.weights import load_strictly

if TYPE_CHECKING:
    from kornia.feature import LightGlue

Glue = Callable[[LocalFeatures, LocalFeatures], Matches]


@dataclass(frozen=True)
class GlueShape:
    """The size of a LightGlue and how it saves time."""

    channels: int
    """Length of a descriptor."""
    width: int
    """Of the network's own vectors."""
    layers: int
    heads: int
    stop: float
    """No more layers follow once this share of the features is sure of its match; -1: all always do."""
    drop: float
    """A feature that surely has no match, by a probability of this, takes no part in later layers."""


def load_glue(
    shape: GlueShape, state: Mapping[str, Tensor], what: str, *, device: torch.device, threshold: float
) -> Glue:
    """A matcher of features whose matches have a confidence above `threshold`.

    Args:
        what: names the weights in the error.

    Raises:
        FormatError: the weights do not fit the network.
    """
    from kornia.feature import LightGlue

    network = LightGlue(
        None,  # pyright: ignore[reportArgumentType] - documented: fetch no weights
        input_dim=shape.channels,
        descriptor_dim=shape.width,
        n_layers=shape.layers,
        num_heads=shape.heads,
        depth_confidence=shape.stop,
        width_confidence=shape.drop,
        filter_threshold=threshold,
    )
    # Thresholds of early stopping: the network computes them from its number of layers, and no checkpoint holds them.
    derived = {"confidence_thresholds": network.get_buffer("confidence_thresholds")}
    load_strictly(network, derived | {_layer_first(name): tensor for name, tensor in state.items()}, what)
    network.requires_grad_(requires_grad=False).eval().to(device)
    return lambda first, second: _matched(network, first, second)


def _layer_first(name: str) -> str:
    """The authors' first release calls layer N's blocks `self_attn.N` and `cross_attn.N`."""
    return re.sub(r"^(self|cross)_attn\.(\d+)\.", r"transformers.\2.\1_attn.", name)


@torch.no_grad()
def _matched(network: "LightGlue", first: LocalFeatures, second: LocalFeatures) -> Matches:
    if not len(first) or not len(second):
        return Matches(first.pixels[:0], second.pixels[:0], first.pixels.new_zeros(0))
    result = network({"image0": _seen(first), "image1": _seen(second)})
    rows = result["matches"][0]
    confidence = result["scores"][0].float().clamp(0, 1)
    return Matches(first.pixels[rows[:, 0]], second.pixels[rows[:, 1]], confidence)


def _seen(features: LocalFeatures) -> dict[str, Tensor]:
    """As LightGlue expects it: the first pixel's centre is at (0, 0)."""
    return {
        "keypoints": features.places[None] - 0.5,
        "descriptors": features.descriptors[None],
        "image_size": features.size[None],
    }
