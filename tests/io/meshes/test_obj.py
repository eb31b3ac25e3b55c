from pathlib import Path

import torch
import trimesh

from photoreal.core import TexturedMesh
from photoreal.io import write_obj


def textured() -> TexturedMesh:
    """Two triangles, one a page, the second background."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 2], [5, 0, 0], [6, 0, 0], [5, 0, 2]])
    return TexturedMesh(
        vertices=vertices,
        normals=torch.tensor([[0.0, -1, 0]]).repeat(6, 1),
        faces=torch.tensor([[0, 1, 2], [3, 4, 5]]),
        uvs=torch.tensor([[0.0, 0.25], [1, 0.25], [0, 1], [0, 0], [1, 0], [0, 1]]),
        face_pages=torch.tensor([0, 1]),
        pages=torch.tensor([10, 200], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 8, 8).contiguous(),
        seen=torch.ones(2, 8, 8, dtype=torch.bool),
        background=torch.tensor([False, True]),
    )


def test_other_programs_read_shape_uvs_and_pages(tmp_path: Path) -> None:
    write_obj(tmp_path / "out", textured(), "room")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"room.obj", "room.mtl", "room_0.png", "room_1.png"}
    scene = trimesh.load_scene(tmp_path / "out" / "room.obj")
    parts = sorted(scene.geometry.values(), key=lambda part: part.bounds[0, 0])
    assert [part.bounds.tolist() for part in parts] == [[[0, 0, 0], [1, 0, 2]], [[5, 0, 0], [6, 0, 2]]]
    assert [part.visual.material.image.getpixel((0, 0))[0] for part in parts] == [10, 200]
    # OBJ counts v from below.
    assert sorted(parts[0].visual.uv[:, 1].tolist()) == [0.0, 0.75, 0.75]


def test_background_is_an_object_of_its_own(tmp_path: Path) -> None:
    write_obj(tmp_path / "out", textured())
    text = (tmp_path / "out" / "mesh.obj").read_text()
    assert (
        text.index("o surface") < text.index("usemtl page_0") < text.index("o background") < text.index("usemtl page_1")
    )
    assert "f 1/1/1 2/2/2 3/3/3" in text
