"""Which photos are worth comparing: all pairs of a few, neighbours and look-alikes of many."""

from collections.abc import Collection

import numpy as np
import pycolmap
import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.align.sfm.project import Project

Pair = tuple[int, int]
"""Indices of two photos, the smaller first."""

_FEW_PHOTOS = 12
_LOOK_ALIKES = 5
_WORDS = 48
_SAMPLE_FOR_WORDS = 24_000
_SAMPLE_FOR_PHOTO = 1_000


def all_pairs(count: int) -> list[Pair]:
    """Every pair of `count` photos."""
    return [(first, second) for first in range(count) for second in range(first + 1, count)]


def sequence_pairs(count: int, *, overlap: int) -> list[Pair]:
    """Pairs of photos that follow one another: at distances 1 to `overlap`, and 2, 4, 8, ... up to 2 ** overlap."""
    distances = {*range(1, overlap + 1), *(2**power for power in range(overlap + 1))}
    return [(first, first + d) for first in range(count) for d in sorted(distances) if first + d < count]


def look_alike_pairs(likeness: Float[Tensor, "V V"], *, neighbours: int) -> list[Pair]:
    """Each photo with those most like it."""
    apart = likeness - 1e9 * torch.eye(len(likeness))
    nearest = apart.topk(min(neighbours, len(likeness) - 1), dim=1).indices
    found = {(min(a, b), max(a, b)) for a, row in enumerate(nearest.tolist()) for b in row}
    return sorted(found)


def choose_pairs(project: Project, *, exhaustive_up_to: int, neighbours: int, seed: int) -> list[Pair]:
    """The pairs to match: all of up to `exhaustive_up_to` photos; beyond, those in sequence and look-alikes."""
    count = len(project.image_ids)
    if count <= exhaustive_up_to:
        return all_pairs(count)
    likeness = photo_likeness(read_descriptors(project), seed=seed)
    return sorted({*sequence_pairs(count, overlap=5), *look_alike_pairs(likeness, neighbours=neighbours)})


def pairs_for_network(project: Project, placed: Collection[int] | None, *, seed: int) -> list[Pair]:
    """The pairs that are worth a network's time: each photo that is not among the `placed` with those most like it.

    With None, photos that follow one another and look-alikes, or all pairs of a few photos.
    """
    count = len(project.image_ids)
    if placed is None and count <= _FEW_PHOTOS:
        return all_pairs(count)
    likeness = photo_likeness(read_descriptors(project), seed=seed)
    if placed is None:
        return sorted({*sequence_pairs(count, overlap=2), *look_alike_pairs(likeness, neighbours=_LOOK_ALIKES)})
    out = {index for index in range(count) if index not in placed}
    return [pair for pair in look_alike_pairs(likeness, neighbours=_FEW_PHOTOS) if out & set(pair)]


def read_descriptors(project: Project) -> list[Float[Tensor, "_ 128"]]:
    """Up to 1000 SIFT descriptors of each photo, spread over all its features, with norm 1."""
    found: list[Tensor] = []
    with pycolmap.Database.open(str(project.database)) as database:
        for image_id in project.image_ids:
            data = np.asarray(database.read_descriptors(image_id).data, dtype=np.float32).reshape(-1, 128)
            rows = np.linspace(0, len(data) - 1, min(len(data), _SAMPLE_FOR_PHOTO)).round().astype(int)
            found.append(torch.nn.functional.normalize(torch.from_numpy(data[rows]), dim=1))
    return found


def photo_likeness(descriptors: list[Float[Tensor, "_ 128"]], *, seed: int) -> Float[Tensor, "V V"]:
    """Cosine of the angle between the photos' vectors of locally aggregated descriptors (Jegou et al. 2010).

    The words are k-means centres of these very photos' descriptors, so no vocabulary is needed.
    """
    generator = torch.Generator().manual_seed(seed)
    pool = torch.cat(descriptors)
    pool = pool[torch.randperm(len(pool), generator=generator)[:_SAMPLE_FOR_WORDS]]
    words = _k_means(pool, generator)
    vectors = torch.stack([_aggregate(rows, words) for rows in descriptors])
    return vectors @ vectors.T


def _k_means(pool: Float[Tensor, "N 128"], generator: torch.Generator) -> Float[Tensor, "K 128"]:
    if len(pool) <= _WORDS:
        return pool
    centres = pool[torch.randperm(len(pool), generator=generator)[:_WORDS]].clone()
    for _ in range(12):
        members = torch.nn.functional.one_hot(torch.cdist(pool, centres).argmin(1), len(centres)).float()
        sizes = members.sum(0)
        centres = torch.where(sizes[:, None] > 0, members.T @ pool / sizes.clamp_min(1)[:, None], centres)
    return centres


def _aggregate(rows: Float[Tensor, "N 128"], words: Float[Tensor, "K 128"]) -> Float[Tensor, " D"]:
    """Sums of residuals to the nearest words, each normalised, then all."""
    if not len(rows) or not len(words):
        return torch.zeros(len(words) * 128)
    nearest = torch.cdist(rows, words).argmin(1)
    residuals = torch.zeros_like(words).index_add(0, nearest, rows - words[nearest])
    return torch.nn.functional.normalize(torch.nn.functional.normalize(residuals, dim=1).flatten(), dim=0)
