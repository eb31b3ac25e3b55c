"""Pictures of meshes before their scene's background."""

import torch
from balls import cameras_around
from textured import two_squares

from photoreal.mesh import render_mesh
from photoreal.splat import Background
from photoreal.splat.appearance import constant_background
from photoreal.stages.renders import render_textured

CAMERA = cameras_around(4).take([0])
MESH = two_squares()


def test_a_mesh_is_drawn_over_a_backdrop_of_one_colour() -> None:
    colour = torch.tensor([0.2, 0.5, 0.9])
    image = render_textured(MESH, constant_background(colour), CAMERA)
    plain, covered = render_mesh(MESH, CAMERA)
    assert 0.05 < float((covered == 1).float().mean()) < 0.5
    assert torch.equal(image[:, covered == 1], plain[:, covered == 1])
    torch.testing.assert_close(image[:, covered == 0], colour[:, None].expand(3, int((covered == 0).sum())))


def test_a_learned_sphere_is_no_part_of_the_mesh() -> None:
    sphere = Background(torch.ones(16, 3))
    assert torch.equal(render_textured(MESH, sphere, CAMERA), render_mesh(MESH, CAMERA)[0])
