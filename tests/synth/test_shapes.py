"""Shapes have the volume, closure and orientation that geometry promises."""

import numpy as np
import pytest

from photoreal.synth import furniture, ornaments
from photoreal.synth.shapes import Mesh, at, ball, lathe, merged, panel, rounded_box, sheet, tube


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem; positive where faces turn counter-clockwise seen from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def open_edges(mesh: Mesh) -> int:
    """Directed edges, vertices at one place being one, that no neighbour runs the other way."""
    _, index = np.unique(np.round(mesh.vertices, 7), axis=0, return_inverse=True)
    faces = index.reshape(-1)[mesh.faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    edges = [tuple(e) for k in range(3) for e in faces[:, [k, (k + 1) % 3]]]
    return len(set(edges) ^ {(b, a) for a, b in edges})


def test_a_rounded_box_is_closed_and_has_its_volume() -> None:
    (a, b, c), r = (0.5, 0.4, 0.3), 0.05
    mesh = rounded_box((a, b, c), r, steps=16, cells=3)
    core = np.array([a, b, c]) - 2 * r
    sides = 2 * r * (core[0] * core[1] + core[1] * core[2] + core[2] * core[0])
    expected = core.prod() + sides + np.pi * r**2 * core.sum() + 4 / 3 * np.pi * r**3
    assert volume(mesh) == pytest.approx(expected, rel=2e-3)
    assert open_edges(mesh) == 0
    np.testing.assert_allclose(np.abs(mesh.vertices).max(0), [a / 2, b / 2, c / 2])
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1)


def test_a_lathed_cone_and_a_ball_have_their_volumes() -> None:
    cone = lathe([(0.0, 0.0), (0.3, 0.0), (0.0, 0.6)], sides=256, smooth=0)
    assert volume(cone) == pytest.approx(np.pi * 0.3**2 * 0.6 / 3, rel=1e-3)
    sphere = ball(lambda direction: np.full(len(direction), 0.2), 96)
    assert volume(sphere) == pytest.approx(4 / 3 * np.pi * 0.2**3, rel=2e-3)
    outward = (sphere.normals * sphere.vertices).sum(-1) / 0.2
    assert np.median(outward) > 0.99


def test_a_tube_has_its_radius_and_faces_outwards() -> None:
    mesh = tube([(0, 0, 0), (0.1, 0, 0.3), (0, 0.2, 0.7)], 0.02, sides=24, smooth=12)
    assert volume(mesh) > 0
    middle = mesh.vertices.reshape(-1, 25, 3)[:, :-1].mean(1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices.reshape(-1, 25, 3) - middle, axis=-1), 0.02, rtol=1e-6)


def test_a_panel_faces_south_and_stands_out_by_its_relief() -> None:
    relief = np.zeros((20, 20), dtype=np.float32)
    relief[:10] = 0.01
    mesh = panel(1.0, 1.0, relief, 0.05)
    upper = mesh.vertices[:, 2] > 0.55
    np.testing.assert_allclose(mesh.vertices[upper, 1], -0.01, atol=1e-6)
    assert (mesh.normals[:, 1] < 0).all()


def test_motions_turn_then_shift() -> None:
    np.testing.assert_allclose(at(1, 2, 3, turn=90) @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)
    np.testing.assert_allclose(at(0, 0, 0, tilt=90) @ [0, 1, 0, 1], [0, 0, 1, 1], atol=1e-12)
    mesh = rounded_box((0.1, 0.2, 0.3), 0.02).moved(at(1, 2, 3, turn=20, tilt=10, roll=5))
    assert volume(mesh.moved(at(0, 0, 5))) == pytest.approx(volume(mesh))
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1)


def test_normals_do_not_break_at_texture_seams() -> None:
    def cylinder(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(u), np.sin(u), v], -1)

    mesh = sheet(cylinder, (2 * np.pi, 1.0), (40, 3))
    np.testing.assert_allclose(mesh.normals[0], mesh.normals[40], atol=1e-9)
    np.testing.assert_allclose(mesh.normals[:, :2], mesh.vertices[:, :2], atol=0.04)


def test_merged_meshes_keep_their_own_faces() -> None:
    one, two = rounded_box((1, 1, 1), 0.1), rounded_box((1, 1, 1), 0.1).moved(at(3, 0, 0))
    assert volume(merged([one, two])) == pytest.approx(2 * volume(one))


MADE = {
    "armchair": lambda: furniture.armchair(1),
    "table": lambda: furniture.side_table(2),
    "bookcase": lambda: furniture.bookcase(1.0, 1.9, 3),
    "lamp": lambda: furniture.floor_lamp(4),
    "pouf": lambda: furniture.pouf(5),
    "curtain": lambda: furniture.curtain(0.6, 2.2, 6),
    "vase": lambda: ornaments.vase(7),
    "plant": lambda: ornaments.potted_plant(8),
    "bust": lambda: ornaments.bust(9),
    "globe": lambda: ornaments.globe(10),
    "basket": lambda: ornaments.basket(11),
    "mug": lambda: ornaments.mug(12),
    "jar": lambda: ornaments.jar(13, (0.3, 0.4, 0.4), 0.2),
    "pile of books": lambda: ornaments.Library(15).pile(4),
}


@pytest.mark.parametrize("name", MADE)
def test_furniture_stands_on_its_foot(name: str) -> None:
    things = MADE[name]()
    mesh = merged([thing.mesh for thing in things])
    assert np.isfinite(mesh.vertices).all()
    assert np.isfinite(mesh.uvs).all()
    assert mesh.faces.max() < len(mesh.vertices)
    assert -0.02 <= mesh.vertices[:, 2].min() <= 0.03
    used = np.unique(mesh.faces)
    assert (np.abs(np.linalg.norm(mesh.normals[used], axis=-1) - 1) < 1e-3).mean() > 0.99


def test_books_fill_their_row_and_fit_under_the_next_shelf() -> None:
    mesh = merged([thing.mesh for thing in ornaments.Library(3).row(0.8, 0.3)])
    assert 0.7 < mesh.vertices[:, 0].max() < 0.87
    assert mesh.vertices[:, 0].min() > -0.02
    assert mesh.vertices[:, 2].max() < 0.3
