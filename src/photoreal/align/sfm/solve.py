"""Cameras from photographs: structure from motion that tries harder where the first attempt registers too little."""

import math
from collections.abc import Collection, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from photoreal.align.sfm.background import as_steps, quiet_colmap
from photoreal.align.sfm.diagnosis import LeftOut, explain_left_out, refuse_blank, unplaced_error
from photoreal.align.sfm.features import FeatureConfig, feature_counts, find_features
from photoreal.align.sfm.learned import MatcherName, NetworkConfig, add_matches, load_matcher
from photoreal.align.sfm.mapping import MappingConfig, Model, calibrate_pair, map_globally, map_incrementally
from photoreal.align.sfm.matching import MatchConfig, MatchGraph, match_features
from photoreal.align.sfm.nouns import nouns_from_reconstruction, parallax
from photoreal.align.sfm.pairs import choose_pairs, pairs_for_network
from photoreal.align.sfm.project import CameraSharing, Project, regrouped
from photoreal.align.sfm.refine import LensFreedom, refine
from photoreal.core import AlignmentError, Capture, PhotorealError, Photos, Points, Step, Tracks
from photoreal.models import Matcher

_LINKING_INLIERS = 25
_FEW_SIGHTINGS = 100
_MOST = 0.8
_NAMES = {
    "xfeat": "with XFeat and LighterGlue",
    "aliked": "with ALIKED and LightGlue",
    "loftr": "with EfficientLoFTR (real)",
}
_MANY_PHOTOS = 100


@dataclass(frozen=True)
class SfmConfig:
    """How cameras are found."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    """What is looked for in each photo."""
    matching: MatchConfig = field(default_factory=MatchConfig)
    """How two photos are compared."""
    networks: NetworkConfig = field(default_factory=NetworkConfig)
    """What finds matches where SIFT does not."""
    exhaustive_up_to: int = 80
    """Up to so many photos every pair is compared; beyond, neighbours in sequence and the photos most alike."""
    neighbours: int = 20
    """Of more photos: with how many most like it each is compared."""
    triangulate: bool = True
    """Whether points are looked for where a dataset brings cameras but hardly any points."""
    lens: LensFreedom = "auto"
    """How many parameters of a lens the last adjustment may determine; "auto" goes by what the photos show."""
    threads: int = 1
    """Processor threads of the mapper; with more than 1 the last digits change from run to run."""
    seed: int = 0
    """The same seed gives the same cameras."""


DRAFT_SFM = SfmConfig(features=FeatureConfig(max_side=1000, max_features=4096))
"""Fast: for a first look."""
STANDARD_SFM = SfmConfig()
"""Photos of up to 1600 pixels with up to 8192 features each."""


@dataclass(frozen=True)
class Solution:
    """Cameras that were found for photographs."""

    capture: Capture
    """The photos with a camera, undistorted; z is up, the median point is the origin, the median camera 2 away."""
    points: Points
    tracks: Tracks
    """Pixels in the undistorted photos."""
    left_out: tuple[LeftOut, ...]
    """The photos without a camera."""
    method: str
    """Which mapper found the cameras."""
    figures: dict[str, float]
    """Numbers for the report: photos, registered, points, sightings, reprojection_error_px, parallax_degrees, ..."""
    notes: tuple[str, ...] = ()
    """What else is worth knowing."""


@dataclass(frozen=True)
class Survey:
    """What is known before mapping."""

    project: Project
    features: Int64[Tensor, " V"]
    graph: MatchGraph
    described: Project
    """Where the photos' SIFT features have descriptors; those of networks have none."""
    networks: tuple[str, ...] = ()
    """Whose matches are in it besides SIFT's."""


def solve(
    photos: Photos, config: SfmConfig = SfmConfig(), *, matcher: MatcherName | Matcher = "auto"
) -> Generator[Step, None, Solution]:
    """Yield steps; return cameras of the largest group of photos that fit together.

    Two photos are enough if they overlap. Works in a temporary folder, which is gone in any case afterwards.

    Args:
        matcher: what finds matches besides SIFT, and when.

    Raises:
        AlignmentError: fewer than 2 photos, photos without texture, without overlap or without parallax.
        MissingWeightsError: a network was asked for by name and its weights are not on this machine.
    """
    if len(photos) < 2:
        raise AlignmentError(f"cameras need at least 2 overlapping photos, and here is {len(photos)}")
    network = _network(matcher, config)
    with TemporaryDirectory(prefix="photoreal-") as folder, quiet_colmap():
        survey = yield from survey_of(photos, Path(folder) / "project", config)
        if network is not None:
            told = _NAMES[matcher] if isinstance(matcher, str) else "with a matcher of one's own"
            survey = yield from _joined(photos, survey, (network, told), None, config)
        refuse_blank(survey.features)
        attempt = yield from _climb(photos, survey, config, automatic=matcher == "auto")
        if attempt.model is None:
            raise unplaced_error(attempt.survey.graph, attempt.notes)
        refined = yield from as_steps(
            "refining", 4, refine(attempt.model.reconstruction, lens=config.lens, threads=config.threads)
        )
        model = replace(attempt.model, reconstruction=refined)
        if len(model.placed) < 2:
            raise unplaced_error(attempt.survey.graph, attempt.notes)
    return _solution(photos, replace(attempt, model=model), model)


