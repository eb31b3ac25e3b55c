"""Efficient LoFTR (Wang et al. 2024): matches without features, for surfaces that have few distinct places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from photoreal.core import FormatError, Matches, Photos
from photoreal.models.checkpoints import Checkpoint, built, open_checkpoint
from photoreal.models.matchers.cells import match_cells
from photoreal.models.matchers.features import lie_in
from photoreal.models.matchers.snapping import Grid, empty_grid, snapped
from photoreal.models.protocols import Matcher
from photoreal.models.weights import load_strictly, read_state

if TYPE_CHECKING:
    from transformers import EfficientLoFTRForKeypointMatching

_MULTIPLE = 32
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class EfficientLoftrConfig:
    """Efficient LoFTR: dense matches, the slowest of the matchers on a processor."""

    weights: str = "efficientloftr"
    """A name of the catalogue, or a folder with config.json and model.safetensors."""
    max_side: int = 832
    """Photos are scaled down to at most so many pixels; the network was trained with 832."""
    match_threshold: float = 0.2
    """Matches of lower confidence are dropped."""
    merge: float = 2.0
    """Places of one photo that lie in one square of so many pixels become the one that was found first, so that places
    can be followed from pair to pair; they move by 0.6 of the side (root mean square), which limits their accuracy."""

    def load(self, device: torch.device | str = "cpu") -> Matcher:
        """The matcher.

        Raises:
            MissingWeightsError: its weights are not on this machine.
            FormatError: they do not fit the network.
        """
        checkpoint, place = open_checkpoint(self.weights), torch.device(device)
        network = _network(checkpoint)
        load_strictly(network, read_state(checkpoint.weights), "the weights of Efficient LoFTR")
        nn.Module.to(network.requires_grad_(requires_grad=False).eval(), place, torch.float32)
        return _LoftrMatcher(network, self, place)


def _network(checkpoint: Checkpoint) -> "EfficientLoFTRForKeypointMatching":
    """Without weights.

    Raises:
        FormatError: the configuration is of another kind of network.
    """
    from transformers import EfficientLoFTRConfig, EfficientLoFTRForKeypointMatching

    where = checkpoint.config_file
    if checkpoint.architecture != "efficientloftr":
        raise FormatError(f"{where} is of a network '{checkpoint.architecture}', not efficientloftr")
    network: Any = built(EfficientLoFTRForKeypointMatching, EfficientLoFTRConfig, checkpoint.config, where)
    # Its frequencies are in no checkpoint: they follow from the configuration, once off the device "meta".
    rotary = network.efficientloftr.rotary_emb
    network.efficientloftr.rotary_emb = type(rotary)(network.config)
    return network


@dataclass(frozen=True)
class _LoftrMatcher:
    """Compares photos pair by pair."""

    network: "EfficientLoFTRForKeypointMatching"
    config: EfficientLoftrConfig
    device: torch.device

    def __call__(self, photos: Photos, pairs: Sequence[tuple[int, int]]) -> Iterator[Matches]:
        """The matches of each pair of indices, in the order of `pairs`."""
        grids: dict[int, Grid] = {}
        last = {photo: step for step, pair in enumerate(pairs) for photo in pair}
        for step, pair in enumerate(pairs):
            for photo in pair:
                grids.setdefault(photo, empty_grid(photos.size, self.config.merge))
            found = self._compare(photos, *pair)
            yield snapped(found, grids[pair[0]], grids[pair[1]]).to(photos.images.device)
            for photo in pair:
                if last[photo] == step:
                    grids.pop(photo, None)

    @torch.no_grad()
    def _compare(self, photos: Photos, first: int, second: int) -> Matches:
        height, width = photos.size
        shrink = min(1.0, self.config.max_side / max(height, width))
        sides = [max(1, int(side * shrink / _MULTIPLE + 1e-6)) * _MULTIPLE for side in (height, width)]
        grey = torch.stack([_grey(photos, index, sides, self.device) for index in (first, second)])
        found = match_cells(self.network, grey, self.config.match_threshold).to("cpu")
        scale = torch.tensor([width / sides[1], height / sides[0]])
        # The network counts from the first pixel's centre.
        a, b = (found.first + 0.5) * scale, (found.second + 0.5) * scale
        shown = lie_in(photos.masks[first].cpu(), a) & lie_in(photos.masks[second].cpu(), b)
        return Matches(a[shown], b[shown], found.confidence[shown])


def _grey(photos: Photos, index: int, sides: list[int], device: torch.device) -> Float[Tensor, "1 h w"]:
    weights = torch.tensor(_GREY, device=device)
    grey = (photos.images[index].to(device).float() / 255 * weights[:, None, None]).sum(0)
    return functional.interpolate(grey[None, None], sides, mode="bilinear", antialias=True, align_corners=False)[0]
