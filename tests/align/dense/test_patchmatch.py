"""Depth by stereo is the truth of a room that is known, and says where it does not know."""

import numba
import pytest
import torch

from photoreal.align.dense.patchmatch import DenseConfig, DenseGeometry, dense_geometry
from photoreal.core import AlignmentError, Capture, Points, Tracks, drained, world_rays
from photoreal.synth import ToyScene, toy_scene

NONE = Tracks(torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long), torch.empty(0, 2))
FAST = DenseConfig(side=160, iterations=3, rounds=1)


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(0, views=4, size=(120, 160), arc_degrees=30.0)


@pytest.fixture(scope="module")
def found(room: ToyScene) -> DenseGeometry:
    return drained(dense_geometry(room.capture, room.points, NONE, FAST))


def errors(room: ToyScene, found: DenseGeometry) -> torch.Tensor:
    known = found.depths.known
    return (found.depths.depth[known] / room.depths.depth[known] - 1).abs()


def test_depth_is_true_to_a_five_hundredth(room: ToyScene, found: DenseGeometry) -> None:
    away = errors(room, found)
    assert float(found.depths.known.float().mean()) > 0.5
    assert float(away.median()) < 0.002
    assert float((away < 0.01).float().mean()) > 0.9


def test_confidence_tells_good_depths_from_bad_ones(room: ToyScene, found: DenseGeometry) -> None:
    away, sure = errors(room, found), found.depths.confidence[found.depths.known]
    order = sure.argsort()
    worst, best = order[: len(order) // 4], order[-len(order) // 4 :]
    assert float((away[best] > 0.01).float().mean()) < 0.3 * float((away[worst] > 0.01).float().mean())
    assert float(sure.max()) < 1


def test_normals_face_the_camera_and_are_those_of_the_room(room: ToyScene, found: DenseGeometry) -> None:
    rays, known = world_rays(found.cameras), found.depths.known
    towards = (found.normals * rays.movedim(-1, 1)).sum(1)[known]
    assert float(towards.max()) < 0
    normals = found.normals.movedim(1, -1)[known]
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(len(normals)), rtol=1e-3, atol=1e-3)
    # Walls and floor are parallel to the axes.
    straight = normals.abs().max(dim=-1).values
    assert float((straight > 0.97).float().mean()) > 0.5


def test_the_number_of_threads_changes_nothing(room: ToyScene) -> None:
    small = DenseConfig(side=80, iterations=2, rounds=1)
    several = drained(dense_geometry(room.capture, room.points, NONE, small))
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = drained(dense_geometry(room.capture, room.points, NONE, small))
    finally:
        numba.set_num_threads(before)
    assert torch.equal(several.depths.depth, alone.depths.depth)
    assert torch.equal(several.depths.confidence, alone.depths.confidence)


def test_two_photos_are_enough(room: ToyScene) -> None:
    pair = room.capture.take([1, 2])
    found = drained(dense_geometry(pair, room.points, NONE, FAST))
    assert float(found.depths.known.float().mean()) > 0.4
    known = found.depths.known
    away = (found.depths.depth[known] / room.depths.depth[[1, 2]][known] - 1).abs()
    assert float(away.median()) < 0.004
    assert int(found.agreeing.max()) == 1


def test_masked_pixels_get_no_depth(room: ToyScene) -> None:
    masks = room.capture.photos.masks.clone()
    masks[:, :, 60:100] = False
    masked = Capture(room.capture.photos.replace(masks=masks), room.capture.cameras)
    found = drained(dense_geometry(masked, room.points, NONE, FAST))
    assert not bool(found.depths.known[:, :, 60:100].any())
    assert float(errors(room, found).median()) < 0.003


def test_photos_from_one_place_have_no_depth(room: ToyScene) -> None:
    with pytest.raises(AlignmentError, match=r"none of 3 photos shows the same as another from another place"):
        drained(dense_geometry(same_place(room), room.points, NONE, FAST))


def same_place(room: ToyScene) -> Capture:
    photos = room.capture.photos.take([0, 1, 2])
    return Capture(photos, room.capture.cameras.take([1, 1, 1]))


def test_a_photo_that_shows_something_else_is_left_without(room: ToyScene) -> None:
    cameras = room.capture.cameras
    turned = cameras.cam_from_world.clone()
    turned[3] = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])) @ turned[3]
    capture = Capture(room.capture.photos, cameras.replace(cam_from_world=turned))
    found = drained(dense_geometry(capture, room.points, NONE, FAST))
    assert found.sources[3] == ()
    assert not bool(found.depths.known[3].any())
    assert bool(found.depths.known[:3].flatten(1).any(1).all())


def test_without_points_nothing_is_known_of_where_things_are(room: ToyScene) -> None:
    nothing = Points(torch.empty(0, 3), torch.empty(0, 3, dtype=torch.uint8), torch.empty(0))
    with pytest.raises(AlignmentError, match=r"\(0 points are known\)"):
        drained(dense_geometry(room.capture, nothing, NONE, FAST))
