"""XFeat's features (Potje et al. 2024), matched by LighterGlue, a small LightGlue trained for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from photoreal.core import FormatError
from photoreal.models.matchers.features import Detected, Detector
from photoreal.models.matchers.glue import GlueShape, load_glue
from photoreal.models.matchers.pairing import FeatureMatcher
from photoreal.models.matchers.turning import Rotations
from photoreal.models.weights import load_strictly, locate, read_state

_CHANNELS = 64
_LIGHTERGLUE = GlueShape(_CHANNELS, width=96, layers=6, heads=1, stop=-1.0, drop=0.95)
_CELL = 8
"""The network's maps have one cell for so many pixels across and down."""
_RADIUS = 2
"""A place is the most probable of all this near, and is moved to the middle of their probabilities."""


@dataclass(frozen=True)
class XFeatConfig:
    """XFeat and LighterGlue: the quick matcher."""

    max_side: int = 1024
    """Photos are scaled down to at most so many pixels before features are found in them."""
    max_features: int = 2048
    """At most so many features a photo, the most distinct ones."""
    detection_threshold: float = 0.05
    """The network must give a place at least this probability of being distinct."""
    match_threshold: float = 0.1
    """Matches of lower confidence are dropped."""
    rotations: Rotations = "as_is"
    """Whether photos are turned by quarters until they stand alike; where many differ, that takes as long as matching
    or longer."""

    def load(self, device: torch.device | str = "cpu") -> FeatureMatcher:
        """The matcher, of the weights "xfeat" and "lighterglue-xfeat".

        Raises:
            MissingWeightsError: its weights are not on this machine.
            FormatError: they do not fit the networks.
        """
        from kornia.feature import XFeatModel

        features, matching = read_state(locate("xfeat")), read_state(locate("lighterglue-xfeat"))
        network = XFeatModel()
        load_strictly(network, features, "the weights of XFeat")
        network.requires_grad_(requires_grad=False).eval().to(device)
        place = torch.device(device)
        glue = load_glue(
            _LIGHTERGLUE,
            _matcher_part(matching),
            "the weights of LighterGlue",
            device=place,
            threshold=self.match_threshold,
        )
        detector = Detector(
            partial(_detect, network, self.detection_threshold), _CHANNELS, 32, self.max_side, self.max_features, place
        )
        return FeatureMatcher(detector, glue, self.rotations)


def _matcher_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LighterGlue without the copy of XFeat that it was trained beside, and that its checkpoint holds as well.

    Raises:
        FormatError: the checkpoint holds anything else.
    """
    for name in state:
        if not name.startswith(("matcher.", "extractor.model.net.")):
            raise FormatError(f"the weights of LighterGlue hold an unknown tensor '{name}'")
    return {name.removeprefix("matcher."): tensor for name, tensor in state.items() if name.startswith("matcher.")}


def _detect(network: nn.Module, threshold: float, image: Float[Tensor, "3 h w"]) -> Detected:
    """The most probable place around, where it is above the threshold, the most reliable first; unlike the authors, we
    refine places to fractions of a pixel."""
    descriptors, logits, reliability = network(image[None])
    # A cell's last probability is that of no place at all.
    probability = functional.pixel_shuffle(logits.softmax(1)[:, :-1], _CELL)[0, 0]
    pixels = _peaks(probability, threshold)
    score = probability[pixels[:, 1], pixels[:, 0]] * _read(reliability, pixels, "bilinear")[:, 0]
    pixels = pixels[score.argsort(descending=True, stable=True)]
    read = _read(functional.normalize(descriptors, dim=1), pixels, "bicubic")
    return Detected(pixels + 0.5 + _shift(probability, pixels), functional.normalize(read, dim=1))


def _peaks(probability: Float[Tensor, "h w"], threshold: float) -> Int64[Tensor, "N 2"]:
    """Pixels (x, y), none near the border; equals have none, so that nothing is found where all looks alike."""
    greatest = functional.max_pool2d(probability[None], 2 * _RADIUS + 1, stride=1)[0]
    middle = probability[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    pixels = ((middle == greatest) & (middle > threshold)).nonzero().flip(1) + _RADIUS
    window = _around(probability, pixels)
    return pixels[(window == window.amax(1, keepdim=True)).sum(1) == 1]


def _shift(probability: Float[Tensor, "h w"], pixels: Int64[Tensor, "N 2"]) -> Float[Tensor, "N 2"]:
    """From each pixel to the mean of its window, weighted by probability."""
    weight = _around(probability, pixels)
    return (weight / weight.sum(1, keepdim=True)) @ _steps(pixels.device).to(weight)


def _around(probability: Float[Tensor, "h w"], pixels: Int64[Tensor, "N 2"]) -> Float[Tensor, "N W"]:
    near = pixels[:, None] + _steps(pixels.device)
    return probability[near[..., 1], near[..., 0]]


def _steps(device: torch.device) -> Int64[Tensor, "W 2"]:
    """From the middle of a window to all its pixels."""
    step = torch.arange(-_RADIUS, _RADIUS + 1, device=device)
    return torch.cartesian_prod(step, step)


def _read(
    cells: Float[Tensor, "1 C h w"], pixels: Int64[Tensor, "N 2"], mode: Literal["bilinear", "bicubic"]
) -> Float[Tensor, "N C"]:
    """The map at pixels, which are stretched until the last pixel's centre comes to lie on the border: so the network
    was trained (Potje et al. 2024, the authors' code)."""
    last = pixels.new_tensor([cells.shape[3], cells.shape[2]]) * _CELL - 1
    grid = 2 * pixels / last - 1
    return functional.grid_sample(cells, grid[None, None], mode=mode, align_corners=False)[0, :, 0].T
