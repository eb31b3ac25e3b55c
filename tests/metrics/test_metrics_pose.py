"""Pose metrics: blind to the world's frame and scale, and exact for errors that were put in."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import AlignmentError, Cameras, invert_rigid, look_at, rigid, rotation_from_vector
from photoreal.metrics import pose_auc, rotation_errors, translation_errors

vectors = st.tuples(*[st.floats(-3, 3)] * 3).map(lambda v: torch.tensor(v, dtype=torch.float64))


def ring(views: int = 9, seed: int = 0) -> Cameras:
    generator = torch.Generator().manual_seed(seed)
    angle = torch.arange(views, dtype=torch.float64) * (2 * math.pi / views)
    height = torch.rand(views, generator=generator, dtype=torch.float64)
    centres = torch.stack([3 * angle.cos(), 3 * angle.sin(), height], dim=-1)
    target = 0.3 * torch.randn(views, 3, generator=generator, dtype=torch.float64)
    poses = look_at(centres, target, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    intrinsics = torch.tensor([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]], dtype=torch.float64).expand(views, 3, 3)
    return Cameras(poses, intrinsics, (48, 64))


def in_another_world(cameras: Cameras, turn: torch.Tensor, move: torch.Tensor, scale: float) -> Cameras:
    world_from_cam = cameras.world_from_cam
    rotation = rotation_from_vector(turn)
    moved = rigid(rotation @ world_from_cam[:, :3, :3], scale * world_from_cam[:, :3, 3] @ rotation.T + move)
    return cameras.replace(cam_from_world=invert_rigid(moved))


def turned(cameras: Cameras, view: int, degrees: float) -> Cameras:
    """One camera turned on its spot about its own x axis."""
    turn = rotation_from_vector(torch.tensor([math.radians(degrees), 0, 0], dtype=torch.float64))
    poses = cameras.cam_from_world.clone()
    poses[view, :3] = turn @ poses[view, :3]
    return cameras.replace(cam_from_world=poses)


@given(turn=vectors, move=vectors, scale=st.floats(0.05, 20))
def test_the_world_frame_and_scale_do_not_matter(turn, move, scale: float) -> None:
    truth = ring()
    cameras = in_another_world(truth, turn, move, scale)
    assert rotation_errors(cameras, truth).max() < 1e-6
    assert translation_errors(cameras, truth).max() < 1e-9
    assert pose_auc(cameras, truth, (1, 5, 30)) == {1: 100, 5: 100, 30: 100}


@given(degrees=st.floats(0.01, 179.9), view=st.integers(0, 8), turn=vectors)
def test_one_wrong_camera_has_exactly_its_error_and_no_other_has_any(degrees: float, view: int, turn) -> None:
    truth = ring()
    cameras = in_another_world(turned(truth, view, degrees), turn, turn, 2.0)
    errors = rotation_errors(cameras, truth)
    assert errors[view] == pytest.approx(degrees, abs=1e-4)
    assert torch.cat([errors[:view], errors[view + 1 :]]).max() < 1e-4
    assert translation_errors(cameras, truth).max() < 1e-9


def test_translation_error_is_a_share_of_the_largest_true_distance() -> None:
    truth = ring(8, seed=1)
    # Moving two cameras against each other changes neither mean nor, to first order, the best scale and rotation.
    step = 1e-4
    world_from_cam = truth.world_from_cam.clone()
    direction = torch.nn.functional.normalize(truth.centres[0], dim=0)
    world_from_cam[0, :3, 3] += step * direction
    cameras = truth.replace(cam_from_world=invert_rigid(world_from_cam))
    errors = translation_errors(cameras, truth)
    extent = torch.pdist(truth.centres).max()
    assert 0.6 * step / extent < errors[0] <= step / extent
    assert errors.argmax() == 0
    assert torch.allclose(translation_errors(cameras, in_another_world(truth, direction, direction, 7.0)), errors)


def test_auc_counts_the_pairs_of_a_turned_camera() -> None:
    truth = ring(5)
    # 4 of the 10 pairs hold view 2, whose rotation is 2.5 degrees off: they pass from 3 degrees on.
    found = pose_auc(turned(truth, 2, 2.5), truth, (1, 2, 3, 4))
    assert found == pytest.approx({1: 60, 2: 60, 3: (60 + 60 + 100) / 3, 4: (60 + 60 + 100 + 100) / 4})


def test_a_missing_view_fails_all_its_pairs() -> None:
    truth = ring(5)
    kept = [4, 0, 3]
    assert pose_auc(truth.take(kept), truth, (5, 30), views=kept) == pytest.approx({5: 30, 30: 30})
    assert pose_auc(truth.take([1]), truth, (5,), views=[1]) == {5: 0}
    assert pose_auc(truth.take([]), truth, (5,), views=[]) == {5: 0}


def test_a_wrong_assignment_of_views_is_wrong() -> None:
    truth = ring(6)
    assert pose_auc(truth.take([1, 0, 2, 3, 4, 5]), truth, (10,))[10] < 60


def test_a_reversed_baseline_is_a_failure() -> None:
    truth = ring(2)
    world_from_cam = truth.world_from_cam.clone()
    world_from_cam[:, :3, 3] = world_from_cam[[1, 0], :3, 3]
    cameras = truth.replace(cam_from_world=invert_rigid(world_from_cam))
    assert rotation_errors(cameras, truth).max() < 1e-9
    assert pose_auc(cameras, truth, (30,)) == {30: 0}


def test_views_from_one_place_are_judged_by_rotation() -> None:
    still = ring(4)
    world_from_cam = still.world_from_cam.clone()
    world_from_cam[1, :3, 3] = world_from_cam[0, :3, 3]
    truth = still.replace(cam_from_world=invert_rigid(world_from_cam))
    assert pose_auc(truth, truth, (5,)) == {5: 100}
    # Two centres that fall together though the true ones do not: that pair has no direction and fails.
    assert pose_auc(truth, still, (5,))[5] < 100


def test_fewer_cameras_than_needed_are_errors() -> None:
    truth = ring(4)
    with pytest.raises(AlignmentError, match="3 cameras cannot be compared with 4"):
        rotation_errors(truth.take([0, 1, 2]), truth)
    with pytest.raises(AlignmentError, match="at least 3"):
        translation_errors(truth.take([0, 1]), truth.take([0, 1]))
    with pytest.raises(AlignmentError, match="coincide"):
        translation_errors(truth.take([0, 0, 0]), truth.take([0, 1, 2]))
    with pytest.raises(AlignmentError, match="4 cameras with 2 indices"):
        pose_auc(truth, truth, (5,), views=[0, 1])
    with pytest.raises(AlignmentError, match="with 4 indices"):
        pose_auc(truth, truth, (5,), views=[0, 1, 1, 2])
    with pytest.raises(AlignmentError, match=r"0\.\.9 is none of the 4"):
        pose_auc(truth, truth, (5,), views=[0, 1, 2, 9])
