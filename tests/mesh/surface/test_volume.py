import pytest
import torch
from balls import ball_depths, cameras_around

from photoreal.core import CaptureError, Depths
from photoreal.mesh.surface.topology import boundary_edges
from photoreal.mesh.surface.volume import extract, fuse, touched

CAMERAS = cameras_around(32)
BALL = ball_depths(CAMERAS)


def test_a_ball_comes_out_round_closed_and_outside_out() -> None:
    mesh, weights = extract(fuse(lambda: [(BALL, CAMERAS)], torch.zeros(3), 0.05))
    assert len(boundary_edges(mesh.faces)) == 0
    assert float((mesh.vertices.norm(dim=1) - 1).abs().max()) < 0.04
    assert float((mesh.vertices.norm(dim=1) - 1).abs().mean()) < 0.006
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    volume = float((a * torch.linalg.cross(b, c)).sum()) / 6
    assert volume == pytest.approx(4.18879, rel=0.02)
    assert bool((weights > 0).all())


def test_views_may_come_one_by_one() -> None:
    def one_by_one():
        return ((BALL.take([v]), CAMERAS.take([v])) for v in range(len(CAMERAS)))

    whole, parts = fuse(lambda: [(BALL, CAMERAS)], torch.zeros(3), 0.1), fuse(one_by_one, torch.zeros(3), 0.1)
    assert torch.equal(whole.keys, parts.keys)
    assert torch.equal(whole.distance, parts.distance)


def test_memory_follows_the_surface() -> None:
    coarse, fine = (len(touched(lambda: [(BALL, CAMERAS)], torch.zeros(3), v, 4.0)) for v in (0.02, 0.01))
    assert 3.0 < fine / coarse < 4.6  # 8 for a volume


def test_an_infinite_depth_frees_all_along_its_ray() -> None:
    first, other = CAMERAS.take([0]), CAMERAS.take([16])
    wall = Depths(torch.full((1, 96, 96), 3.0), torch.ones(1, 96, 96))
    clear = Depths(torch.full((1, 96, 96), torch.inf), torch.full((1, 96, 96), 2.0))
    keys = touched(lambda: [(wall, first)], torch.zeros(3), 0.05, 4.0)
    assert (keys == touched(lambda: [(wall, first), (clear, other)], torch.zeros(3), 0.05, 4.0)).all()
    solid, _ = extract(fuse(lambda: [(wall, first)], torch.zeros(3), 0.05))
    carved, _ = extract(fuse(lambda: [(wall, first), (clear, other)], torch.zeros(3), 0.05))
    assert float(solid.face_areas.sum()) > 4
    assert float(carved.face_areas.sum()) < 0.2 * float(solid.face_areas.sum())


def test_confidence_weighs() -> None:
    wrong = Depths(BALL.depth * 1.02, BALL.confidence * 0.01)
    views = [(BALL, CAMERAS), (wrong, CAMERAS)]
    mesh, _ = extract(fuse(lambda: views, torch.zeros(3), 0.05))
    assert float((mesh.vertices.norm(dim=1) - 1).abs().mean()) < 0.006


def test_no_depth_at_all_is_said() -> None:
    none = Depths(BALL.depth, torch.zeros_like(BALL.confidence))
    with pytest.raises(CaptureError, match="no pixel of any view has a depth"):
        fuse(lambda: [(none, CAMERAS)], torch.zeros(3), 0.05)


def test_voxels_too_small_for_the_scene_are_said() -> None:
    with pytest.raises(CaptureError, match="larger voxels"):
        fuse(lambda: [(BALL, CAMERAS)], torch.zeros(3), 1e-7)
