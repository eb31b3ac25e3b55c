"""More photos than memory holds: windows that overlap, each in a world of its own, joined where they share photos."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import (
    Cameras,
    Depths,
    Features,
    PhotorealError,
    fit_similarity,
    similarity_scale,
    transform_points,
    turned_cameras,
    unproject,
)
from photoreal.models.vggt.prediction import VggtPrediction

_SAMPLES = 4000
_TRIMMED = 0.7
"""Of the samples, the share that agrees best decides in each round."""
_ROUNDS = 6


def windows(count: int, size: int, overlap: int) -> list[range]:
    """Numbers of photos in order: windows of up to `size`, of which neighbours share at least `overlap`.

    Raises:
        PhotorealError: a window would share all its photos.
    """
    if count <= size:
        return [range(count)]
    if size <= overlap:
        raise PhotorealError(f"windows of {size} photos cannot share {overlap}; give room for more photos at once")
    steps = -(-(count - overlap) // (size - overlap))
    starts = [round(index * (count - size) / max(steps - 1, 1)) for index in range(steps)]
    return [range(start, start + size) for start in starts]


def joined(parts: Sequence[VggtPrediction], spans: Sequence[range]) -> VggtPrediction:
    """One prediction in the world of the first part.

    Each part is brought there by the similarity between the places at which it and the parts before it see the pixels
    of the photos that they share. A photo is told by the part in whose middle it lies most.

    Args:
        spans: the numbers of each part's photos, as `windows` gives them.
    """
    moved = [parts[0]]
    for part, before, span, former in zip(parts[1:], spans, spans[1:], spans, strict=False):
        shared = range(span.start, before.stop)
        here = part.take([number - span.start for number in shared])
        there = moved[-1].take([number - former.start for number in shared])
        moved.append(_moved(part, _similarity(here, there)))
    places = [_teller(number, spans) for number in range(spans[-1].stop)]
    return _gathered([moved[part].take([number - spans[part].start]) for number, part in enumerate(places)])


def _teller(number: int, spans: Sequence[range]) -> int:
    """The part in which the photo is furthest from either end; the ends of all photos are no ends."""

    def depth(span: range) -> int:
        left = number - span.start if span.start else len(span)
        right = span.stop - 1 - number if span is not spans[-1] else len(span)
        return min(left, right)

    inside = [index for index, span in enumerate(spans) if number in span]
    return max(inside, key=lambda index: (depth(spans[index]), -index))


def _similarity(here: VggtPrediction, there: VggtPrediction) -> Float[Tensor, "4 4"]:
    """there_from_here, from pixels that both are sure of; the worst are left out anew in each round."""
    sure = here.depths.confidence * there.depths.confidence
    rows = (sure >= sure[sure > 0].median()).logical_and(sure > 0).flatten().nonzero()[:, 0]
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:_SAMPLES].to(rows.device)]
    source, target = (_places(part).flatten(0, 2)[rows].double() for part in (here, there))
    kept = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    similarity = fit_similarity(source, target)
    for _ in range(_ROUNDS):
        distance = (transform_points(similarity, source) - target).norm(dim=1)
        kept = distance <= distance.quantile(_TRIMMED)
        similarity = fit_similarity(source[kept], target[kept])
    return similarity


def _places(part: VggtPrediction) -> Float[Tensor, "V h w 3"]:
    return unproject(part.cameras.resized(part.depths.size), part.depths.depth)


def _moved(part: VggtPrediction, similarity: Float[Tensor, "4 4"]) -> VggtPrediction:
    poses = turned_cameras(part.cameras.cam_from_world.double(), similarity).to(part.cameras.cam_from_world)
    depth = part.depths.depth * similarity_scale(similarity)
    return part.replace(
        cameras=part.cameras.replace(cam_from_world=poses),
        depths=Depths(depth, part.depths.confidence),
        point_map=transform_points(similarity, part.point_map.double().flatten(0, 2)).view_as(part.point_map).float(),
    )


def _gathered(parts: Sequence[VggtPrediction]) -> VggtPrediction:
    first = parts[0]
    return VggtPrediction(
        Cameras(
            torch.cat([part.cameras.cam_from_world for part in parts]),
            torch.cat([part.cameras.intrinsics for part in parts]),
            first.cameras.size,
        ),
        Depths(
            torch.cat([part.depths.depth for part in parts]),
            torch.cat([part.depths.confidence for part in parts]),
        ),
        torch.cat([part.point_map for part in parts]),
        torch.cat([part.point_confidence for part in parts]),
        Features(torch.cat([part.features.descriptors for part in parts], 1), first.features.layers),
    )
