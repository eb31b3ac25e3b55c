"""Windows of photos, each told in a world of its own, come out as one world."""

from collections.abc import Generator, Sequence
from itertools import pairwise

import pytest
import torch
from captures import heard
from vggt_truth import astray, noisy, some_similarity, told

from photoreal.core import (
    AlignmentError,
    PhotorealError,
    Step,
    fit_similarity,
    project,
    similarity_scale,
    transform_points,
)
from photoreal.models.vggt.geometry.prediction import VggtPrediction, bounded, moved
from photoreal.models.vggt.geometry.windows import (
    Predict,
    fit_evenly,
    predict_in_windows,
    window_similarity,
    windows,
)
from photoreal.synth.toy import ToyScene, toy_scene


@pytest.fixture(scope="module")
def scene() -> ToyScene:
    return toy_scene(0, 14, (48, 64), points=10)


def in_own_worlds(scene: ToyScene, *, noise: float = 0.0, lies: float = 0.0) -> Predict:
    """Each window in a world of its own; the first in the scene's."""
    generator = torch.Generator().manual_seed(3)
    first = True

    def predict(rows: Sequence[int]) -> Generator[Step, None, VggtPrediction]:
        nonlocal first
        yield Step("guessing", 0, len(rows))
        said = noisy(told(scene, rows), noise, generator)
        if lies:
            wrong = torch.rand(said.depths.depth.shape, generator=generator) < lies
            said = said.replace(
                depths=said.depths.replace(depth=torch.where(wrong, 2.5 * said.depths.depth, said.depths.depth))
            )
        said = said if first else moved(said, some_similarity(generator))
        first = False
        return said

    return predict


@pytest.mark.parametrize(
    ("count", "at_once", "overlap"),
    [(5, 5, 1), (6, 5, 1), (14, 6, 2), (14, 6, 5), (100, 25, 4), (101, 7, 3), (3, 9, 4)],
)
def test_windows_cover_all_photos_and_share_enough(count: int, at_once: int, overlap: int) -> None:
    spans = windows(count, at_once, overlap)
    assert {len(span) for span in spans} == {min(count, at_once)}
    assert spans[0].start == 0
    assert spans[-1].stop == count
    shared = [before.stop - after.start for before, after in pairwise(spans)]
    assert all(overlap <= share < at_once for share in shared)
    # No window could be spared.
    assert len(spans) == 1 or at_once + (len(spans) - 2) * (at_once - overlap) < count


@pytest.mark.parametrize(("at_once", "overlap"), [(4, 4), (4, 5), (4, 0), (0, 1)])
def test_windows_that_cannot_be_joined_are_refused(at_once: int, overlap: int) -> None:
    with pytest.raises(PhotorealError, match=f"9 photos are taken {at_once} at once, of which {overlap} are shared"):
        windows(9, at_once, overlap)


@pytest.mark.parametrize(("at_once", "overlap"), [(6, 2), (5, 1), (8, 6)])
def test_windows_in_worlds_of_their_own_become_the_first_one_s(scene: ToyScene, at_once: int, overlap: int) -> None:
    steps, said = heard(predict_in_windows(in_own_worlds(scene), 14, photos_at_once=at_once, overlap=overlap))
    truth = told(scene, range(14))
    torch.testing.assert_close(said.cameras.cam_from_world, truth.cameras.cam_from_world, rtol=0, atol=1e-3)
    torch.testing.assert_close(said.depths.depth, truth.depths.depth, rtol=1e-3, atol=0)
    torch.testing.assert_close(said.point_map, truth.point_map, rtol=0, atol=5e-3)
    assert said.cameras.intrinsics.equal(truth.cameras.intrinsics)
    assert said.features.layers == (4, 23)
    assert said.features.descriptors[:, :, 0, 0, 0].tolist() == [list(map(float, range(14)))] * 2
    count = len(windows(14, at_once, overlap))
    assert [step for step in steps if step.phase == "windows of photos"] == [
        Step("windows of photos", number, count) for number in range(count)
    ]


def test_noise_of_depth_hardly_moves_the_cameras(scene: ToyScene) -> None:
    _, said = heard(predict_in_windows(in_own_worlds(scene, noise=0.02), 14, photos_at_once=5, overlap=2))
    places, degrees, scale = astray(said.cameras, scene.capture.cameras)
    assert places < 0.01
    assert degrees < 0.2
    assert scale == pytest.approx(1, abs=0.005)


def test_depth_that_is_quite_wrong_in_a_fifth_of_the_pixels_has_no_say(scene: ToyScene) -> None:
    _, said = heard(predict_in_windows(in_own_worlds(scene, noise=0.02, lies=0.2), 14, photos_at_once=5, overlap=2))
    places, degrees, _ = astray(said.cameras, scene.capture.cameras)
    assert places < 0.02
    assert degrees < 0.4


