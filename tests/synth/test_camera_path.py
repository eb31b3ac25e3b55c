"""The photographer's steps overlap, held-out views lie between them, and the lens is OpenCV's."""

import numpy as np
import pycolmap
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from photoreal.core import invert_rigid
from photoreal.synth import Walk, between_poses, distort, phone_lens, pinhole, undistort, walk_poses

LENS = phone_lens((600, 800))


@given(st.floats(0, 800), st.floats(0, 600))
def test_undistort_inverts_distort(x: float, y: float) -> None:
    pixel = np.array([x, y])
    np.testing.assert_allclose(distort(LENS, undistort(LENS, pixel)), pixel, atol=1e-8)


def test_the_lens_agrees_with_colmap() -> None:
    parameters = [LENS.focal, LENS.focal, *LENS.centre, *LENS.distortion]
    camera = pycolmap.Camera(model="OPENCV", width=800, height=600, params=parameters)
    plane = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2))
    expected = camera.img_from_cam(np.concatenate([plane, np.ones((50, 1))], -1))
    np.testing.assert_allclose(distort(LENS, plane), np.asarray(expected), atol=1e-6)


def test_the_lens_is_26_mm_at_any_size() -> None:
    assert LENS.focal_35mm == pytest.approx(26)
    assert phone_lens((300, 400)).focal == pytest.approx(LENS.focal / 2)


def test_neighbours_see_the_place_from_at_most_fifteen_degrees_apart() -> None:
    walk = Walk()
    rays = torch.tensor(walk.target) - invert_rigid(walk_poses(walk, 28, 7))[:, :3, 3]
    rays = torch.nn.functional.normalize(rays, dim=-1)
    angles = torch.rad2deg(torch.acos((rays[1:] * rays[:-1]).sum(-1).clamp(-1, 1)))
    assert angles.max() < 15


def test_held_out_views_lie_inside_the_hull_of_the_photographs() -> None:
    walk = Walk()
    photos, held_out = (invert_rigid(p)[:, :3, 3].numpy() for p in (walk_poses(walk, 28, 7), between_poses(walk, 6, 7)))
    assert (Delaunay(photos).find_simplex(held_out) >= 0).all()
    assert np.linalg.norm(photos[:, None] - held_out[None], axis=-1).min() > 0.05


def test_all_cameras_look_at_the_target_upright() -> None:
    walk = Walk()
    poses = torch.cat([walk_poses(walk, 28, 7), between_poses(walk, 6, 7)])
    target = torch.tensor([*walk.target, 1.0], dtype=torch.float64)
    seen = poses @ target
    assert (seen[:, 2] > 1.5).all()
    pixels = distort(LENS, (seen[:, :2] / seen[:, 2:3]).numpy())
    assert np.abs(pixels - np.array(LENS.centre)).max() < 120
    assert (poses[:, 1, 2] < -0.8).all()
    identity = torch.eye(3, dtype=torch.float64).expand(len(poses), 3, 3)
    torch.testing.assert_close(poses[:, :3, :3] @ poses[:, :3, :3].transpose(1, 2), identity)
    assert pinhole(LENS, poses).size == (600, 800)


def test_the_seed_decides_the_steps() -> None:
    assert torch.equal(walk_poses(Walk(), 9, 1), walk_poses(Walk(), 9, 1))
    assert not torch.equal(walk_poses(Walk(), 9, 1), walk_poses(Walk(), 9, 2))
