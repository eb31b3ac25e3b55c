"""Surfaces that several photos see become points once."""

import pytest
import torch

from photoreal.align.dense.fusion import fused_points
from photoreal.core import Depths, project, unproject
from photoreal.metrics import accuracy, completeness
from photoreal.synth import ToyScene, toy_scene


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(0, views=4, size=(60, 80), arc_degrees=20.0)


def test_true_depths_become_true_points_each_once(room: ToyScene) -> None:
    cameras = room.capture.cameras
    points = fused_points(room.capture.photos, cameras, room.depths)
    everywhere = unproject(cameras, room.depths.depth).reshape(-1, 3)
    assert 60 * 80 <= len(points) < 0.5 * len(everywhere)
    assert accuracy(points.positions, everywhere) < 0.01
    assert completeness(points.positions, everywhere) < 0.03


def test_points_have_the_colour_of_the_photos(room: ToyScene) -> None:
    points = fused_points(room.capture.photos, room.capture.cameras, room.depths)
    pixels, depth = project(room.capture.cameras, points.positions)
    x, y = pixels[0].floor().long().unbind(-1)
    inside = (x >= 0) & (x < 80) & (y >= 0) & (y < 60) & (depth[0] > 0)
    x, y = x[inside], y[inside]
    seen = (room.depths.depth[0, y, x] / depth[0, inside] - 1).abs() < 0.005
    colours = room.capture.photos.images[0, :, y, x].T.float()
    away = (points.colours[inside].float() - colours)[seen].abs()
    assert float(away.median()) <= 8


def test_a_few_wrong_depths_move_no_surface(room: ToyScene) -> None:
    wrong = room.depths.depth.clone()
    wrong[0] *= 1.5
    depths = Depths(wrong, torch.ones_like(wrong))
    depths.confidence[0] = 0.2
    points = fused_points(room.capture.photos, room.capture.cameras, depths)
    everywhere = unproject(room.capture.cameras, room.depths.depth).reshape(-1, 3)
    sure = points.confidence > 0.5
    assert accuracy(points.positions[sure], everywhere) < 0.01


def test_unknown_and_infinite_depths_make_no_points(room: ToyScene) -> None:
    depth, confidence = room.depths.depth.clone(), room.depths.confidence.clone()
    confidence[:, :30] = 0
    depth[:, 30:45] = torch.inf
    points = fused_points(room.capture.photos, room.capture.cameras, Depths(depth, confidence))
    assert bool(points.positions.isfinite().all())
    assert len(points) <= 4 * 15 * 80


def test_a_limit_draws_points_at_random_but_the_same_ones(room: ToyScene) -> None:
    one, same, other = (
        fused_points(room.capture.photos, room.capture.cameras, room.depths, limit=500, seed=seed) for seed in (3, 3, 4)
    )
    assert len(one) == len(same) == len(other) == 500
    assert torch.equal(one.positions, same.positions)
    assert not torch.equal(one.positions, other.positions)
