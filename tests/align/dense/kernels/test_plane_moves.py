"""Planes lead to other photos as projection does."""

import numpy as np
import pytest
import torch

from photoreal.align.dense.kernels.planes import (
    astray,
    depth_elsewhere,
    homography_of,
    parallax,
    slope,
    there_and_back,
)
from photoreal.align.dense.levels import Level
from photoreal.core import Cameras, project, unproject
from photoreal.synth import toy_scene

ROW, COLUMN = 20, 33
PLANE = np.array([0.2, -0.3, -0.9327379, 3.0], np.float32)


@pytest.fixture(scope="module")
def cameras() -> Cameras:
    return toy_scene(0, views=2, size=(60, 80), arc_degrees=15.0).capture.cameras


@pytest.fixture(scope="module")
def level(cameras: Cameras) -> Level:
    k = cameras.intrinsics
    lenses = torch.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], dim=1).numpy()
    return Level(np.zeros((2, 60, 80), np.float32), cameras, lenses, np.zeros(2, np.bool_))


def plane_depths(level: Level) -> np.ndarray:
    return np.array(
        [[depth_elsewhere(PLANE, level.lenses[0], ROW, COLUMN, i, j) for j in range(80)] for i in range(60)], np.float32
    )


def test_a_plane_goes_through_its_pixel_and_is_flat(level: Level, cameras: Cameras) -> None:
    depths = plane_depths(level)
    assert depths[ROW, COLUMN] == pytest.approx(3.0, rel=1e-6)
    still = Cameras(torch.eye(4)[None], cameras.intrinsics[:1], cameras.size)
    points = unproject(still, torch.from_numpy(depths)[None])[0].reshape(-1, 3)
    off = (points - points[ROW * 80 + COLUMN]) @ torch.from_numpy(PLANE[:3])
    assert float(off[torch.from_numpy(depths.ravel() > 0)].abs().max()) < 1e-4
    assert slope(PLANE, level.lenses[0], ROW, COLUMN) < 0


def test_the_homography_is_projection_of_the_plane(level: Level, cameras: Cameras) -> None:
    homography = np.empty(9, np.float32)
    motion = level.motions(0, (1,))[0]
    homography_of(PLANE, level.lenses[0], ROW, COLUMN, motion, level.lenses[1], homography)
    depths = plane_depths(level)
    points = unproject(cameras.take([0]), torch.from_numpy(depths)[None])[0]
    for row, column in ((20, 33), (5, 70), (50, 10)):
        x, y, w = homography.reshape(3, 3) @ np.array([column + 0.5, row + 0.5, 1], np.float32)
        pixel, _ = project(cameras.take([1]), points[row, column][None])
        np.testing.assert_allclose([x / w, y / w], pixel[0, 0].numpy(), atol=2e-3)


def test_true_depths_lead_there_and_back() -> None:
    scene = toy_scene(0, views=2, size=(60, 80), arc_degrees=8.0)
    k = scene.capture.cameras.intrinsics
    lenses = torch.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], dim=1).numpy()
    level = Level(np.zeros((2, 60, 80), np.float32), scene.capture.cameras, lenses, np.zeros(2, np.bool_))
    motion, (here, there) = level.motions(0, (1,))[0], scene.depths.depth.numpy()
    back, away = np.empty(3, np.float32), []
    for row in range(4, 56, 4):
        for column in range(4, 76, 4):
            found = there_and_back(here[row, column], lenses[0], row, column, motion, lenses[1], there, back)
            far = astray(here[row, column], lenses[0], row, column, motion, lenses[1], there, np.float32(3))
            assert found or far == 3
            away.append(float(far))
    assert np.median(away) < 0.7
    wrong = astray(np.float32(here[30, 40] * 0.7), lenses[0], 30, 40, motion, lenses[1], there, np.float32(3))
    assert wrong > 2


def test_parallax_is_the_way_a_point_moves(level: Level, cameras: Cameras) -> None:
    motion = level.motions(0, (1,))[0]
    depth = torch.full((2, 1, 60, 80), 3.0)
    depth[1] *= 1.01
    near, far = (project(cameras.take([1]), unproject(cameras.take([0]), d)[0, ROW, COLUMN][None])[0] for d in depth)
    expected = float((near - far).norm())
    found = parallax(np.float32(3), level.lenses[0], ROW, COLUMN, motion, level.lenses[1], np.float32(0.01))
    assert found == pytest.approx(expected, rel=1e-2)
