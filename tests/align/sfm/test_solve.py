"""Cameras of a toy room against truth, and what is said of photos from which no cameras follow."""

import dataclasses
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from captures import heard

from photoreal.align import FeatureConfig, SfmConfig, Solution, solve
from photoreal.core import AlignmentError, Cameras, Capture, Photos, Step, drained, project
from photoreal.metrics import pose_auc, rotation_errors, translation_errors
from photoreal.synth.toy import toy_scene

SIZE = (300, 400)
FAST = SfmConfig(features=FeatureConfig(max_features=2000))


@pytest.fixture(scope="module")
def room() -> Capture:
    return toy_scene(0, views=5, size=SIZE).capture


@pytest.fixture(scope="module")
def truth(room: Capture) -> Photos:
    return room.photos


@pytest.fixture(scope="module")
def true_cameras(room: Capture) -> Cameras:
    return room.cameras


@pytest.fixture(scope="module")
def stranger() -> torch.Tensor:
    return toy_scene(9, views=1, size=SIZE).capture.photos.images


@pytest.fixture(scope="module")
def story(truth: Photos, stranger: torch.Tensor) -> tuple[list[Step], Solution]:
    """What `solve` yields and returns for five photos of one room and one of another in their midst."""
    order = [0, 1, 5, 2, 3, 4]
    return heard(solve(plain_photos(torch.cat([truth.images, stranger])[order]), FAST, matcher="sift"))


@pytest.fixture(scope="module")
def solution(story: tuple[list[Step], Solution]) -> Solution:
    return story[1]


def plain_photos(images: torch.Tensor) -> Photos:
    """Photos that say nothing about their lens."""
    count = len(images)
    masks = torch.ones(count, *images.shape[-2:], dtype=torch.bool)
    names = tuple(f"p{k}.png" for k in range(count))
    return Photos(images, masks, names, torch.zeros(count), torch.zeros(count, dtype=torch.long))


def solution_of(photos: Photos, config: SfmConfig = FAST) -> Solution:
    return drained(solve(photos, config, matcher="sift"))


def test_steps_lead_to_the_solution(story: tuple[list[Step], Solution]) -> None:
    steps, _ = story
    assert all(0 <= step.done <= step.total for step in steps)
    phases = list(dict.fromkeys(step.phase for step in steps))
    assert phases == ["features", "matching", "cameras", "refining"]
    ends = {step.phase: step for step in steps}
    assert ends["features"].done == 6
    assert ends["matching"].done == 15


def test_cameras_agree_with_truth(solution: Solution, true_cameras: Cameras) -> None:
    found = solution.capture.cameras
    assert len(found) == 5
    assert float(rotation_errors(found, true_cameras).max()) < 0.1
    assert float(translation_errors(found, true_cameras).max()) < 0.005
    assert pose_auc(found, true_cameras, (5,))[5] > 95
    assert float((found.intrinsics[:, 0, 0] / true_cameras.intrinsics[:, 0, 0] - 1).abs().max()) < 0.01


def test_the_stranger_is_left_out_by_name(solution: Solution) -> None:
    assert solution.capture.photos.names == ("p0.png", "p1.png", "p3.png", "p4.png", "p5.png")
    assert [(left.name, left.reason) for left in solution.left_out] == [("p2.png", "matched with 0 photos")]
    assert solution.figures["registered"] == 5
    assert solution.figures["photos"] == 6


def test_world_is_upright_centred_and_of_a_usual_size(solution: Solution, true_cameras: Cameras) -> None:
    cameras, points = solution.capture.cameras, solution.points
    assert float(points.positions.median(0).values.abs().max()) < 1e-5
    assert float(cameras.centres.norm(dim=1).median()) == pytest.approx(2.0, abs=1e-4)
    true_up = true_cameras.cam_from_world[:, :3, 2]
    found_up = cameras.cam_from_world[:, :3, 2]
    assert float((true_up * found_up).sum(1).min()) > 0.99


def test_tracks_lie_where_the_points_project(solution: Solution) -> None:
    tracks, points = solution.tracks, solution.points
    pixels, depth = project(solution.capture.cameras, points.positions)
    errors = (pixels[tracks.view, tracks.point] - tracks.pixel).norm(dim=1)
    assert float(errors.mean()) < 0.3
    assert float(depth[tracks.view, tracks.point].min()) > 0
    assert torch.equal(torch.bincount(tracks.point, minlength=len(points)).float(), points.confidence)
    assert len(points) > 200


