import torch
from textured import two_squares

from photoreal.io.meshes.parts import parts_of


def test_every_triangle_is_in_one_part() -> None:
    mesh = two_squares(3)
    parts = parts_of(mesh)
    assert list(parts) == ["surface", "background"]
    assert [part.page for layer in parts.values() for part in layer] == [0, 2]
    for layer, faces in (("surface", mesh.faces[:2]), ("background", mesh.faces[2:])):
        [part] = parts[layer]
        assert len(part.vertices) == 4, "unused vertices are left out"
        for field in ("vertices", "normals", "uvs"):
            assert torch.equal(getattr(part, field)[part.faces], getattr(mesh, field)[faces])


def test_a_layer_without_triangles_is_left_out() -> None:
    assert list(parts_of(two_squares(background=False))) == ["surface"]
    assert len(parts_of(two_squares(2, background=False))["surface"]) == 2


def test_normals_are_of_unit_length_and_up_without_direction() -> None:
    mesh = two_squares()
    [part] = parts_of(mesh.replace(normals=torch.tensor([[0.0, 0, 0], *[[3.0, 0, 4]] * 8])))["surface"]
    assert torch.allclose(part.normals, torch.tensor([[0.0, 0, 1], *[[0.6, 0, 0.8]] * 3]))
