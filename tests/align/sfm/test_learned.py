"""A matcher's matches beside SIFT's: what the database then holds, when a network is called, what it is good for."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from oracle import Oracle

from photoreal.align import FeatureConfig, SfmConfig, solve
from photoreal.align.sfm import solve as solving
from photoreal.align.sfm.background import quiet_colmap
from photoreal.align.sfm.learned import NetworkConfig, _places, add_matches, load_matcher
from photoreal.align.sfm.matching import MatchConfig
from photoreal.align.sfm.project import Project
from photoreal.align.sfm.solve import survey_of
from photoreal.core import (
    AlignmentError,
    Matches,
    MissingDependencyError,
    MissingWeightsError,
    PhotorealError,
    Photos,
    drained,
)
from photoreal.metrics import rotation_errors
from photoreal.synth import ToyScene, toy_scene

FAST = SfmConfig(features=FeatureConfig(max_features=2000))
BLIND = dataclasses.replace(FAST, matching=MatchConfig(ratio=0.05))
"""With so strict a ratio SIFT matches nothing."""


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(0, views=5, size=(300, 400))


def matches(*rows: tuple[float, float, float, float]) -> Matches:
    both = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    return Matches(both[:, :2], both[:, 2:], torch.ones(len(both)))


def test_a_place_named_in_several_pairs_is_one_feature() -> None:
    pairs = [(0, 1), (0, 2), (1, 2)]
    found = [
        matches((1, 1, 5, 5), (2, 2, 6, 6)),
        matches((2, 2, 7, 7)),
        matches((6, 6, 7, 7), (5, 5, 8, 8)),
    ]
    places, rows = _places(4, pairs, found)
    assert [len(seen) for seen in places] == [2, 2, 2, 0]
    for (first, second), number, match in zip(pairs, rows, found, strict=True):
        torch.testing.assert_close(places[first][number[:, 0]], match.first)
        torch.testing.assert_close(places[second][number[:, 1]], match.second)


def survey(photos: Photos, folder: Path, config: SfmConfig) -> Project:
    with quiet_colmap():
        return drained(survey_of(photos, folder, config)).project


def test_the_database_holds_both_kinds_of_features_and_matches(room: ToyScene, tmp_path: Path) -> None:
    photos = room.capture.photos
    before = survey(photos, tmp_path / "project", FAST)
    told = add_matches(before, photos, [(0, 1), (1, 2)], Oracle(room), seed=0)
    with quiet_colmap():
        assert next(told) == 1
        after, graph = drained(told)
    expected = list(Oracle(room)(photos, [(0, 1), (1, 2)]))
    with (
        pycolmap.Database.open(str(before.database)) as old,
        pycolmap.Database.open(str(after.database)) as new,
    ):
        sift = np.asarray(old.read_keypoints(2))[:, :2]
        both = np.asarray(new.read_keypoints(2))
        np.testing.assert_array_equal(both[: len(sift)], sift)
        rows = np.asarray(new.read_matches(2, 3))
        of_sift = np.asarray(old.read_matches(2, 3))
        np.testing.assert_array_equal(rows[: len(of_sift)], of_sift)
        learned = rows[len(of_sift) :]
        np.testing.assert_allclose(both[learned[:, 0]], expected[1].first.numpy(), atol=1e-4)
        np.testing.assert_allclose(
            np.asarray(new.read_keypoints(3))[learned[:, 1]], expected[1].second.numpy(), atol=1e-4
        )
        np.testing.assert_array_equal(np.asarray(old.read_matches(1, 5)), np.asarray(new.read_matches(1, 5)))
    assert int(graph.inliers[1, 2]) > 0.9 * len(learned)


def test_photos_that_sift_cannot_match_get_cameras_by_a_matcher_of_one_s_own(room: ToyScene) -> None:
    solution = drained(solve(room.capture.photos, BLIND, matcher=Oracle(room)))
    assert solution.capture.photos.names == room.capture.photos.names
    assert float(rotation_errors(solution.capture.cameras, room.capture.cameras).max()) < 0.1


def test_auto_calls_a_network_only_where_sift_is_not_enough(room: ToyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, oracle = room.capture.photos, Oracle(room)
    monkeypatch.setattr(solving, "load_matcher", lambda name, config: oracle)
    assert drained(solve(photos, FAST)).method == "incremental"
    assert oracle.asked == []
    found = drained(solve(photos, BLIND))
    assert len(found.capture) == 5
    assert found.method == "incremental, with XFeat and LighterGlue"
    assert sorted(oracle.asked) == [(a, b) for a in range(5) for b in range(a + 1, 5)]


def test_a_second_network_is_asked_for_the_photos_that_look_alike_as_the_first_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = toy_scene(2, views=16, size=(150, 200))
    photos = scene.capture.photos
    asked: list[list[tuple[int, int]]] = []

    class Some(Oracle):
        """Knows the truth of ever more photos."""

        def __call__(self, photos: Photos, pairs: Sequence[tuple[int, int]]) -> Iterator[Matches]:
            asked.append(sorted(pairs))
            for pair, found in zip(pairs, super().__call__(photos, pairs), strict=True):
                yield found if max(pair) < 4 * len(asked) else matches()

    oracle = Some(scene)
    monkeypatch.setattr(solving, "load_matcher", lambda name, config: oracle)
    monkeypatch.setattr(solving, "_FEW_SIGHTINGS", 10_000)
    found = drained(solve(photos, BLIND))
    assert found.method == "incremental, with XFeat and LighterGlue, with ALIKED and LightGlue"
    assert len(asked) == 2
    # Little is known of any photo, so both are asked of all that look alike, which descriptors tell.
    assert asked[0] == asked[1]


@pytest.mark.parametrize("matcher", ["xfeat", "own"])
def test_what_was_used_is_told_also_where_it_was_asked_for(
    room: ToyScene, monkeypatch: pytest.MonkeyPatch, matcher: str
) -> None:
    oracle = Oracle(room)
    monkeypatch.setattr(solving, "load_matcher", lambda name, config: oracle)
    found = drained(solve(room.capture.photos, BLIND, matcher=oracle if matcher == "own" else "xfeat"))
    told = {"own": "with a matcher of one's own", "xfeat": "with XFeat and LighterGlue"}
    assert found.method == f"incremental, {told[matcher]}"


def test_the_focal_length_of_two_photos_is_looked_for_in_every_project(
    room: ToyScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated: list[str] = []
    monkeypatch.setattr(solving, "calibrate_pair", lambda project, seed: calibrated.append(project.folder.name))
    monkeypatch.setattr(solving, "load_matcher", lambda name, config: Oracle(room))
    monkeypatch.setattr(solving, "_FEW_SIGHTINGS", 10_000)
    assert len(drained(solve(room.capture.photos.take([1, 2]), FAST)).capture) == 2
    assert len(calibrated) == 3
    drained(solve(room.capture.photos.take([1, 2, 3]), FAST))
    assert len(calibrated) == 3


def test_a_network_looks_only_at_photos_that_are_out(room: ToyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    other = toy_scene(9, views=1, size=(300, 400)).capture.photos
    names = (*room.capture.photos.names, "stranger.png")
    photos = room.capture.photos.take([0, 1, 2, 3, 4, 0][:5])
    photos = Photos(
        torch.cat([photos.images, other.images]),
        torch.cat([photos.masks, other.masks]),
        names,
        torch.cat([photos.focal_hints, other.focal_hints]),
        torch.cat([photos.lens_ids, other.lens_ids]),
    )
    asked: list[tuple[int, int]] = []

    def nothing(photos: Photos, pairs: list[tuple[int, int]]):
        asked.extend(pairs)
        yield from (matches() for _ in pairs)

    monkeypatch.setattr(solving, "load_matcher", lambda name, config: nothing)
    found = drained(solve(photos, FAST))
    assert [item.name for item in found.left_out] == ["stranger.png"]
    assert sorted(asked) == [(index, 5) for index in range(5)]
    assert found.method == "incremental"


def test_auto_does_without_weights_and_says_so(room: ToyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, config: object) -> None:
        raise MissingWeightsError("aliked-n16 is not here; run: photoreal weights get aliked-n16")

    monkeypatch.setattr(solving, "load_matcher", absent)
    monkeypatch.setattr(solving, "_FEW_SIGHTINGS", 10_000)
    photos = room.capture.photos
    found = drained(solve(photos, FAST))
    assert len(found.capture) == 5
    advice = "learned matches might place more photos: aliked-n16 is not here; run: photoreal weights get aliked-n16"
    assert found.notes == (advice, advice)
    with pytest.raises(AlignmentError, match=f"0 of 5 photos could be matched.*; {advice}"):
        drained(solve(photos, BLIND))
    with pytest.raises(MissingWeightsError, match="aliked-n16 is not here"):
        drained(solve(photos, FAST, matcher="aliked"))


def test_a_gpu_without_room_for_networks_costs_no_cameras(room: ToyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(photos: Photos, pairs: Sequence[tuple[int, int]]) -> Iterator[Matches]:
        yield matches()
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(solving, "load_matcher", lambda name, config: full)
    monkeypatch.setattr(solving, "_FEW_SIGHTINGS", 10_000)
    photos = room.capture.photos
    found = drained(solve(photos, FAST))
    assert len(found.capture) == 5
    assert "too little memory for matching photos; --sfm.networks.device cpu" in found.notes[0]
    with pytest.raises(PhotorealError, match="too little memory for matching photos"):
        drained(solve(photos, FAST, matcher="xfeat"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_networks_on_a_gpu_that_is_not_there_are_refused() -> None:
    with pytest.raises(MissingDependencyError, match="there is no CUDA device for networks"):
        load_matcher("xfeat", NetworkConfig(device="cuda"))


def test_sift_alone_asks_no_network(room: ToyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "load_matcher", lambda name, config: pytest.fail("asked"))
    monkeypatch.setattr(solving, "_FEW_SIGHTINGS", 10_000)
    assert len(drained(solve(room.capture.photos, FAST, matcher="sift")).capture) == 5