def test_two_photos_are_enough(truth: Photos, true_cameras: Cameras) -> None:
    solution = solution_of(truth.take([1, 2]))
    assert float(rotation_errors(solution.capture.cameras, true_cameras.take([1, 2])).max()) < 0.2
    assert solution.capture.cameras.intrinsics[0, 0, 0] == truth.focal_hints[0]


def test_the_same_photos_give_the_same_bits_and_with_other_threads_for_features_too(truth: Photos) -> None:
    threaded = dataclasses.replace(FAST, features=dataclasses.replace(FAST.features, threads=2))
    single = dataclasses.replace(FAST, features=dataclasses.replace(FAST.features, threads=1))
    photos = truth.take([0, 1, 2])
    first, second = solution_of(photos, threaded), solution_of(photos, single)
    for one, other in ((first.capture, second.capture), (first.points, second.points), (first.tracks, second.tracks)):
        assert all_equal(one, other)
    assert first.figures == second.figures


def all_equal(first: object, second: object) -> bool:
    pairs = [(getattr(first, field.name), getattr(second, field.name)) for field in dataclasses.fields(first)]  # pyright: ignore
    return all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else all_equal(a, b) if dataclasses.is_dataclass(a) else a == b
        for a, b in pairs
    )


def test_two_photos_without_a_focal_hint_find_one(truth: Photos, true_cameras: Cameras) -> None:
    solution = solution_of(plain_photos(truth.images[:2]))
    focal = float(solution.capture.cameras.intrinsics[0, 0, 0])
    assert focal == pytest.approx(float(true_cameras.intrinsics[0, 0, 0]), rel=0.1)


def test_photos_of_several_sizes_keep_their_own_centres_and_masks(truth: Photos, true_cameras: Cameras) -> None:
    images, masks = truth.images.clone(), truth.masks.clone()
    height, width = 240, 320
    for view in (1, 3):
        cropped = images[view, :, 30:270, 40:360].clone()
        images[view], masks[view] = 0, False
        images[view, :, :height, :width] = cropped
        masks[view, :height, :width] = True
    masks[0, :, :150] = False
    photos = Photos(images, masks, truth.names, truth.focal_hints, torch.tensor([0, 1, 0, 1, 0]))
    solution = solution_of(photos)
    found = solution.capture.cameras
    assert len(found) == 5
    assert found.intrinsics[:, 0, 2].tolist() == [200, 160, 200, 160, 200]
    assert found.intrinsics[:, 1, 2].tolist() == [150, 120, 150, 120, 150]
    errors = rotation_errors(found, true_cameras)
    assert float(errors[1:].max()) < 0.2
    assert float(errors[0]) < 1.0  # most of what the others see is masked there
    assert not bool((solution.capture.photos.masks & ~masks).any())
    seen = solution.tracks.pixel[solution.tracks.view == 0]
    assert float(seen[:, 0].min()) > 148


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("one", "at least 2 overlapping photos"),
        ("blank", "3 of 3 photos show hardly any texture"),
        ("strangers", "0 of 3 photos could be matched"),
        ("identical", "show no parallax"),
    ],
)
def test_hopeless_photos_are_told_with_numbers(kind: str, words: str, truth: Photos, stranger: torch.Tensor) -> None:
    other = toy_scene(21, views=1, size=SIZE).capture.photos.images
    images = {
        "one": truth.images[:1],
        "blank": torch.full((3, 3, *SIZE), 128, dtype=torch.uint8),
        "strangers": torch.cat([truth.images[:1], stranger, other]),
        "identical": truth.images[:1].repeat(3, 1, 1, 1),
    }[kind]
    with pytest.raises(AlignmentError, match=words) as raised:
        drained(solve(plain_photos(images), FAST, matcher="sift"))
    assert "\n" not in str(raised.value)


def test_closing_half_way_leaves_no_file_and_no_thread(
    truth: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    steps = solve(truth, FAST)
    for step in steps:
        if step.phase == "matching":
            break
    assert len(list(tmp_path.iterdir())) == 1
    steps.close()
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("colmap")]
