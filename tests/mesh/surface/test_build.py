import pytest
import torch
from balls import ball_capture, ball_depths

from photoreal.core import CaptureError, Depths, Mesh, drained
from photoreal.mesh import Surface, SurfaceConfig, build_surface, finish_surface, simplify
from photoreal.mesh.surface import volume

CUT_OUT = ball_capture(14)
WHOLE = CUT_OUT.replace(photos=CUT_OUT.photos.replace(masks=torch.ones_like(CUT_OUT.photos.masks)))
CAMERAS = WHOLE.cameras
BALL = ball_depths(CAMERAS)


def finished(config: SurfaceConfig) -> Surface:
    return finish_surface(drained(build_surface(BALL, CAMERAS, config)), WHOLE, config)


def test_a_ball_is_rebuilt_simplified_with_the_error_told() -> None:
    surface = finished(SurfaceConfig(faces=1000, background="none"))
    assert len(surface.mesh.faces) <= 1000
    assert not bool(surface.background.any())
    radius = surface.mesh.vertices.norm(dim=1)
    assert float((radius - 1).abs().mean()) < 0.02
    assert 0 < surface.figures["simplification_error"] < 0.02
    assert surface.figures["faces_before"] > 1000


def test_the_shell_is_marked() -> None:
    surface = finished(SurfaceConfig(faces=1000))
    assert 0 < int(surface.background.sum()) < len(surface.mesh.faces)
    outside = surface.mesh.vertices[surface.mesh.faces[surface.background]].norm(dim=-1)
    assert float(outside.min()) > 1.0


def test_one_view_is_refused() -> None:
    with pytest.raises(CaptureError, match="1 view is not enough"):
        drained(build_surface(BALL.take([0]), CAMERAS.take([0]), SurfaceConfig()))


def test_views_that_see_nothing_in_common_are_refused() -> None:
    pair = CAMERAS.take([0, 1])
    away = torch.diag(torch.tensor([-1.0, 1, -1, 1]))
    apart = pair.replace(cam_from_world=torch.stack([pair.cam_from_world[0], away @ pair.cam_from_world[1]]))
    with pytest.raises(CaptureError, match="no depth of 2 views is confirmed"):
        drained(build_surface(BALL.take([0, 1]), apart, SurfaceConfig()))


def test_no_depth_anywhere_is_refused() -> None:
    none = Depths(BALL.depth, torch.zeros_like(BALL.confidence))
    with pytest.raises(CaptureError, match="no depth of 14 views"):
        drained(build_surface(none, CAMERAS, SurfaceConfig()))


def test_too_little_memory_is_said_with_a_size_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "_free_memory", lambda: 2e7)
    with pytest.raises(CaptureError, match=r"--mesh.surface.voxel (\S+) would fit") as caught:
        drained(build_surface(BALL, CAMERAS, SurfaceConfig(voxel=0.01)))
    offered = float(str(caught.value).split("voxel ")[1].split()[0])
    drained(build_surface(BALL, CAMERAS, SurfaceConfig(voxel=offered, background="none")))


def test_a_sheet_of_ground_keeps_its_border() -> None:
    x, y = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    vertices = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    a = (torch.arange(40)[:, None] * 41 + torch.arange(40)).reshape(-1)
    flat = Mesh(vertices, torch.cat([torch.stack([a, a + 41, a + 1], 1), torch.stack([a + 41, a + 42, a + 1], 1)]))
    small = simplify(flat, 500, borders=True)
    assert len(small.faces) <= 500
    assert float(small.face_areas.sum()) == pytest.approx(1600, rel=1e-4)
    none = Mesh(flat.vertices[:0], flat.faces[:0])
    assert len(simplify(none, 500, borders=True).faces) == 0
