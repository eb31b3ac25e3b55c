"""USDZ, the packed form of Universal Scene Description that iPhones, iPads and Macs show without another program.

The stage's y is up and its unit a metre, as AR Quick Look wants them: one node turns the world's z up, and makes metres
of units where their size is known, as in our GLB. Below it are the nodes `surface` and, where there is one,
`background`, each with a mesh for every texture page. The root layer is binary, and all files start at multiples of 64
bytes, uncompressed.
"""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from photoreal.core import FormatError, SceneError, TexturedMesh, require
from photoreal.io.files import atomic_path
from photoreal.io.meshes.glb import GlbConfig
from photoreal.io.meshes.pages import encode_page
from photoreal.io.meshes.parts import Part, parts_of

_SUFFIXES = {"jpeg": "jpg", "png": "png"}


def write_usdz(
    path: Path, mesh: TexturedMesh, config: GlbConfig | None = None, *, metres_per_unit: float = 1.0
) -> None:
    """Write positions, normals, uvs and texture pages; unused vertices are left out.

    An unlit material shines with the photographs' colours and reflects nothing; a lit one is rough.

    Raises:
        FormatError: `config.image` is webp, which USDZ cannot hold.
        MissingDependencyError: OpenUSD is not installed (the `usd` extra).
        SceneError: the disk is full or the place cannot be written.
    """
    config = config or GlbConfig()
    if config.image not in _SUFFIXES:
        raise FormatError(f"USDZ holds no {config.image} pictures; choose --mesh.image {' or '.join(_SUFFIXES)}")
    require("pxr.Usd", extra="usd")
    with atomic_path(path) as partial, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = [f"page_{page}.{_SUFFIXES[config.image]}" for page in range(len(mesh.pages))]
        for picture, page in zip(pictures, mesh.pages, strict=True):
            (folder / picture).write_bytes(encode_page(page, config.image, config.quality))
        stage = _stage_in(folder / "scene.usdc", metres_per_unit)
        _fill(stage, mesh, pictures, config)
        if not _module("UsdUtils").CreateNewUsdzPackage(str(folder / "scene.usdc"), str(partial)):
            raise SceneError(f"cannot write {path}: OpenUSD could not pack it")


def _module(name: str) -> ModuleType:
    return require(f"pxr.{name}", extra="usd")


def _stage_in(path: Path, metres_per_unit: float) -> Any:
    """A new stage in metres, y up, whose root node holds what is z up and in units."""
    geometry = _module("UsdGeom")
    stage = _module("Usd").Stage.CreateNew(str(path))
    geometry.SetStageUpAxis(stage, geometry.Tokens.y)
    geometry.SetStageMetersPerUnit(stage, 1.0)
    root = geometry.Xform.Define(stage, "/scene")
    root.AddRotateXOp().Set(-90.0)
    if metres_per_unit != 1:
        root.AddScaleOp().Set((metres_per_unit,) * 3)
    stage.SetDefaultPrim(root.GetPrim())
    _module("Usd").ModelAPI(root).SetKind("component")
    return stage


def _fill(stage: Any, mesh: TexturedMesh, pictures: list[str], config: GlbConfig) -> None:
    geometry = _module("UsdGeom")
    materials = [_material(stage, f"/scene/materials/page_{i}", name, config) for i, name in enumerate(pictures)]
    for layer, parts in parts_of(mesh).items():
        geometry.Xform.Define(stage, f"/scene/{layer}")
        for part in parts:
            _add_part(stage, f"/scene/{layer}/page_{part.page}", part, materials[part.page])
    stage.GetRootLayer().Save()


def _add_part(stage: Any, place: str, part: Part, material: Any) -> None:
    geometry, types, arrays = _module("UsdGeom"), _module("Sdf").ValueTypeNames, _module("Vt")
    node = geometry.Mesh.Define(stage, place)
    points = arrays.Vec3fArray.FromNumpy(part.vertices.numpy())
    node.CreatePointsAttr(points)
    node.CreateExtentAttr(geometry.PointBased.ComputeExtent(points))
    node.CreateFaceVertexCountsAttr(arrays.IntArray.FromNumpy(torch.full((len(part.faces),), 3).int().numpy()))
    node.CreateFaceVertexIndicesAttr(arrays.IntArray.FromNumpy(part.faces.int().reshape(-1).numpy()))
    node.CreateNormalsAttr(arrays.Vec3fArray.FromNumpy(part.normals.numpy()))
    node.SetNormalsInterpolation(geometry.Tokens.vertex)
    node.CreateSubdivisionSchemeAttr(geometry.Tokens.none)
    node.CreateDoubleSidedAttr(True)  # noqa: FBT003 - OpenUSD's own signature
    # USD counts v from below.
    uvs = part.uvs * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])
    names = geometry.PrimvarsAPI(node).CreatePrimvar("st", types.TexCoord2fArray, geometry.Tokens.vertex)
    names.Set(arrays.Vec2fArray.FromNumpy(uvs.numpy()))
    _module("UsdShade").MaterialBindingAPI.Apply(node.GetPrim()).Bind(material)


def _material(stage: Any, place: str, picture: str, config: GlbConfig) -> Any:
    shading, types = _module("UsdShade"), _module("Sdf").ValueTypeNames
    material = shading.Material.Define(stage, place)
    reader = _shader(stage, f"{place}/uvs", "UsdPrimvarReader_float2", {"varname": (types.String, "st")})
    inputs = {
        # Without the dot OpenUSD looks for the picture elsewhere too, and renames what it finds.
        "file": (types.Asset, f"./{picture}"),
        "sourceColorSpace": (types.Token, "sRGB"),
        "wrapS": (types.Token, "clamp"),
        "wrapT": (types.Token, "clamp"),
    }
    texture = _shader(stage, f"{place}/texture", "UsdUVTexture", inputs)
    uvs = reader.CreateOutput("result", types.Float2)
    texture.CreateInput("st", types.Float2).ConnectToSource(uvs)
    inputs = {"roughness": (types.Float, 1.0), "metallic": (types.Float, 0.0)}
    if config.material == "unlit":
        # An index of refraction of 1 reflects nothing.
        inputs |= {"diffuseColor": (types.Color3f, (0.0, 0.0, 0.0)), "ior": (types.Float, 1.0)}
    surface = _shader(stage, f"{place}/surface", "UsdPreviewSurface", inputs)
    shown = "emissiveColor" if config.material == "unlit" else "diffuseColor"
    surface.CreateInput(shown, types.Color3f).ConnectToSource(texture.CreateOutput("rgb", types.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    return material


def _shader(stage: Any, place: str, kind: str, inputs: dict[str, tuple[Any, Any]]) -> Any:
    shader = _module("UsdShade").Shader.Define(stage, place)
    shader.CreateIdAttr(kind)
    for name, (type_name, value) in inputs.items():
        shader.CreateInput(name, type_name).Set(value)
    return shader
