import dataclasses

import torch
from balls import ball_capture, ball_mesh, surface_of

from photoreal.core import Depths, Mesh
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


def test_an_outline_before_empty_space_stays() -> None:
    capture = ball_capture(32, side=160, detail=4.0)
    x, y, _ = BALL.vertices.unbind(1)
    rough = Mesh(BALL.vertices * (1 + 0.02 * torch.sin(2 * x) * torch.cos(3 * y))[:, None], BALL.faces)
    free = surface_of(rough, capture.cameras, voxel=0.03)
    depth, confidence = free.depths.depth.clone(), free.depths.confidence.clone()
    depth[0][depth[0] == 0], confidence[0] = torch.inf, 1.0
    held = dataclasses.replace(free, depths=Depths(depth, confidence))
    towards = BALL.vertices @ torch.nn.functional.normalize(capture.cameras.centres[0], dim=0)
    rim, back = (towards - 1 / 3).abs() < 0.03, towards < -0.3  # from 3 away a ball ends where this cosine is 1 / 3
    moves = []
    for surface in (free, held):
        *_, found = agree(surface, capture)
        moves.append((found.mesh.vertices - rough.vertices).norm(dim=1))
    assert float(moves[1][rim].mean()) < 0.3 * float(moves[0][rim].mean())
    assert float((moves[1] - moves[0])[back].abs().mean()) < 0.1 * float(moves[0][back].mean())