def _network(matcher: MatcherName | Matcher, config: SfmConfig) -> Matcher | None:
    """The one that is asked for in any case."""
    if matcher == "auto" or matcher == "sift":
        return None
    return load_matcher(matcher, config.networks) if isinstance(matcher, str) else matcher


def survey_of(
    photos: Photos, folder: Path, config: SfmConfig, *, sharing: CameraSharing = "lens"
) -> Generator[Step, None, Survey]:
    """Features and matches, in a new project in `folder`. `sharing`: which photos share one camera."""
    features = find_features(photos, folder, config.features, sharing=sharing)
    project = yield from as_steps("features", len(photos), features)
    pairs = choose_pairs(
        project, exhaustive_up_to=config.exhaustive_up_to, neighbours=config.neighbours, seed=config.seed
    )
    matching = match_features(project, pairs, config.matching, seed=config.seed)
    graph = yield from as_steps("matching", len(pairs), matching)
    return Survey(project, feature_counts(project), graph, project)


@dataclass(frozen=True)
class _Attempt:
    """The best that is known so far."""

    model: Model | None
    survey: Survey
    notes: tuple[str, ...] = ()


def _climb(photos: Photos, survey: Survey, config: SfmConfig, *, automatic: bool) -> Generator[Step, None, _Attempt]:
    """The largest model of a ladder of attempts, which ends as soon as one places the photos that matches link."""
    count, mapping = len(photos), MappingConfig(config.threads, config.seed)
    best = _Attempt((yield from _map(survey, mapping)), survey)
    pairs, flat = survey.graph.pairs
    if best.model is None and 0 < pairs < 2 * flat:
        return best
    if automatic and _wanting(best.model, count):
        best = yield from _with_network(photos, best, config, "xfeat")
    if automatic and _wanting(best.model, math.ceil(_MOST * count)):
        best = yield from _with_network(photos, best, config, "aliked")
    if _enough(best.model, best.survey.graph):
        return best

    denser = yield from survey_of(photos, survey.project.folder.parent / "denser", _denser(config))
    model = yield from _map(denser, mapping)
    if _placed(model) > _placed(best.model):
        best = _Attempt(_renamed(model, "with more features"), denser, best.notes)
    if _enough(best.model, best.survey.graph) or (sharing := _other_sharing(photos)) is None:
        return best

    project = regrouped(best.survey.project, photos, sharing=sharing)
    attempt = map_incrementally(project, mapping, caution="relaxed")
    model = yield from as_steps("cameras, other lenses", count, attempt)
    other = _renamed(model, {"one": "one lens for all", "each": "a lens for each photo"}[sharing])
    return replace(best, model=_larger(best.model, other))


def _wanting(model: Model | None, count: int) -> bool:
    """Whether fewer than `count` photos are placed, or they see so little that each point counts."""
    placed, points = _reach(model)
    return placed < count or points < _FEW_SIGHTINGS


def _with_network(
    photos: Photos, best: _Attempt, config: SfmConfig, name: Literal["xfeat", "aliked"]
) -> Generator[Step, None, _Attempt]:
    """What comes of a network's matches as well, if it places more photos or sees more of the scene."""
    index = {number: row for row, number in enumerate(best.survey.project.image_ids)}
    thin = _reach(best.model)[1] < _FEW_SIGHTINGS
    placed = None if best.model is None or thin else [index[number] for number in best.model.placed]
    try:
        network = load_matcher(name, config.networks)
        survey = yield from _joined(photos, best.survey, (network, _NAMES[name]), placed, config)
    except PhotorealError as error:
        return replace(best, notes=(*best.notes, f"learned matches might place more photos: {error}"))
    model = yield from _map(survey, MappingConfig(config.threads, config.seed))
    if _reach(model) <= _reach(best.model):
        return best
    return replace(best, model=model, survey=survey)


