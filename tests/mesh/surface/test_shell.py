import torch
from balls import ball_capture, ball_depths, ball_mesh

from photoreal.core import Mesh
from photoreal.mesh.surface.shell import shell
from photoreal.mesh.texture.hits import camera_hits

CUT_OUT = ball_capture(14)
WHOLE = CUT_OUT.replace(photos=CUT_OUT.photos.replace(masks=torch.ones_like(CUT_OUT.photos.masks)))
CAMERAS = WHOLE.cameras


def test_the_shell_fills_every_picture_from_behind() -> None:
    ball, depths = ball_mesh(), ball_depths(CAMERAS)
    outer = shell(ball, depths, WHOLE)
    both = Mesh(torch.cat([ball.vertices, outer.vertices]), torch.cat([ball.faces, outer.faces + len(ball.vertices)]))
    for view in (0, 5, 13):
        camera = CAMERAS.take([view])
        alone, together = camera_hits(ball, camera), camera_hits(both, camera)
        assert float((together.face >= 0).float().mean()) > 0.99
        assert torch.equal(alone.face[alone.face >= 0], together.face[alone.face >= 0])
    inwards = (outer.face_normals * (CAMERAS.centres.mean(0) - outer.vertices[outer.faces].mean(1))).sum(1)
    assert bool((inwards > 0).all())


def test_a_surface_all_around_needs_no_shell() -> None:
    room = Mesh(20 * ball_mesh().vertices, ball_mesh().faces)
    assert len(shell(room, ball_depths(CAMERAS), WHOLE).faces) == 0


def test_an_object_that_was_cut_out_has_no_shell() -> None:
    larger = Mesh(1.05 * ball_mesh().vertices, ball_mesh().faces)
    assert len(shell(larger, ball_depths(CAMERAS), CUT_OUT).faces) == 0


def test_depths_may_be_smaller_than_the_photos() -> None:
    small = ball_depths(CAMERAS.resized((32, 32)))
    assert len(shell(ball_mesh(), small, WHOLE).faces) > 0