def test_confidence_decides_whom_to_believe(scene: ToyScene) -> None:
    # More than half of the pixels lie, all alike, and the network says that it is not sure of them.
    truth, generator = told(scene, [0, 1, 2]), torch.Generator().manual_seed(0)
    lies = torch.zeros_like(truth.depths.depth, dtype=torch.bool)
    lies[:, :, :40] = True
    depth = torch.where(lies, 1.3 * truth.depths.depth, truth.depths.depth)
    unsure = torch.where(lies, 0.003, 1.0)
    liar = truth.replace(depths=truth.depths.replace(depth=depth, confidence=unsure))
    similarity = some_similarity(generator)
    found = window_similarity(moved(liar, similarity), truth, "windows 1 and 2")
    torch.testing.assert_close(found @ similarity, torch.eye(4, dtype=torch.float64), rtol=0, atol=0.02)
    torn = liar.replace(depths=liar.depths.replace(confidence=torch.ones_like(unsure)))
    worse = window_similarity(moved(torn, similarity), truth, "windows 1 and 2")
    assert float((worse @ similarity - torch.eye(4, dtype=torch.float64)).abs().max()) > 0.1


def test_a_shared_photo_is_told_by_the_window_that_holds_it_more_in_its_middle(scene: ToyScene) -> None:
    asked: list[list[int]] = []

    def predict(rows: Sequence[int]) -> Generator[Step, None, VggtPrediction]:
        asked.append(list(rows))
        yield Step("guessing")
        said = told(scene, rows)
        number = torch.full_like(said.point_confidence, float(len(asked)))
        return said.replace(point_confidence=number)

    _, said = heard(predict_in_windows(predict, 14, photos_at_once=8, overlap=2))
    assert asked == [list(range(8)), list(range(6, 14))]
    assert said.point_confidence[:, 0, 0].tolist() == [1.0] * 7 + [2.0] * 7


def test_windows_that_share_no_known_depth_are_told_so(scene: ToyScene) -> None:
    def predict(rows: Sequence[int]) -> Generator[Step, None, VggtPrediction]:
        yield Step("guessing")
        said = told(scene, rows)
        return said.replace(depths=said.depths.replace(confidence=torch.zeros_like(said.depths.depth)))

    with pytest.raises(AlignmentError, match="windows 1 and 2 share 2 photos, in which 0 pixels have a depth in both"):
        heard(predict_in_windows(predict, 10, photos_at_once=6, overlap=2))


def test_moving_a_prediction_changes_nothing_that_its_cameras_see(scene: ToyScene) -> None:
    said, similarity = told(scene, [2, 5, 9]), some_similarity(torch.Generator().manual_seed(1))
    other = moved(said, similarity)
    points = said.point_map[0].reshape(-1, 3)[::29]
    before, depth_before = project(said.cameras, points)
    after, depth_after = project(other.cameras, transform_points(similarity.float(), points))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=2e-2)
    torch.testing.assert_close(depth_after, similarity_scale(similarity) * depth_before, rtol=1e-4, atol=1e-4)
    rotations = other.cameras.cam_from_world[:, :3, :3]
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand(3, 3, 3), rtol=0, atol=1e-5)


def test_the_even_fit_is_the_same_both_ways_and_not_shrunk_by_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    similarity = some_similarity(generator)
    weights = torch.rand(4000, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        fit_evenly(source, transform_points(similarity, source), weights), similarity, rtol=0, atol=1e-9
    )
    truth = source.clone()
    source = source + 0.3 * torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    target = truth + 0.3 * torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    there, back = fit_evenly(source, target, weights), fit_evenly(target, source, weights)
    torch.testing.assert_close(there @ back, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-9)
    assert similarity_scale(there) == pytest.approx(1, abs=0.01)
    assert similarity_scale(fit_similarity(source, target)) < 0.95


def test_points_without_weight_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    similarity = some_similarity(generator)
    target, weights = transform_points(similarity, source), torch.ones(50, dtype=torch.float64)
    target[:20] += 5
    weights[:20] = 0
    torch.testing.assert_close(fit_evenly(source, target, weights), similarity, rtol=0, atol=1e-9)


def test_the_surest_tenth_counts_alike_and_the_rest_in_proportion() -> None:
    confidence = torch.tensor([0.0, *[1.0] * 5, *[4.0] * 5, 5000.0])
    torch.testing.assert_close(bounded(confidence), torch.tensor([0.0, *[0.25] * 5, *[1.0] * 6]))
    assert bounded(torch.zeros(3)).tolist() == [0, 0, 0]
