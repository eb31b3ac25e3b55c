from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from textured import two_squares

from photoreal.io import write_textured_ply


def test_other_programs_read_shape_uvs_and_picture(tmp_path: Path) -> None:
    mesh = two_squares(1)
    write_textured_ply(tmp_path / "out", mesh, "room")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"room.ply", "room_0.png"}
    back = trimesh.load_mesh(tmp_path / "out" / "room.ply", process=False)
    assert np.array_equal(back.vertices[back.faces], mesh.vertices[mesh.faces].numpy())
    # PLY counts v from below.
    ours = mesh.uvs[mesh.faces].numpy() * [1, -1] + [0, 1]
    assert np.allclose(back.visual.uv[back.faces], ours, atol=1e-6)
    assert np.array_equal(np.asarray(back.visual.material.image), mesh.pages[0].permute(1, 2, 0).numpy())


def test_every_face_names_its_page_and_layer(tmp_path: Path) -> None:
    mesh = two_squares(3)
    write_textured_ply(tmp_path / "out", mesh)
    text = (tmp_path / "out" / "mesh.ply").read_bytes().partition(b"end_header")[0].decode()
    assert [line for line in text.splitlines() if "TextureFile" in line] == [
        f"comment TextureFile mesh_{page}.png" for page in range(3)
    ]
    for page in range(3):
        with Image.open(tmp_path / "out" / f"mesh_{page}.png") as picture:
            assert np.array_equal(np.asarray(picture), mesh.pages[page].permute(1, 2, 0).numpy())
    faces = trimesh.load_mesh(tmp_path / "out" / "mesh.ply", process=False).metadata["_ply_raw"]["face"]["data"]
    assert faces["texnumber"].tolist() == [0, 0, 2, 2]
    assert faces["background"].tolist() == [0, 0, 1, 1]


def test_normals_are_written(tmp_path: Path) -> None:
    write_textured_ply(tmp_path / "out", two_squares(1))
    vertices = trimesh.load_mesh(tmp_path / "out" / "mesh.ply", process=False).metadata["_ply_raw"]["vertex"]["data"]
    assert np.array_equal(np.stack([vertices[name] for name in ("nx", "ny", "nz")], 1), [[0, 0, 1]] * 9)
