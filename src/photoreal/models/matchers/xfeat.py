"""XFeat's features (Potje et al. 2024), matched by LighterGlue, a small LightGlue trained for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import FormatError
from photoreal.models.matchers.features import Detected, Detector
from photoreal.models.matchers.glue import GlueShape, load_glue
from photoreal.models.matchers.pairing import FeatureMatcher
from photoreal.models.matchers.turning import Rotations
from photoreal.models.weights import load_strictly, locate, read_state

if TYPE_CHECKING:
    from kornia.feature import XFeat

_CHANNELS = 64
_LIGHTERGLUE = GlueShape(_CHANNELS, width=96, layers=6, heads=1, stop=-1.0, drop=0.95)
_ALL = 20_000
"""More places than this no photo is asked for, before those off the mask are dropped."""


@dataclass(frozen=True)
class XFeatConfig:
    """XFeat and LighterGlue: the quick matcher."""

    max_side: int = 1024
    """Photos are scaled down to at most so many pixels before features are found in them."""
    max_features: int = 4096
    """At most so many features a photo, the most distinct ones."""
    detection_threshold: float = 0.05
    """The network must give a place at least this probability of being distinct."""
    match_threshold: float = 0.1
    """Matches of lower confidence are dropped."""
    rotations: Rotations = "quarter"
    """Whether photos are turned by quarters until they stand alike."""

    def load(self, device: torch.device | str = "cpu") -> FeatureMatcher:
        """The matcher, of the weights "xfeat" and "lighterglue-xfeat".

        Raises:
            MissingWeightsError: its weights are not on this machine.
            FormatError: they do not fit the networks.
        """
        from kornia.feature import XFeat

        features, matching = read_state(locate("xfeat")), read_state(locate("lighterglue-xfeat"))
        network = XFeat(_ALL, self.detection_threshold)
        load_strictly(network.net, features, "the weights of XFeat")
        network.requires_grad_(requires_grad=False).eval().to(device)
        place = torch.device(device)
        glue = load_glue(
            _LIGHTERGLUE,
            _matcher_part(matching),
            "the weights of LighterGlue",
            device=place,
            threshold=self.match_threshold,
        )
        detector = Detector(partial(_detect, network), _CHANNELS, 32, self.max_side, self.max_features, place)
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


def _detect(network: "XFeat", image: Float[Tensor, "3 h w"]) -> Detected:
    """The network counts from the first pixel's centre; its tensors may not be used in gradients, copies may."""
    found = network.detectAndCompute(image[None])[0]
    return Detected(found["keypoints"].clone() + 0.5, found["descriptors"].clone())
