"""Cameras: pixels and rays undo each other, under resizing too."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import Cameras, look_at, pixel_rays, project, unproject, world_rays


def cameras(seed: int = 0, views: int = 3, size: tuple[int, int] = (6, 8)) -> Cameras:
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.nn.functional.normalize(torch.randn(views, 3, generator=generator, dtype=torch.float64), dim=-1)
    targets = 0.2 * torch.randn(views, 3, generator=generator, dtype=torch.float64)
    intrinsics = torch.zeros(views, 3, 3, dtype=torch.float64)
    intrinsics[:, 0, 0] = 5 + 5 * torch.rand(views, generator=generator, dtype=torch.float64)
    intrinsics[:, 1, 1] = 5 + 5 * torch.rand(views, generator=generator, dtype=torch.float64)
    intrinsics[:, 0, 2], intrinsics[:, 1, 2], intrinsics[:, 2, 2] = size[1] / 2 + 0.3, size[0] / 2 - 0.2, 1
    return Cameras(look_at(centres, targets, torch.tensor([0, 0, 1.0], dtype=torch.float64)), intrinsics, size)


def pixel_centres(size: tuple[int, int]) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).double()


@given(seed=st.integers(0, 1000), near=st.floats(0.1, 10))
def test_projecting_what_was_unprojected_gives_the_pixel_and_the_depth_back(seed: int, near: float) -> None:
    views = cameras(seed)
    generator = torch.Generator().manual_seed(seed)
    depth = near * (1 + torch.rand(3, 6, 8, generator=generator, dtype=torch.float64))
    points = unproject(views, depth)
    for view in range(3):
        pixels, depths = project(views.take([view]), points[view].flatten(0, 1))
        torch.testing.assert_close(pixels[0].unflatten(0, (6, 8)), pixel_centres((6, 8)), atol=1e-8, rtol=0)
        torch.testing.assert_close(depths[0].unflatten(0, (6, 8)), depth[view])


@given(seed=st.integers(0, 1000), factor=st.integers(1, 5))
def test_resizing_scales_pixels_and_nothing_else(seed: int, factor: int) -> None:
    views = cameras(seed)
    points = torch.randn(7, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pixels, depths = project(views, points)
    larger = views.resized((6 * factor, 16 * factor))
    scaled, same = project(larger, points)
    torch.testing.assert_close(scaled, pixels * pixels.new_tensor([2 * factor, factor]))
    torch.testing.assert_close(same, depths)
    back = larger.resized((6, 8))
    torch.testing.assert_close(back.intrinsics, views.intrinsics)
    assert back.size == views.size


def test_a_point_straight_ahead_is_at_the_principal_point_and_others_where_they_should() -> None:
    pose = torch.eye(4)[None]
    camera = Cameras(pose, torch.tensor([[[10.0, 0, 4], [0, 20, 3], [0, 0, 1]]]), (6, 8))
    pixels, depths = project(camera, torch.tensor([[0, 0, 2.0], [1, 0, 2], [0, 1, 2], [0, 0, -3]]))
    torch.testing.assert_close(pixels[0, :3], torch.tensor([[4.0, 3], [9, 3], [4, 13]]))
    torch.testing.assert_close(depths[0], torch.tensor([2.0, 2, 2, -3]))


def test_projection_at_the_centre_itself_is_finite() -> None:
    pixels, depths = project(cameras(), cameras().centres)
    assert bool(torch.isfinite(pixels).all())
    assert float(depths.diagonal().abs().max()) < 1e-12


def test_the_first_pixels_centre_is_at_one_half() -> None:
    camera = Cameras(torch.eye(4)[None], torch.tensor([[[2.0, 0, 0], [0, 2, 0], [0, 0, 1]]]), (2, 3))
    torch.testing.assert_close(pixel_rays(camera)[0, 0, 0], torch.tensor([0.25, 0.25, 1]))
    torch.testing.assert_close(pixel_rays(camera)[0, 1, 2], torch.tensor([1.25, 0.75, 1]))


def test_centres_are_where_look_at_put_them() -> None:
    centre = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    pose = look_at(centre, torch.zeros(2, 3), torch.tensor([0, 0, 1.0]))
    views = Cameras(pose, torch.eye(3).expand(2, 3, 3), (2, 2))
    torch.testing.assert_close(views.centres, centre)
    torch.testing.assert_close(views.world_from_cam @ pose, torch.eye(4).expand(2, 4, 4), atol=1e-5, rtol=0)


def test_taking_cameras_keeps_their_order() -> None:
    views = cameras()
    taken = views.take([2, 0])
    assert len(taken) == 2
    torch.testing.assert_close(taken.cam_from_world, views.cam_from_world[[2, 0]])
    assert len(views.take([])) == 0


def test_no_cameras_project_nothing() -> None:
    pixels, depths = project(cameras().take([]), torch.zeros(5, 3, dtype=torch.float64))
    assert pixels.shape == (0, 5, 2)
    assert depths.shape == (0, 5)


def test_as_many_poses_as_intrinsics() -> None:
    with pytest.raises(ValueError, match="2 poses but 1 intrinsics"):
        # Through `object.__new__` the shape check of the constructor, on in tests only, is passed by.
        Cameras.__post_init__(
            _unchecked(Cameras, cam_from_world=torch.eye(4).expand(2, 4, 4), intrinsics=torch.eye(3)[None])
        )


def _unchecked(kind, **fields):
    value = object.__new__(kind)
    for name, field in fields.items():
        object.__setattr__(value, name, field)
    return value


def test_rays_of_a_wide_camera_span_its_field_of_view() -> None:
    camera = Cameras(torch.eye(4)[None], torch.tensor([[[4.0, 0, 4], [0, 4, 4], [0, 0, 1]]]), (8, 8))
    rays = pixel_rays(camera)[0]
    angle = math.degrees(math.atan(float(rays[0, -1, 0]) * 8 / 7))
    assert angle == pytest.approx(45)


def test_rays_in_the_world_lead_to_the_places_of_their_depths() -> None:
    poses = look_at(torch.tensor([[1.0, 2, 3], [-2, 0, 1]]), torch.zeros(2, 3), torch.tensor([0.0, 0, 1]))
    cameras = Cameras(poses, torch.tensor([[8.0, 0, 5], [0, 9, 4], [0, 0, 1]]).expand(2, 3, 3).contiguous(), (8, 10))
    depth = torch.rand(2, 8, 10, generator=torch.Generator().manual_seed(0)) + 1
    places = cameras.centres[:, None, None] + world_rays(cameras) * depth[..., None]
    torch.testing.assert_close(places, unproject(cameras, depth))
