import itertools
import json
import struct
from pathlib import Path

import pytest
import torch
import trimesh
from textured import two_squares
from validator import complaints

from photoreal.io import GlbConfig, glb_bytes, write_glb

OPTIONS = [
    GlbConfig(image=image, material=material, compress=compress)
    for image, material, compress in itertools.product(("jpeg", "png", "webp"), ("unlit", "lit"), ("none", "draco"))
]


def root_of(data: bytes) -> dict:
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


@pytest.mark.parametrize("config", OPTIONS, ids=lambda config: f"{config.image}-{config.material}-{config.compress}")
def test_the_validator_of_khronos_finds_no_fault(tmp_path: Path, config: GlbConfig) -> None:
    write_glb(tmp_path / "a.glb", two_squares(), config)
    assert complaints(tmp_path / "a.glb") == []


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("background", [True, False])
def test_the_validator_finds_no_fault_with_any_number_of_pages(tmp_path: Path, pages: int, background: bool) -> None:
    write_glb(tmp_path / "a.glb", two_squares(pages, background=background))
    assert complaints(tmp_path / "a.glb") == []


def test_the_validator_finds_faults(tmp_path: Path) -> None:
    mesh = two_squares()
    write_glb(tmp_path / "a.glb", mesh.replace(uvs=mesh.uvs * torch.inf))
    assert any("ACCESSOR_INVALID_FLOAT" in one for one in complaints(tmp_path / "a.glb"))


def test_normals_without_a_direction_become_valid_ones(tmp_path: Path) -> None:
    mesh = two_squares()
    write_glb(tmp_path / "a.glb", mesh.replace(normals=mesh.normals * torch.linspace(0, 3, 9)[:, None]))
    assert complaints(tmp_path / "a.glb") == []


def test_other_programs_read_it_upright(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", two_squares(), GlbConfig(image="png"))
    scene = trimesh.load_scene(tmp_path / "a.glb")
    assert len(scene.geometry) == 2
    assert len(scene.to_geometry().faces) == 4
    # The world's z is up; glTF's is y.
    assert scene.bounds[1].tolist() == pytest.approx([1, 1, 0], abs=1e-6)
    assert scene.bounds[0].tolist() == pytest.approx([0, 0, -1], abs=1e-6)


@pytest.mark.parametrize("config", OPTIONS[:4], ids=lambda config: f"{config.material}-{config.compress}")
def test_materials_are_rough_and_unlit_if_asked(config: GlbConfig) -> None:
    root = root_of(glb_bytes(two_squares(), config))
    for entry in root["materials"]:
        assert entry["pbrMetallicRoughness"]["roughnessFactor"] == 1.0
        assert ("KHR_materials_unlit" in entry.get("extensions", {})) == (config.material == "unlit")
    packed = ["KHR_draco_mesh_compression"] * (config.compress == "draco")
    assert root.get("extensionsUsed", []) == ["KHR_materials_unlit"] * (config.material == "unlit") + packed
    assert root.get("extensionsRequired", []) == packed


@pytest.mark.parametrize("compress", ["none", "draco"])
def test_every_view_starts_at_a_whole_word(compress: str) -> None:
    data = glb_bytes(two_squares(), GlbConfig(compress=compress))
    assert struct.unpack_from("<I", data, 8)[0] == len(data)
    assert all(view["byteOffset"] % 4 == 0 for view in root_of(data)["bufferViews"])
    assert len(data) % 4 == 0


def test_compressed_triangles_stand_in_the_file_once() -> None:
    root = root_of(glb_bytes(two_squares(), GlbConfig(compress="draco")))
    assert len(root["bufferViews"]) == 4, "two pages and two parts"
    assert all("bufferView" not in accessor for accessor in root["accessors"])
    for primitive in (primitive for mesh in root["meshes"] for primitive in mesh["primitives"]):
        packed = primitive["extensions"]["KHR_draco_mesh_compression"]
        assert packed["attributes"].keys() == primitive["attributes"].keys()
        assert root["accessors"][primitive["indices"]]["count"] == 6
        assert root["accessors"][primitive["attributes"]["POSITION"]]["count"] == 4


def test_a_node_makes_metres_of_units(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", two_squares(), metres_per_unit=0.25)
    assert complaints(tmp_path / "a.glb") == []
    assert trimesh.load_scene(tmp_path / "a.glb").bounds[1].tolist() == pytest.approx([0.25, 0.25, 0], abs=1e-6)
    assert "scale" not in root_of(glb_bytes(two_squares()))["nodes"][0]
