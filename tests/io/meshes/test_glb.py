import json
import struct
from pathlib import Path

import pytest
import torch
import trimesh

from photoreal.core import FormatError, TexturedMesh
from photoreal.io import GlbConfig, read_glb, write_glb, write_seen


def textured(pages: int = 2) -> TexturedMesh:
    """Two squares, one a page, the second background; vertex 8 is used by none."""
    generator = torch.Generator().manual_seed(0)
    square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    vertices = torch.cat([square, square + torch.tensor([0, 0, 1.0]), torch.zeros(1, 3)])
    return TexturedMesh(
        vertices=vertices,
        normals=torch.tensor([[0.0, 0, 1]]).repeat(9, 1),
        faces=torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]),
        uvs=torch.rand(9, 2, generator=generator),
        face_pages=torch.tensor([0, 0, pages - 1, pages - 1]),
        pages=torch.randint(0, 256, (pages, 3, 64, 64), generator=generator, dtype=torch.uint8),
        seen=torch.rand(pages, 64, 64, generator=generator) > 0.5,
        background=torch.tensor([False, False, True, True]),
    )


@pytest.mark.parametrize("pages", [1, 2])
def test_what_is_written_comes_back(tmp_path: Path, pages: int) -> None:
    mesh = textured(pages)
    write_glb(tmp_path / "a.glb", mesh, GlbConfig(image="png"))
    write_seen(tmp_path / "a.png", mesh)
    back = read_glb(tmp_path / "a.glb", tmp_path / "a.png")
    assert torch.equal(back.vertices[back.faces], mesh.vertices[mesh.faces])
    assert torch.equal(back.uvs[back.faces], mesh.uvs[mesh.faces])
    assert torch.equal(back.normals[back.faces], mesh.normals[mesh.faces])
    assert torch.equal(back.face_pages, mesh.face_pages)
    assert torch.equal(back.background, mesh.background)
    assert torch.equal(back.pages, mesh.pages)
    assert torch.equal(back.seen, mesh.seen)
    assert len(back.vertices) == 8


def test_jpeg_and_webp_are_near(tmp_path: Path) -> None:
    mesh = textured()
    smooth = torch.linspace(0, 255, 64).expand(2, 3, 64, 64).to(torch.uint8).contiguous()
    for image in ("jpeg", "webp"):
        write_glb(tmp_path / "a.glb", mesh.replace(pages=smooth), GlbConfig(image=image))
        back = read_glb(tmp_path / "a.glb").pages
        assert float((back.float() - smooth.float()).abs().mean()) < 2
        assert bool(read_glb(tmp_path / "a.glb").seen.all())


def test_other_programs_read_it_upright(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", textured(), GlbConfig(image="png"))
    scene = trimesh.load_scene(tmp_path / "a.glb")
    assert len(scene.geometry) == 2
    assert len(scene.to_geometry().faces) == 4
    # The world's z is up; glTF's is y.
    assert scene.bounds[1].tolist() == pytest.approx([1, 1, 0], abs=1e-6)
    assert scene.bounds[0].tolist() == pytest.approx([0, 0, -1], abs=1e-6)


def test_materials_are_rough_and_unlit_if_asked(tmp_path: Path) -> None:
    for material in ("unlit", "lit"):
        write_glb(tmp_path / "a.glb", textured(), GlbConfig(material=material))
        data = (tmp_path / "a.glb").read_bytes()
        root = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
        for entry in root["materials"]:
            assert entry["pbrMetallicRoughness"]["roughnessFactor"] == 1.0
            assert ("KHR_materials_unlit" in entry.get("extensions", {})) == (material == "unlit")
        assert ("extensionsUsed" in root) == (material == "unlit")


def test_every_view_starts_at_a_whole_word(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", textured())
    data = (tmp_path / "a.glb").read_bytes()
    assert struct.unpack_from("<I", data, 8)[0] == len(data)
    root = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    assert all(view["byteOffset"] % 4 == 0 for view in root["bufferViews"])
    assert len(data) % 4 == 0


def spoiled(data: bytes, **changes: object) -> bytes:
    """The file with fields of its JSON replaced."""
    length = struct.unpack_from("<I", data, 12)[0]
    text = json.dumps(json.loads(data[20 : 20 + length]) | changes).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = struct.pack("<III", 0x46546C67, 2, 20 + len(text) + len(rest))
    return head + struct.pack("<II", len(text), 0x4E4F534A) + text + rest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: b"", "not a GLB"),
        (lambda d: b"solid cube" * 10, "not a GLB file of version 2"),
        (lambda d: d[:-7], "cut off or damaged"),
        (lambda d: spoiled(d, images=[{"bufferView": 999}]), "not a GLB that photoreal wrote"),
        (lambda d: spoiled(d, bufferViews=[{"byteLength": 10**12}]), "reaches beyond the file"),
        (lambda d: spoiled(d, meshes=[{"primitives": [{}]}]), "not a GLB that photoreal wrote"),
        (
            lambda d: spoiled(d, accessors=[{"bufferView": 0, "componentType": 5126, "count": 10**9, "type": "VEC3"}]),
            "not",
        ),
        (lambda d: spoiled(d, images=[]), "not a GLB that photoreal wrote"),
    ],
)
def test_damage_is_said_in_one_line(tmp_path: Path, change, said: str) -> None:
    write_glb(tmp_path / "a.glb", textured())
    (tmp_path / "b.glb").write_bytes(change((tmp_path / "a.glb").read_bytes()))
    with pytest.raises(FormatError, match=said) as caught:
        read_glb(tmp_path / "b.glb")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read"):
        read_glb(tmp_path / "none.glb")


def test_a_mask_of_another_size_is_said(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", textured(2))
    write_seen(tmp_path / "a.png", textured(1))
    with pytest.raises(FormatError, match="texels instead of"):
        read_glb(tmp_path / "a.glb", tmp_path / "a.png")
