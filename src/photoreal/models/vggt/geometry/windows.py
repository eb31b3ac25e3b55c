"""More photos than memory takes at once: overlapping windows, each in a world of its own, joined by what they share."""

from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import AlignmentError, PhotorealError, Step, rigid, transform_points
from photoreal.models.vggt.geometry.prediction import (
    VggtPrediction,
    bounded,
    joined,
    moved,
    without_features,
    world_points,
)

Predict: TypeAlias = Callable[[Sequence[int]], Generator[Step, None, VggtPrediction]]
"""Says all of the photos with these indices, in a world that is no other window's."""

_LEAST_PIXELS = 50
_MOST_PIXELS = 20_000
_ROUNDS = 15


def windows(count: int, photos_at_once: int, overlap: int) -> tuple[range, ...]:
    """Ranges of `photos_at_once` of `count` photos, each sharing `overlap` or more with the next, evenly spread.

    Raises:
        PhotorealError: they share nothing, or nothing but what they share.
    """
    if count <= photos_at_once:
        return (range(count),)
    if not 1 <= overlap < photos_at_once:
        raise PhotorealError(
            f"{count} photos are taken {photos_at_once} at once, of which {overlap} are shared; share at least 1 and "
            f"fewer than are taken at once"
        )
    steps = -(-(count - photos_at_once) // (photos_at_once - overlap))
    starts = [step * (count - photos_at_once) // steps for step in range(steps + 1)]
    return tuple(range(start, start + photos_at_once) for start in starts)


def predict_in_windows(
    predict: Predict, count: int, *, photos_at_once: int, overlap: int
) -> Generator[Step, None, VggtPrediction]:
    """Yield steps; return what is said of all photos in the first window's world.

    Each window is moved to the one before by the similarity that brings the depth of shared photos together
    (`window_similarity`). A shared photo is told by the window in whose middle it lies more. Errors add up from window
    to window: nothing closes a loop.

    Raises:
        AlignmentError: two windows share too little known depth.
        PhotorealError: as `windows`.
    """
    spans = windows(count, photos_at_once, overlap)
    owners = [_owner(photo, spans) for photo in range(count)]
    parts: list[VggtPrediction] = []
    before: VggtPrediction | None = None
    for number, span in enumerate(spans):
        if len(spans) > 1:
            yield Step("windows of photos", number, len(spans))
        said = yield from predict(list(span))
        if before is not None:
            shared = said.take(range(len(before)))
            said = moved(said, window_similarity(shared, before, f"windows {number} and {number + 1}"))
        parts.append(said.take([photo - span.start for photo in span if owners[photo] == number]))
        if number + 1 < len(spans):
            before = without_features(said.take(range(spans[number + 1].start - span.start, len(span))))
    return joined(parts)


def window_similarity(source: VggtPrediction, target: VggtPrediction, told: str) -> Float[Tensor, "4 4"]:
    """The similarity target_from_source between two worlds in which the same photos are told, in double precision.

    Fitted to what each pixel shows, by the depth of both; a pixel counts by the lesser confidence and, since errors of
    depth grow with it, by the inverse square of its depth. Fitted again and again, pixels that stay far apart for
    their depth lose their say.

    Args:
        source: photos in one world.
        target: the same photos in the other.
        told: what they are, in the error.

    Raises:
        AlignmentError: fewer than 50 pixels have a depth in both.
    """
    known = (source.depths.known & target.depths.known).flatten()
    rows = known.nonzero().squeeze(1)
    if len(rows) < _LEAST_PIXELS:
        raise AlignmentError(
            f"{told} share {len(source)} photos, in which {len(rows)} pixels have a depth in both; "
            f"{_LEAST_PIXELS} are needed: let windows share more photos"
        )
    rows = rows[:: -(-len(rows) // _MOST_PIXELS)]
    here, there = (world_points(p.cameras, p.depths).flatten(0, 2)[rows].double() for p in (source, target))
    sure = torch.minimum(*(bounded(p.depths.confidence).flatten()[rows].double() for p in (source, target)))
    # Each world's own unit of depth, so that both count alike.
    near, far = (p.depths.depth.flatten()[rows].double() for p in (source, target))
    weights = sure / (near / near.median() * (far / far.median()))
    fitted = fit_evenly(here, there, weights)
    for _ in range(_ROUNDS):
        error = (transform_points(fitted, here) - there).norm(dim=-1) / far
        width = (2 * error.median()).clamp_min(1e-9)
        fitted = fit_evenly(here, there, weights * (1 + (error / width).square()).pow(-2))
    return fitted


def fit_evenly(
    source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"], weights: Float[Tensor, " N"]
) -> Float[Tensor, "4 4"]:
    """The similarity target_from_source with the rotation of least weighted squares and Horn's symmetric scale.

    The scale is the ratio of both spreads (Horn 1987, section 2E), so that exchanging source and target gives the
    inverse. The scale of least squares (`core.fit_similarity`) is too small by the source's noise, which over a
    chain of windows would shrink the world.
    """
    share = (weights / weights.sum())[:, None]
    source_mean, target_mean = (share * source).sum(0), (share * target).sum(0)
    source_centred, target_centred = source - source_mean, target - target_mean
    u, _, vh = torch.linalg.svd((share * target_centred).T @ source_centred)
    sign = torch.ones_like(source_mean)
    sign[-1] = torch.sign(torch.linalg.det(u) * torch.linalg.det(vh))
    rotation = u @ torch.diag(sign) @ vh
    spread = (share * target_centred.square()).sum() / (share * source_centred.square()).sum()
    linear = spread.sqrt() * rotation
    return rigid(linear, target_mean - linear @ source_mean)


def _owner(photo: int, spans: Sequence[range]) -> int:
    """The window whose middle is nearest; of two as near, the earlier."""
    holding = [number for number, span in enumerate(spans) if photo in span]
    return min(holding, key=lambda number: abs(2 * photo - spans[number].start - spans[number].stop + 1))
