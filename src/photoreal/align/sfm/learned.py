"""Matches by networks, joined to those of SIFT: where photos lie far apart, networks still see what they share."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pycolmap
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.align.sfm.background import watch
from photoreal.align.sfm.matching import MatchGraph, read_graph, verification_options, write_pairs
from photoreal.align.sfm.pairs import Pair
from photoreal.align.sfm.project import Project, copied
from photoreal.core import Matches, Photos
from photoreal.models import AlikedConfig, Device, EfficientLoftrConfig, Matcher, XFeatConfig, device_named, no_room

MatcherName = Literal["auto", "sift", "xfeat", "aliked", "loftr"]
"""sift: SIFT alone; xfeat, aliked, loftr: its matches and those of a network; auto: SIFT, and xfeat's where SIFT
leaves photos out or most photos see fewer than 100 points, then aliked's where a fifth still is out or that holds."""


@dataclass(frozen=True)
class NetworkConfig:
    """The networks that match photos."""

    xfeat: XFeatConfig = field(default_factory=XFeatConfig)
    """The quick one."""
    aliked: AlikedConfig = field(default_factory=AlikedConfig)
    """The sure one."""
    loftr: EfficientLoftrConfig = field(default_factory=EfficientLoftrConfig)
    """The one without features; its weights come from a hub."""
    device: Device = "auto"
    """Where they run; auto takes a GPU where there is one."""


def load_matcher(name: Literal["xfeat", "aliked", "loftr"], config: NetworkConfig) -> Matcher:
    """The network called so.

    Raises:
        MissingWeightsError: its weights are not on this machine.
        MissingDependencyError: it is to run on a GPU, and there is none.
    """
    network = {"xfeat": config.xfeat, "aliked": config.aliked, "loftr": config.loftr}[name]
    return network.load(device_named(config.device))


def add_matches(
    project: Project, photos: Photos, pairs: Sequence[Pair], matcher: Matcher, *, seed: int
) -> Generator[int, None, tuple[Project, MatchGraph]]:
    """Yield the number of pairs done; return a project that has the matcher's matches besides this one's, verified.

    A place that the matcher names in several pairs of a photo is one feature of it.

    Raises:
        PhotorealError: the GPU has too little memory for the matcher.
    """
    found: list[Matches] = []
    try:
        for matches in matcher(photos, pairs):
            found.append(matches.to("cpu"))
            yield len(found)
    except torch.OutOfMemoryError as error:
        raise no_room("matching photos", "--sfm.networks.device cpu runs networks on the processor") from error
    places, rows = _places(len(photos), pairs, found)
    new = copied(project, photos, _unused(project), sharing="lens")
    with pycolmap.Database.open(str(project.database)) as old, pycolmap.Database.open(str(new.database)) as database:
        first_new = torch.zeros(len(photos), dtype=torch.long)
        for index, image_id in enumerate(project.image_ids):
            before = _positions(old, image_id)
            first_new[index] = len(before)
            database.write_keypoints(image_id, np.concatenate([before, places[index].numpy()]))
        matched = _all_matches(old, project, dict(zip(pairs, rows, strict=True)), first_new)
        for (first, second), both in matched.items():
            database.write_matches(project.image_ids[first], project.image_ids[second], both)
    yield from watch(_Verification(new, tuple(matched), seed))
    return new, read_graph(new)


def _unused(project: Project) -> str:
    """A name for a project beside this one, where another network's may lie already."""
    return f"learned-{sum(1 for _ in project.folder.glob('learned-*'))}"


def _positions(database: pycolmap.Database, image_id: int) -> np.ndarray:
    keypoints = np.asarray(database.read_keypoints(image_id), np.float32)
    return keypoints[:, :2] if len(keypoints) else np.empty((0, 2), np.float32)


def _places(
    count: int, pairs: Sequence[Pair], found: Sequence[Matches]
) -> tuple[list[Float[Tensor, "N 2"]], list[Int64[Tensor, "K 2"]]]:
    """The distinct places of each photo, and each pair's matches as rows of these."""
    pixels: list[list[Tensor]] = [[torch.empty(0, 2)] for _ in range(count)]
    for (first, second), matches in zip(pairs, found, strict=True):
        pixels[first].append(matches.first.float())
        pixels[second].append(matches.second.float())
    places: list[Tensor] = []
    numbers: list[list[Tensor]] = []
    for seen in pixels:
        distinct, number = torch.unique(torch.cat(seen), dim=0, return_inverse=True)
        places.append(distinct)
        numbers.append(list(number.split([len(part) for part in seen]))[1:])
    rows = [torch.stack([numbers[first].pop(0), numbers[second].pop(0)], 1) for first, second in pairs]
    return places, rows


def _all_matches(
    old: pycolmap.Database, project: Project, learned: dict[Pair, Int64[Tensor, "K 2"]], first_new: Int64[Tensor, " V"]
) -> dict[Pair, np.ndarray]:
    """Matches of every pair that has any: the project's, then the learned ones, whose features follow its own."""
    index = {image_id: row for row, image_id in enumerate(project.image_ids)}
    matched: dict[Pair, np.ndarray] = {}
    for pair_id, rows in zip(*old.read_all_matches(), strict=True):
        first, second = (index[image_id] for image_id in pycolmap.pair_id_to_image_pair(pair_id))
        if len(np.asarray(rows)):
            matched[first, second] = np.asarray(rows, np.uint32)
    for pair, rows in learned.items():
        new = (rows + first_new[list(pair)]).numpy().astype(np.uint32)
        if len(new):
            matched[pair] = np.concatenate([matched[pair], new]) if pair in matched else new
    return matched


@dataclass(frozen=True)
class _Verification:
    """Verifies the matches of pairs."""

    project: Project
    pairs: tuple[Pair, ...]
    seed: int

    def __call__(self, _report: Callable[[], None], token: pycolmap.CancellationToken) -> None:
        path = write_pairs(self.project, self.pairs)
        pycolmap.verify_matches(
            str(self.project.database), path, verification_options(self.seed), cancellation_token=token
        )