def _joined(
    photos: Photos, survey: Survey, network: tuple[Matcher, str], placed: Collection[int] | None, config: SfmConfig
) -> Generator[Step, None, Survey]:
    """The survey with a network's matches: of photos that are not among the `placed`, or with None of all."""
    matcher, told = network
    pairs = pairs_for_network(survey.described, placed, seed=config.seed)
    matching = add_matches(survey.project, photos, pairs, matcher, seed=config.seed)
    project, graph = yield from as_steps("matching by a network", len(pairs), matching)
    return Survey(project, feature_counts(project), graph, survey.described, (*survey.networks, told))


def _reach(model: Model | None) -> tuple[int, float]:
    """How many photos are placed, and how many points those in the middle see; where baselines are wide, few."""
    if model is None or not model.placed:
        return 0, 0.0
    return len(model.placed), float(median(model.reconstruction.image(number).num_points3D for number in model.placed))


def _map(survey: Survey, mapping: MappingConfig) -> Generator[Step, None, Model | None]:
    """The largest model of up to three mappers, on the same matches."""
    if survey.graph.pairs[0] == 0:
        return None
    project, count = survey.project, len(survey.features)
    goal = _linked(survey.graph)
    if count == 2:
        calibrate_pair(project, mapping.seed)
    best = yield from as_steps("cameras", count, map_incrementally(project, mapping, caution="strict"))
    if _placed(best) < goal:
        model = yield from as_steps("cameras, relaxed", count, map_incrementally(project, mapping, caution="relaxed"))
        best = _larger(best, model)
    if _placed(best) < goal:
        best = _larger(best, (yield from as_steps("cameras, globally", count, map_globally(project, mapping))))
    return best


def _enough(model: Model | None, graph: MatchGraph) -> bool:
    """Whether other features or lenses are not worth their time: all photos that match are placed, and most of all."""
    return _placed(model) >= max(_linked(graph), _MOST * len(graph.inliers))


def _denser(config: SfmConfig) -> SfmConfig:
    features = replace(config.features, max_features=2 * config.features.max_features, enlarge="all")
    return replace(config, features=replace(features, peak_threshold=0.6 * config.features.peak_threshold))


def _other_sharing(photos: Photos) -> CameraSharing | None:
    """Photos of several lenses may be of one; those of one unknown lens may differ in focal length."""
    if len(photos.lens_ids.unique()) > 1:
        return "one"
    return "each" if bool((photos.focal_hints == 0).all()) and len(photos) > 2 else None


def _placed(model: Model | None) -> int:
    return len(model.placed) if model else 0


def _larger(first: Model | None, second: Model | None) -> Model | None:
    return second if _placed(second) > _placed(first) else first


def _renamed(model: Model | None, addition: str) -> Model | None:
    return replace(model, method=f"{model.method}, {addition}") if model else None


def _linked(graph: MatchGraph) -> int:
    """How many photos hang together by matches; of many, nearly all are enough."""
    reach = (graph.inliers >= _LINKING_INLIERS) | torch.eye(len(graph.inliers), dtype=torch.bool)
    for _ in range(len(reach).bit_length()):
        reach = (reach.float() @ reach.float()) > 0
    linked = int(reach.sum(1).max())
    return linked if linked <= _MANY_PHOTOS else math.ceil(0.95 * linked)


def _solution(photos: Photos, attempt: _Attempt, model: Model) -> Solution:
    survey = attempt.survey
    index = {number: row for row, number in enumerate(survey.project.image_ids)}
    rows = sorted(index[number] for number in model.placed)
    numbers = [survey.project.image_ids[row] for row in rows]
    capture, points, tracks = nouns_from_reconstruction(model.reconstruction, photos.take(rows), numbers)
    groups = [[index[number] for number in group] for group in model.others]
    left_out = explain_left_out(photos.names, set(rows), groups, (survey.features, survey.graph))
    figures = {
        "photos": float(len(photos)),
        "registered": float(len(rows)),
        "features_per_photo": float(survey.features.double().mean()),
        "matched_pairs": float(survey.graph.matched.sum()) / 2,
        "points": float(len(points)),
        "sightings": float(len(tracks.point)),
        "reprojection_error_px": model.reconstruction.compute_mean_reprojection_error(),
        "parallax_degrees": float(parallax(capture.cameras, points, tracks).median()),
    }
    method = ", ".join((model.method, *survey.networks))
    return Solution(capture, points, tracks, left_out, method, figures, attempt.notes)
