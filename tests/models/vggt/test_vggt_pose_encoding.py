"""Pose encodings against the cameras that the official code makes of them, and back."""

import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from photoreal.core import Cameras, look_at, pixel_rays, rigid, unproject
from photoreal.models.vggt.pose_encoding import cameras_from_encoding, encoding_from_cameras

OFFICIAL = load_file(Path(__file__).parent / "fixtures" / "vggt_pose_encoding.safetensors")
SIZE = (70, 98)


def posed(extrinsics: Tensor) -> Tensor:
    return rigid(extrinsics[..., :3], extrinsics[..., 3])


def test_encodings_stand_for_the_cameras_of_the_official_code() -> None:
    cameras = cameras_from_encoding(OFFICIAL["pose_enc"][0], SIZE)
    torch.testing.assert_close(cameras.cam_from_world, posed(OFFICIAL["ext_roundtrip"][0]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(cameras.intrinsics, OFFICIAL["K_roundtrip"][0], rtol=1e-5, atol=1e-4)
    assert cameras.size == SIZE


def test_the_norm_of_the_quaternion_does_not_matter() -> None:
    cameras = cameras_from_encoding(OFFICIAL["unnorm_quat_enc"][0], SIZE)
    torch.testing.assert_close(cameras.cam_from_world, posed(OFFICIAL["unnorm_quat_ext"][0]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(cameras.intrinsics, OFFICIAL["unnorm_quat_K"][0], rtol=1e-5, atol=1e-4)
    raw = torch.cat([torch.zeros(4, 3), OFFICIAL["quat_raw"][0], torch.ones(4, 2)], dim=-1)
    rotations = cameras_from_encoding(raw, SIZE).cam_from_world[:, :3, :3]
    torch.testing.assert_close(rotations, OFFICIAL["R_from_quat_raw"][0], rtol=1e-5, atol=1e-5)


def test_cameras_are_encoded_as_by_the_official_code() -> None:
    cameras = Cameras(posed(OFFICIAL["extrinsics"][0]), OFFICIAL["intrinsics"][0], SIZE)
    encoding = encoding_from_cameras(cameras)
    torch.testing.assert_close(encoding, OFFICIAL["pose_enc"][0], rtol=1e-5, atol=1e-5)
    back = cameras_from_encoding(encoding, SIZE)
    torch.testing.assert_close(back.cam_from_world, cameras.cam_from_world, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(back.intrinsics, cameras.intrinsics, rtol=1e-5, atol=1e-4)


def test_official_pixel_zero_is_ours_half_a_pixel_further() -> None:
    intrinsics = OFFICIAL["unproj_K"].clone()
    intrinsics[:, :2, 2] += 0.5
    cameras = Cameras(posed(OFFICIAL["extrinsics"][0]), intrinsics, (7, 9))
    ours = unproject(cameras, OFFICIAL["unproj_depth"])
    torch.testing.assert_close(ours, OFFICIAL["unproj_world_points"], rtol=1e-5, atol=1e-5)


def test_ours_look_straight_ahead_in_the_middle_of_the_image() -> None:
    encoding = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, math.radians(60), math.radians(90)]])
    cameras = cameras_from_encoding(encoding, (5, 7))
    rays = pixel_rays(cameras)[0]
    torch.testing.assert_close(rays[2, 3], torch.tensor([0.0, 0.0, 1.0]), rtol=0, atol=1e-6)
    # The outermost edges, half a pixel beyond the last centres, are seen under half the field of view.
    edge = cameras.intrinsics[0].inverse() @ torch.tensor([7.0, 5.0, 1.0])
    torch.testing.assert_close(edge, torch.tensor([1.0, math.tan(math.radians(30)), 1.0]), rtol=1e-6, atol=1e-6)


def test_photos_of_another_size_are_seen_under_the_same_angles() -> None:
    centres = torch.tensor([[1.0, 2.0, 0.5], [-1.0, 1.5, 1.0]])
    poses = look_at(centres, torch.zeros(2, 3), torch.tensor([0.0, 0.0, 1.0]))
    intrinsics = torch.tensor([[900.0, 0.0, 500.0], [0.0, 910.0, 333.5], [0.0, 0.0, 1.0]]).repeat(2, 1, 1)
    cameras = Cameras(poses, intrinsics, (667, 1000))
    encoding = encoding_from_cameras(cameras)
    torch.testing.assert_close(encoding_from_cameras(cameras.resized((350, 518))), encoding, rtol=1e-5, atol=1e-6)
    back = cameras_from_encoding(encoding, (350, 518)).resized((667, 1000))
    torch.testing.assert_close(back.intrinsics, intrinsics, rtol=1e-5, atol=1e-3)


def test_a_field_of_view_that_no_lens_has_gives_finite_cameras() -> None:
    encoding = torch.zeros(3, 9)
    encoding[:, 6] = 1.0
    encoding[1, 7:], encoding[2, 7:] = 3.5, -1.0
    cameras = cameras_from_encoding(encoding, SIZE)
    assert bool(cameras.intrinsics.isfinite().all())
    assert bool((cameras.intrinsics[:, 0, 0] > 0).all())
