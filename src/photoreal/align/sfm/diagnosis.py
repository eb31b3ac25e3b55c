"""Why cameras could not be found, in words with numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from photoreal.align.sfm.matching import MIN_INLIERS, MatchGraph
from photoreal.core import AlignmentError

FEW_FEATURES = 50
"""A photo with fewer features shows nothing to hold on to."""

_ADVICE = "take photos so that each shows at least half of what the one before shows"


@dataclass(frozen=True)
class LeftOut:
    """A photo without a camera, and why."""

    name: str
    reason: str


def refuse_blank(features: Int64[Tensor, " V"]) -> None:
    """Raise if fewer than two photos have enough features.

    Raises:
        AlignmentError: how many photos have too few.
    """
    count, empty = len(features), int((features < FEW_FEATURES).sum())
    if count - empty < 2:
        raise AlignmentError(
            f"{empty} of {count} photos show hardly any texture (median {int(features.median())} features, "
            f"at least {FEW_FEATURES} are needed): are they blank, blurred or dark?"
        )


def unplaced_error(graph: MatchGraph, notes: Sequence[str] = ()) -> AlignmentError:
    """The error to raise when no cameras could be found; `notes` say what might have helped."""
    return AlignmentError("; ".join([_unplaced(graph), *notes]))


def _unplaced(graph: MatchGraph) -> str:
    count = len(graph.inliers)
    pairs, flat = graph.pairs
    if pairs == 0:
        return (
            f"0 of {count} photos could be matched; the best pair shares {int(graph.inliers.max())} features, "
            f"{MIN_INLIERS} are needed: {_ADVICE}"
        )
    if 2 * flat > pairs:
        return (
            f"{flat} of {pairs} matching pairs of {count} photos show no parallax: they are copies, taken from one "
            "place, or show one flat surface; move sideways by a few steps between photos"
        )
    return (
        f"{int((graph.matched > 0).sum())} of {count} photos match another, in {pairs} pairs, but no cameras could be "
        f"found from that: {_ADVICE}, and step sideways in between"
    )


def explain_left_out(
    names: Sequence[str],
    placed: Collection[int],
    groups: Sequence[Collection[int]],
    evidence: tuple[Tensor, MatchGraph],
) -> tuple[LeftOut, ...]:
    """Each photo that was not placed, with the reason.

    Args:
        names: of all photos.
        placed: indices of the photos with a camera.
        groups: indices of photos which have cameras relative to each other only.
        evidence: numbers of features, and the matches.
    """
    features, graph = evidence

    def reason(index: int) -> str:
        if features[index] < FEW_FEATURES:
            return f"only {int(features[index])} features: blank, blurred or dark"
        if graph.matched[index] == 0:
            return "matched with 0 photos"
        for group in groups:
            if index in group and len(group) > 1:
                return f"in a separate group of {len(group)} photos that shares too little with the others"
        return (
            f"matched with {int(graph.matched[index])} photos but not registered "
            f"(max {int(graph.inliers[index].max())} inliers)"
        )

    return tuple(LeftOut(name, reason(index)) for index, name in enumerate(names) if index not in placed)
