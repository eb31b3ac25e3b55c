import torch
from balls import ball_capture, ball_mesh, surface_of

from photoreal.core import Mesh
from photoreal.mesh import agree

BALL = ball_mesh(60)


def test_a_surface_goes_to_where_the_photographs_agree() -> None:
    capture = ball_capture(32, side=160, detail=4.0)
    x, y, _ = BALL.vertices.unbind(1)
    wrong = 1 + 0.02 * torch.sin(2 * x) * torch.cos(3 * y)
    rough = Mesh(BALL.vertices * wrong[:, None], BALL.faces)
    *_, found = agree(surface_of(rough, capture.cameras, voxel=0.03), capture)
    before, after = ((mesh.vertices.norm(dim=1) - 1).abs().mean() for mesh in (rough, found.mesh))
    assert float(after) < 0.5 * float(before)


def test_what_is_masked_is_not_compared() -> None:
    capture = ball_capture(14)
    masked = capture.replace(photos=capture.photos.replace(masks=torch.zeros_like(capture.photos.masks)))
    *_, found = agree(surface_of(BALL, capture.cameras, voxel=0.03), masked)
    assert torch.equal(found.mesh.vertices, BALL.vertices)


def test_without_texture_it_stays() -> None:
    capture = ball_capture(14)
    grey = capture.replace(photos=capture.photos.replace(images=torch.full_like(capture.photos.images, 128)))
    *_, found = agree(surface_of(BALL, capture.cameras, voxel=0.03), grey)
    assert torch.allclose(found.mesh.vertices, BALL.vertices, atol=1e-5)
