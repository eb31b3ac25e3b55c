import torch
from balls import ball_depths, ball_mesh, cameras_around

from photoreal.core import Mesh
from photoreal.mesh.surface.shell import shell
from photoreal.mesh.texture.hits import camera_hits

CAMERAS = cameras_around(14)


def test_the_shell_fills_every_picture_from_behind() -> None:
    ball, depths = ball_mesh(), ball_depths(CAMERAS)
    outer = shell(ball, depths, CAMERAS)
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
    assert len(shell(room, ball_depths(CAMERAS), CAMERAS).faces) == 0
