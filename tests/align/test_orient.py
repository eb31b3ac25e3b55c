"""The gauge: independent of what frame it starts from, upright, centred, of a set size."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from photoreal.align.orient import CAMERA_DISTANCE, oriented_from_world, up_direction
from photoreal.core import (
    Cameras,
    fit_similarity,
    look_at,
    project,
    rigid,
    rotation_from_vector,
    transform_points,
    turned_cameras,
)

UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def arc(degrees: float, views: int = 9, height: float = 1.0) -> torch.Tensor:
    angle = torch.deg2rad(torch.linspace(-degrees / 2, degrees / 2, views, dtype=torch.float64))
    centres = torch.stack([3 * angle.sin(), -3 * angle.cos(), torch.full_like(angle, height)], dim=-1)
    return look_at(centres, torch.zeros_like(centres), UP)


def cloud(count: int = 101) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


vectors = st.lists(st.floats(-3, 3), min_size=3, max_size=3)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.floats(0.05, 20))
def test_result_does_not_depend_on_the_frame(turn: list[float], shift: list[float], scale: float) -> None:
    poses, points = arc(140), cloud()
    rotation = rotation_from_vector(torch.tensor(turn, dtype=torch.float64))
    other_from_world = rigid(scale * rotation, torch.tensor(shift, dtype=torch.float64))
    first = oriented_from_world(poses, points)
    second = oriented_from_world(turned_cameras(poses, other_from_world), transform_points(other_from_world, points))
    torch.testing.assert_close(second @ other_from_world, first, atol=1e-7, rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.floats(0.05, 20))
def test_turned_cameras_take_the_same_pictures(turn: list[float], shift: list[float], scale: float) -> None:
    poses, points = arc(140), 0.3 * cloud()
    new_from_world = rigid(
        scale * rotation_from_vector(torch.tensor(turn, dtype=torch.float64)), torch.tensor(shift, dtype=torch.float64)
    )
    intrinsics = torch.tensor([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]], dtype=torch.float64).repeat(len(poses), 1, 1)
    pixels, depth = project(Cameras(poses, intrinsics, (480, 640)), points)
    turned = Cameras(turned_cameras(poses, new_from_world), intrinsics, (480, 640))
    new_pixels, new_depth = project(turned, transform_points(new_from_world, points))
    torch.testing.assert_close(new_pixels, pixels, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(new_depth, scale * depth, atol=1e-6, rtol=1e-6)


def test_origin_is_the_median_point_and_the_median_camera_is_at_the_set_distance() -> None:
    poses, points = arc(200), cloud()
    new_from_world = oriented_from_world(poses, points)
    median = transform_points(new_from_world, points).median(0).values
    torch.testing.assert_close(median, torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    turned = turned_cameras(poses, new_from_world)
    centres = Cameras(turned, torch.eye(3, dtype=torch.float64).repeat(len(turned), 1, 1), (1, 1)).centres
    assert abs(float(centres.norm(dim=1).median()) - CAMERA_DISTANCE) < 1e-9
    assert float(turned[:, 2, 1].mean()) > 0
    assert abs(float(turned[:, 2, 0].mean())) < 1e-9


def test_up_is_found_although_all_cameras_look_down() -> None:
    for degrees in (60.0, 140.0, 300.0):
        up = up_direction(arc(degrees, height=2.0))
        assert float(torch.rad2deg(torch.acos(up @ UP))) < 1.5, degrees


def test_up_survives_one_camera_held_sideways() -> None:
    poses = arc(140)
    quarter = rotation_from_vector(torch.tensor([0.0, 0.0, torch.pi / 2], dtype=torch.float64))
    poses[3] = rigid(quarter, torch.zeros(3, dtype=torch.float64)) @ poses[3]
    assert float(torch.rad2deg(torch.acos(up_direction(poses) @ UP))) < 3


def test_up_of_cameras_that_all_look_one_way_is_their_mean_up() -> None:
    poses = arc(140)[4:5].repeat(5, 1, 1)
    torch.testing.assert_close(up_direction(poses), -poses[0, 1, :3])


def test_cameras_that_look_straight_down_get_a_world_too() -> None:
    centres = torch.tensor([[0.0, 0, 3], [1, 0, 3], [0, 1, 3]], dtype=torch.float64)
    down = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]], dtype=torch.float64).repeat(3, 1, 1)
    poses = rigid(down, -(down @ centres[..., None]).squeeze(-1))
    similarity = oriented_from_world(poses, cloud())
    assert bool(similarity.isfinite().all())
    assert float(torch.linalg.det(similarity[:3, :3])) > 0
    torch.testing.assert_close(
        fit_similarity(centres, transform_points(similarity, centres)), similarity, atol=1e-6, rtol=1e-6
    )
