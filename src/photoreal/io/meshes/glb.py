"""GLB, the binary form of glTF 2.0 (Khronos Group 2021).

A file has one node, turned so that the world's z, which is up in a scene, becomes glTF's y, and scaled so that units
become metres where their size is known. Below it are the meshes
`surface` and, where there is one, `background`, each with a primitive for every texture page. Colours are those of the
photographs: the material is unlit (KHR_materials_unlit), with a rough, unmetallic one for programs without it.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import TexturedMesh
from photoreal.io.files import atomic_path
from photoreal.io.meshes.draco import Packed, pack
from photoreal.io.meshes.pages import ImageKind, encode_page
from photoreal.io.meshes.parts import Part, parts_of

MAGIC, JSON_CHUNK, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
FLOAT, UINT, USHORT = 5126, 5125, 5123
DRACO = "KHR_draco_mesh_compression"
_VERTICES, _INDICES = 34962, 34963
_UPRIGHT = [-(0.5**0.5), 0.0, 0.0, 0.5**0.5]
"""xyzw: a quarter turn about x that takes z to y."""
_LINEAR, _MIPMAPS, _CLAMP = 9729, 9987, 33071


@dataclass(frozen=True)
class GlbConfig:
    """How a mesh is written as GLB; USDZ follows image, quality and material."""

    image: ImageKind = "jpeg"
    """jpeg: small and opens anywhere; png: the texture to the last bit; webp: smallest, needs EXT_texture_webp."""
    quality: int = 95
    """Of JPEG and WebP, 1 to 100; colours are kept at full resolution."""
    material: Literal["unlit", "lit"] = "unlit"
    """unlit: shows the photographs' own colours; lit: rough and not metallic, under the viewer's lights."""
    compress: Literal["none", "draco"] = "none"
    """none: triangles exactly; draco: a seventh of their size, rounded to 16 bits, needs the extra `compress`."""


def write_glb(path: Path, mesh: TexturedMesh, config: GlbConfig | None = None, *, metres_per_unit: float = 1.0) -> None:
    """Write positions, normals, uvs and texture pages; unused vertices are left out.

    Positions stay in the mesh's units; the node above them makes metres of them.

    With `compress` draco, triangles and vertices change their order and are rounded as the text of `draco` states.

    Raises:
        FormatError: Draco cannot hold the mesh, for all triangles of a page and layer are points.
        MissingDependencyError: DracoPy is needed and not installed (the `compress` extra).
        SceneError: the disk is full or the place cannot be written.
    """
    data = glb_bytes(mesh, config, metres_per_unit=metres_per_unit)
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def glb_bytes(mesh: TexturedMesh, config: GlbConfig | None = None, *, metres_per_unit: float = 1.0) -> bytes:
    """What `write_glb` writes.

    Raises:
        FormatError, MissingDependencyError: as `write_glb`.
    """
    writer = _Writer(config or GlbConfig(), metres_per_unit)
    for page in mesh.pages:
        writer.image(page)
    for name, parts in parts_of(mesh).items():
        writer.mesh(name, parts)
    return writer.bytes()


class _Writer:
    """Collects what the two chunks hold."""

    def __init__(self, config: GlbConfig, metres_per_unit: float) -> None:
        self.config = config
        self.node = {"name": "scene", "rotation": _UPRIGHT}
        if metres_per_unit != 1:
            self.node["scale"] = [metres_per_unit] * 3
        self.blob = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.meshes: list[dict[str, Any]] = []

    def image(self, page: UInt8[Tensor, "3 S S"]) -> None:
        data = encode_page(page, self.config.image, self.config.quality)
        self.images.append({"bufferView": self._view(data), "mimeType": f"image/{self.config.image}"})

    def mesh(self, name: str, parts: list[Part]) -> None:
        if self.config.compress == "draco":
            primitives = [self._packed(packed) for packed in pack(parts)]
        else:
            primitives = [self._primitive(part) for part in parts]
        self.meshes.append({"name": name, "primitives": primitives})

    def _packed(self, packed: Packed) -> dict[str, Any]:
        # Draco's decoder may take minutes over damaged data before it gives up; a reader of ours need not begin.
        extension = {
            "bufferView": self._view(packed.data),
            "attributes": packed.ids,
            "extras": {"crc32": zlib.crc32(packed.data)},
        }
        return self._primitive(packed.part, stored=False) | {"extensions": {DRACO: extension}}

    def _primitive(self, part: Part, *, stored: bool = True) -> dict[str, Any]:
        """Numbers that are not stored are elsewhere; then accessors only tell what they are like."""
        kind = np.uint16 if len(part.vertices) < 65535 else np.uint32
        fields = {"POSITION": part.vertices, "NORMAL": part.normals, "TEXCOORD_0": part.uvs}
        return {
            "attributes": {
                key: self._accessor(values.numpy(), stored=stored, bounds=key == "POSITION")
                for key, values in fields.items()
            },
            "indices": self._accessor(part.faces.reshape(-1).numpy().astype(kind), stored=stored),
            "material": part.page,
        }

    def _accessor(self, values: NDArray[Any], *, stored: bool, bounds: bool = False) -> int:
        component = {"f": FLOAT, "I": UINT, "H": USHORT}[values.dtype.char]
        entry: dict[str, Any] = {
            "componentType": component,
            "count": len(values),
            "type": "SCALAR" if values.ndim == 1 else f"VEC{values.shape[1]}",
        }
        if stored:
            entry["bufferView"] = self._view(values.tobytes(), _VERTICES if component == FLOAT else _INDICES)
        if bounds:
            entry |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def _view(self, data: bytes, target: int = 0) -> int:
        self.blob += bytes(-len(self.blob) % 4)
        self.views.append(
            {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)}
            | ({"target": target} if target else {})
        )
        self.blob += data
        return len(self.views) - 1

    def bytes(self) -> bytes:
        blob = bytes(self.blob) + bytes(-len(self.blob) % 4)
        text = json.dumps(self._root(len(blob)), separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + len(blob)
        head = struct.pack("<III", MAGIC, 2, size)
        return head + struct.pack("<II", len(text), JSON_CHUNK) + text + struct.pack("<II", len(blob), _BINARY) + blob

    def _root(self, size: int) -> dict[str, Any]:
        webp = self.config.image == "webp"
        required = ["EXT_texture_webp"] * webp + [DRACO] * (self.config.compress == "draco")
        used = ["KHR_materials_unlit"] * (self.config.material == "unlit") + required
        texture = (lambda i: {"extensions": {"EXT_texture_webp": {"source": i}}}) if webp else _source
        children = list(range(1, len(self.meshes) + 1))
        return {
            "asset": {"version": "2.0", "generator": "photoreal"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [self.node | {"children": children}]
            + [{"name": mesh["name"], "mesh": i} for i, mesh in enumerate(self.meshes)],
            "meshes": self.meshes,
            "materials": [_material(i, self.config) for i in range(len(self.images))],
            "textures": [{"sampler": 0} | texture(i) for i in range(len(self.images))],
            "samplers": [{"magFilter": _LINEAR, "minFilter": _MIPMAPS, "wrapS": _CLAMP, "wrapT": _CLAMP}],
            "images": self.images,
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": size}],
        } | {key: names for key, names in (("extensionsUsed", used), ("extensionsRequired", required)) if names}


def _source(index: int) -> dict[str, Any]:
    return {"source": index}


def _material(page: int, config: GlbConfig) -> dict[str, Any]:
    plain = {
        "name": f"page {page}",
        "doubleSided": True,
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": page}, "metallicFactor": 0.0, "roughnessFactor": 1.0,
        },
    }  # fmt: skip
    return plain | ({"extensions": {"KHR_materials_unlit": {}}} if config.material == "unlit" else {})
