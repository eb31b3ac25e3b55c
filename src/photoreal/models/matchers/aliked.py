"""ALIKED's features (Zhao et al. 2023), matched by LightGlue."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.models.matchers.features import Detected, Detector
from photoreal.models.matchers.glue import GlueShape, load_glue
from photoreal.models.matchers.pairing import FeatureMatcher
from photoreal.models.matchers.turning import Rotations
from photoreal.models.weights import load_strictly, locate, read_state

if TYPE_CHECKING:
    from kornia.feature import ALIKED

_CHANNELS = 128
_LIGHTGLUE = GlueShape(_CHANNELS, width=256, layers=9, heads=4, stop=0.95, drop=0.99)


@dataclass(frozen=True)
class AlikedConfig:
    """ALIKED-n16 and LightGlue: slower than XFeat, and surer of views that lie far apart."""

    max_side: int = 1024
    """Photos are scaled down to at most so many pixels before features are found in them."""
    max_features: int = 2048
    """At most so many features a photo, the most distinct ones."""
    detection_threshold: float = 0.1
    """The network must give a place at least this score."""
    match_threshold: float = 0.1
    """Matches of lower confidence are dropped."""
    rotations: Rotations = "as_is"
    """Whether photos are turned by quarters until they stand alike; where many differ, that takes as long as matching
    or longer."""

    def load(self, device: torch.device | str = "cpu") -> FeatureMatcher:
        """The matcher, of the weights "aliked-n16" and "lightglue-aliked".

        Raises:
            MissingWeightsError: its weights are not on this machine.
            FormatError: they do not fit the networks.
        """
        from kornia.feature import ALIKED

        features, matching = read_state(locate("aliked-n16")), read_state(locate("lightglue-aliked"))
        network = ALIKED("aliked-n16", -1, self.detection_threshold)
        # The steps within the window in which a place is refined: a constant, which no checkpoint holds.
        load_strictly(network, {"dkd.hw_grid": network.dkd.get_buffer("hw_grid")} | features, "the weights of ALIKED")
        network.requires_grad_(requires_grad=False).eval().to(device)
        place = torch.device(device)
        glue = load_glue(_LIGHTGLUE, matching, "the weights of LightGlue", device=place, threshold=self.match_threshold)
        find = partial(_detect, network, self.detection_threshold)
        detector = Detector(find, _CHANNELS, 1, self.max_side, self.max_features, place)
        return FeatureMatcher(detector, glue, self.rotations)


def _detect(network: "ALIKED", threshold: float, image: Float[Tensor, "3 h w"]) -> Detected:
    """The network counts from the first pixel's centre, and where nothing passes its threshold takes what is there."""
    found = network(image[None])[0]
    order = found.keypoint_scores.argsort(descending=True, stable=True)
    order = order[found.keypoint_scores[order] > threshold]
    return Detected(found.keypoints[order] + 0.5, found.descriptors[order])
