"""Matches between photos, verified by two-view geometry, and the graph that they make."""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from photoreal.align.sfm.background import watch
from photoreal.align.sfm.pairs import Pair
from photoreal.align.sfm.project import Project, file_name

MIN_INLIERS = 15
"""Photos with fewer verified matches do not count as matched."""

_PAIRS_AT_ONCE = 64
"""A cancelled search ends after at most so many pairs."""


@dataclass(frozen=True)
class MatchConfig:
    """How features are matched."""

    ratio: float = 0.8
    """A match is kept when its distance is below this share of the second best one's (Lowe 2004)."""
    threads: int = 0
    """Processor threads; 0 = all. Their number does not change the result."""


@dataclass(frozen=True)
class MatchGraph:
    """How many verified matches photos have with each other."""

    inliers: Int64[Tensor, "V V"]
    """Symmetric; 0 where two photos were not compared or do not match."""
    flat: Bool[Tensor, "V V"]
    """True where one homography explains the matches: one place, the same picture twice, or a flat scene."""

    @property
    def pairs(self) -> tuple[int, int]:
        """How many pairs match, and how many of these are flat."""
        matching = torch.triu(self.inliers >= MIN_INLIERS)
        return int(matching.sum()), int((matching & self.flat).sum())

    @property
    def matched(self) -> Int64[Tensor, " V"]:
        """With how many photos each one matches."""
        return (self.inliers >= MIN_INLIERS).sum(1)


def match_features(
    project: Project, pairs: Sequence[Pair], config: MatchConfig = MatchConfig(), *, seed: int = 0
) -> Generator[int, None, MatchGraph]:
    """Yield the number of pairs done; write verified matches into the project and return their graph."""
    job = _Matching(project, tuple(pairs), config, seed)
    # As text everywhere: a Ctrl-C while a Path is converted would come out as a TypeError of the binding.
    with pycolmap.Database.open(str(project.database)) as database:
        yield from watch(job, look=database.num_matched_image_pairs)
    return read_graph(project)


@dataclass(frozen=True)
class _Matching:
    """Matches pairs and verifies them."""

    project: Project
    pairs: tuple[Pair, ...]
    config: MatchConfig
    seed: int

    def __call__(self, _report: Callable[[], None], token: pycolmap.CancellationToken) -> None:
        matching = pycolmap.FeatureMatchingOptions()
        matching.sift.max_ratio = self.config.ratio
        matching.num_threads = self.config.threads or (os.cpu_count() or 1)
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = write_pairs(self.project, self.pairs)
        pairing.block_size = _PAIRS_AT_ONCE
        pycolmap.match_image_pairs(
            self.project.database,
            matching,
            pairing_options=pairing,
            verification_options=verification_options(self.seed),
            device=pycolmap.Device.cpu,
            cancellation_token=token,
        )


def write_pairs(project: Project, pairs: Sequence[Pair]) -> str:
    """The path of a file that now lists the pairs by the names of their photos."""
    path = project.folder / "pairs.txt"
    path.write_text("\n".join(f"{file_name(first)} {file_name(second)}" for first, second in pairs))
    return str(path)


def verification_options(seed: int) -> pycolmap.TwoViewGeometryOptions:
    """COLMAP's own, with the samples that the seed chooses."""
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = seed
    return options


def read_graph(project: Project) -> MatchGraph:
    """The graph of the verified matches in the project's database."""
    index = {image_id: row for row, image_id in enumerate(project.image_ids)}
    count = len(index)
    inliers, flat = torch.zeros(count, count, dtype=torch.long), torch.zeros(count, count, dtype=torch.bool)
    homographies = (
        int(pycolmap.TwoViewGeometryConfiguration.PLANAR_OR_PANORAMIC),
        int(pycolmap.TwoViewGeometryConfiguration.PANORAMIC),
        int(pycolmap.TwoViewGeometryConfiguration.WATERMARK),
    )
    with pycolmap.Database.open(str(project.database)) as database:
        for pair_id, geometry in zip(*database.read_two_view_geometries(), strict=True):
            first, second = (index[image_id] for image_id in pycolmap.pair_id_to_image_pair(pair_id))
            inliers[first, second] = inliers[second, first] = len(np.asarray(geometry.inlier_matches))
            flat[first, second] = flat[second, first] = geometry.config in homographies
    return MatchGraph(inliers, flat)
