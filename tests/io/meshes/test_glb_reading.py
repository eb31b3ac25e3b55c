import contextlib
import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from textured import two_squares

from photoreal.core import FormatError
from photoreal.io import GlbConfig, glb_bytes, read_glb, write_glb, write_seen
from photoreal.io.meshes.glb_reading import glb_metres_per_unit


@pytest.mark.parametrize("pages", [1, 2])
def test_what_is_written_comes_back(tmp_path: Path, pages: int) -> None:
    mesh = two_squares(pages)
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


@pytest.mark.parametrize("pages", [1, 2])
def test_compressed_squares_come_back_in_some_order(tmp_path: Path, pages: int) -> None:
    mesh = two_squares(pages)
    write_glb(tmp_path / "a.glb", mesh, GlbConfig(image="png", compress="draco"))
    back = read_glb(tmp_path / "a.glb")
    assert torch.equal(back.pages, mesh.pages)
    assert sorted(back.background.tolist()) == sorted(mesh.background.tolist())
    assert sorted(back.face_pages.tolist()) == sorted(mesh.face_pages.tolist())
    assert torch.equal(back.shape.face_normals, torch.tensor([[0.0, 0, 1]]).repeat(4, 1)), "none is turned over"
    ours, theirs = torch.cat([mesh.vertices, mesh.uvs], 1)[:8], torch.cat([back.vertices, back.uvs], 1)
    distances = (ours[:, None] - theirs).abs().amax(2)
    assert sorted(distances.argmin(1).tolist()) == list(range(8))
    assert float(distances.amin(1).max()) < 1 / 130_000


def test_jpeg_and_webp_are_near(tmp_path: Path) -> None:
    smooth = torch.linspace(0, 255, 64).expand(2, 3, 64, 64).to(torch.uint8).contiguous()
    for image in ("jpeg", "webp"):
        write_glb(tmp_path / "a.glb", two_squares().replace(pages=smooth), GlbConfig(image=image))
        back = read_glb(tmp_path / "a.glb").pages
        assert float((back.float() - smooth.float()).abs().mean()) < 2
        assert bool(read_glb(tmp_path / "a.glb").seen.all())


def spoiled(data: bytes, **changes: object) -> bytes:
    """The file with fields of its JSON replaced."""
    length = struct.unpack_from("<I", data, 12)[0]
    text = json.dumps(json.loads(data[20 : 20 + length]) | changes).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = struct.pack("<III", 0x46546C67, 2, 20 + len(text) + len(rest))
    return head + struct.pack("<II", len(text), 0x4E4F534A) + text + rest


def packed_into(view: int, **numbers: int) -> list[dict]:
    """Meshes whose one primitive claims to be compressed in the view, with such numbers of the attributes."""
    packed = {"bufferView": view, "attributes": numbers, "extras": {"crc32": 0}}
    extension = {"KHR_draco_mesh_compression": packed}
    return [{"primitives": [{"attributes": {}, "material": 0, "extensions": extension}]}]


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
        (lambda d: spoiled(d, meshes=packed_into(0)), "compressed triangles of page 0 are damaged"),
        (lambda d: spoiled(d, meshes=packed_into(99)), "not a GLB that photoreal wrote"),
    ],
)
def test_damage_is_said_in_one_line(tmp_path: Path, change, said: str) -> None:
    (tmp_path / "b.glb").write_bytes(change(glb_bytes(two_squares())))
    with pytest.raises(FormatError, match=said) as caught:
        read_glb(tmp_path / "b.glb")
    assert "\n" not in str(caught.value)


def test_one_wrong_byte_among_compressed_triangles_is_said(tmp_path: Path) -> None:
    data = bytearray(glb_bytes(two_squares(1), GlbConfig(compress="draco")))
    data[-20] ^= 255
    (tmp_path / "b.glb").write_bytes(data)
    with pytest.raises(FormatError, match="compressed triangles of page 0 are damaged"):
        read_glb(tmp_path / "b.glb")


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), compress=st.sampled_from(["none", "draco"]))
def test_a_wrong_byte_is_read_or_said(tmp_path_factory, place: float, value: int, compress: str) -> None:
    data = bytearray(glb_bytes(two_squares(), GlbConfig(image="png", compress=compress)))
    data[int(place * len(data))] = value
    path = tmp_path_factory.mktemp("wrong") / "a.glb"
    path.write_bytes(data)
    with contextlib.suppress(FormatError):
        assert bool(read_glb(path).vertices.isfinite().all())


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read"):
        read_glb(tmp_path / "none.glb")


def test_a_mask_of_another_size_is_said(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", two_squares(2))
    write_seen(tmp_path / "a.png", two_squares(1))
    with pytest.raises(FormatError, match="texels instead of"):
        read_glb(tmp_path / "a.glb", tmp_path / "a.png")


@pytest.mark.parametrize("compress", ["none", "draco"])
def test_a_mesh_comes_back_in_its_own_units(tmp_path: Path, compress: str) -> None:
    for metres in (1.0, 0.25, 1e-6):
        write_glb(tmp_path / "a.glb", two_squares(), GlbConfig(compress=compress), metres_per_unit=metres)
        assert float(read_glb(tmp_path / "a.glb").vertices.max()) == pytest.approx(1, abs=1e-4)
        assert glb_metres_per_unit(tmp_path / "a.glb") == metres


@pytest.mark.parametrize("nodes", [[], [1], [{"scale": 2}], [{"scale": [0, 0, 0]}], [{"scale": ["a"]}], None])
def test_a_damaged_scale_is_said(tmp_path: Path, nodes: object) -> None:
    (tmp_path / "b.glb").write_bytes(spoiled(glb_bytes(two_squares()), nodes=nodes))
    with pytest.raises(FormatError, match=r"scale is 0|not a GLB that photoreal wrote"):
        glb_metres_per_unit(tmp_path / "b.glb")
