import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade, UsdUtils, UsdValidation
from textured import two_squares

from photoreal.core import FormatError, MissingDependencyError
from photoreal.io import GlbConfig, write_usdz


@pytest.fixture(autouse=True)
def says_nothing(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """OpenUSD warns on standard error of what it does not find."""
    yield
    assert capfd.readouterr().err == ""


def faults(path: Path) -> list[str]:
    """What OpenUSD's own validators say about the package."""
    context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
    return [error.GetMessage() for error in context.Validate(Usd.Stage.Open(str(path)))]


@pytest.mark.parametrize("image", ["jpeg", "png"])
@pytest.mark.parametrize("material", ["unlit", "lit"])
def test_the_validators_of_openusd_find_no_fault(tmp_path: Path, image: str, material: str) -> None:
    write_usdz(tmp_path / "a.usdz", two_squares(), GlbConfig(image=image, material=material))
    assert faults(tmp_path / "a.usdz") == []


def test_files_inside_are_aligned_and_uncompressed(tmp_path: Path) -> None:
    mesh = two_squares()
    write_usdz(tmp_path / "a.usdz", mesh, GlbConfig(image="png"))
    data = (tmp_path / "a.usdz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.usdz") as archive:
        first, *rest = archive.namelist()
        assert (first, sorted(rest)) == ("scene.usdc", ["page_0.png", "page_1.png"])
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            name, extra = np.frombuffer(data, "<u2", 2, entry.header_offset + 26)
            assert (entry.header_offset + 30 + int(name) + int(extra)) % 64 == 0
        for page in range(2):
            with archive.open(f"page_{page}.png") as file, Image.open(file) as picture:
                assert np.array_equal(np.asarray(picture), mesh.pages[page].permute(1, 2, 0).numpy())


def test_what_is_written_comes_back_upright(tmp_path: Path) -> None:
    mesh = two_squares()
    write_usdz(tmp_path / "a.usdz", mesh)
    stage = Usd.Stage.Open(str(tmp_path / "a.usdz"))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().GetPath() == "/scene"
    for place, faces in (("/scene/surface/page_0", mesh.faces[:2]), ("/scene/background/page_1", mesh.faces[2:])):
        node = UsdGeom.Mesh.Get(stage, place)
        index = np.asarray(node.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
        assert np.array_equal(np.asarray(node.GetPointsAttr().Get())[index], mesh.vertices[faces].numpy())
        assert np.array_equal(np.asarray(node.GetNormalsAttr().Get())[index], mesh.normals[faces].numpy())
        uvs = np.asarray(UsdGeom.PrimvarsAPI(node).GetPrimvar("st").Get())[index]
        assert np.allclose(uvs * [1, -1] + [0, 1], mesh.uvs[faces].numpy(), atol=1e-6), "USD counts v from below"
    box = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["default"]).ComputeWorldBound(stage.GetDefaultPrim())
    # The world's z is up; here y is.
    assert np.allclose(box.ComputeAlignedRange().GetMax(), [1, 1, 0], atol=1e-6)
    assert np.allclose(box.ComputeAlignedRange().GetMin(), [0, 0, -1], atol=1e-6)


@pytest.mark.parametrize(("material", "shown", "other"), [("unlit", "emissive", "diffuse"), ("lit", "diffuse", None)])
def test_each_page_has_its_material(tmp_path: Path, material: str, shown: str, other: str | None) -> None:
    write_usdz(tmp_path / "a.usdz", two_squares(), GlbConfig(material=material))
    stage = Usd.Stage.Open(str(tmp_path / "a.usdz"))
    for page, layer in enumerate(("surface", "background")):
        bound, _ = UsdShade.MaterialBindingAPI(
            stage.GetPrimAtPath(f"/scene/{layer}/page_{page}")
        ).ComputeBoundMaterial()
        surface, _, _ = bound.ComputeSurfaceSource()
        assert surface.GetInput("roughness").Get() == 1
        texture = UsdShade.Shader(surface.GetInput(f"{shown}Color").GetConnectedSources()[0][0].source.GetPrim())
        assert texture.GetInput("file").Get().path == f"./page_{page}.jpg"
        assert other is None or surface.GetInput(f"{other}Color").Get() == (0, 0, 0)


def test_all_pictures_are_found_in_the_package(tmp_path: Path) -> None:
    write_usdz(tmp_path / "a.usdz", two_squares(3))
    _, assets, missing = UsdUtils.ComputeAllDependencies(str(tmp_path / "a.usdz"))
    assert len(assets) == 3
    assert missing == []


def test_webp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no webp pictures; choose --mesh\.image jpeg or png"):
        write_usdz(tmp_path / "a.usdz", two_squares(), GlbConfig(image="webp"))
    assert not any(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr.Usd", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'photoreal\[usd\]'"):
        write_usdz(tmp_path / "a.usdz", two_squares())
    assert not any(tmp_path.iterdir())


def test_a_node_makes_metres_of_units(tmp_path: Path) -> None:
    write_usdz(tmp_path / "a.usdz", two_squares(), metres_per_unit=0.25)
    assert faults(tmp_path / "a.usdz") == []
    stage = Usd.Stage.Open(str(tmp_path / "a.usdz"))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    box = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["default"]).ComputeWorldBound(stage.GetDefaultPrim())
    assert np.allclose(box.ComputeAlignedRange().GetMax(), [0.25, 0.25, 0], atol=1e-6)
