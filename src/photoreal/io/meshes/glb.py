"""GLB, the binary form of glTF 2.0 (Khronos Group 2021).

A file has one node, turned so that the world's z, which is up in a scene, becomes glTF's y. Below it are the meshes
`surface` and, where there is one, `background`, each with a primitive for every texture page. Colours are those of the
photographs: the material is unlit (KHR_materials_unlit), with a rough, unmetallic one for programs without it.
"""

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from photoreal.core import FormatError, TexturedMesh
from photoreal.io.files import atomic_path

ImageKind = Literal["jpeg", "png", "webp"]
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _UINT, _USHORT = 5126, 5125, 5123
_VERTICES, _INDICES = 34962, 34963
_UPRIGHT = [-(0.5**0.5), 0.0, 0.0, 0.5**0.5]
"""xyzw: a quarter turn about x that takes z to y."""
_LINEAR, _MIPMAPS, _CLAMP = 9729, 9987, 33071
_MOST_TEXELS = 1 << 28


@dataclass(frozen=True)
class GlbConfig:
    """How a mesh is written as GLB."""

    image: ImageKind = "jpeg"
    """jpeg: small and opens anywhere; png: the texture to the last bit; webp: smallest, needs EXT_texture_webp."""
    quality: int = 95
    """Of JPEG and WebP, 1 to 100; colours are kept at full resolution."""
    material: Literal["unlit", "lit"] = "unlit"
    """unlit: shows the photographs' own colours; lit: rough and not metallic, under the viewer's lights."""


def write_glb(path: Path, mesh: TexturedMesh, config: GlbConfig | None = None) -> None:
    """Write positions, normals, uvs and texture pages; unused vertices are left out.

    Raises:
        SceneError: the disk is full or the place cannot be written.
    """
    config = config or GlbConfig()
    writer = _Writer()
    for page in mesh.pages:
        writer.image(page, config)
    for name, faces in (("surface", ~mesh.background), ("background", mesh.background)):
        if bool(faces.any()):
            writer.mesh(name, mesh, faces)
    with atomic_path(path) as partial:
        partial.write_bytes(writer.bytes(config))


class _Writer:
    """Collects what the two chunks hold."""

    def __init__(self) -> None:
        self.blob = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.meshes: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int = 0) -> int:
        self.blob += bytes(-len(self.blob) % 4)
        self.views.append(
            {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)}
            | ({"target": target} if target else {})
        )
        self.blob += data
        return len(self.views) - 1

    def accessor(self, values: NDArray[Any], kind: str, *, bounds: bool = False) -> int:
        component = {"f": _FLOAT, "I": _UINT, "H": _USHORT}[values.dtype.char]
        entry = {
            "bufferView": self.view(values.tobytes(), _VERTICES if component == _FLOAT else _INDICES),
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if bounds:
            entry |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def image(self, page: UInt8[Tensor, "3 S S"], config: GlbConfig) -> None:
        buffer = io.BytesIO()
        picture = Image.fromarray(page.permute(1, 2, 0).contiguous().numpy())
        if config.image == "jpeg":
            picture.save(buffer, "JPEG", quality=config.quality, subsampling=0)
        elif config.image == "webp":
            picture.save(buffer, "WEBP", quality=config.quality, method=4)
        else:
            picture.save(buffer, "PNG", compress_level=6)
        self.images.append({"bufferView": self.view(buffer.getvalue()), "mimeType": f"image/{config.image}"})

    def mesh(self, name: str, mesh: TexturedMesh, chosen: Tensor) -> None:
        primitives: list[dict[str, Any]] = []
        for page in range(len(mesh.pages)):
            faces = mesh.faces[chosen & (mesh.face_pages == page)]
            if not len(faces):
                continue
            used, index = torch.unique(faces, return_inverse=True)
            kind = np.uint16 if len(used) < 65535 else np.uint32
            fields = {"POSITION": mesh.vertices, "NORMAL": _unit(mesh.normals), "TEXCOORD_0": mesh.uvs}
            primitives.append(
                {
                    "attributes": {
                        key: self.accessor(
                            np.ascontiguousarray(values[used].numpy(), np.float32),
                            f"VEC{values.shape[1]}",
                            bounds=key == "POSITION",
                        )
                        for key, values in fields.items()
                    },
                    "indices": self.accessor(index.reshape(-1).numpy().astype(kind), "SCALAR"),
                    "material": page,
                }
            )
        self.meshes.append({"name": name, "primitives": primitives})

    def bytes(self, config: GlbConfig) -> bytes:
        blob = bytes(self.blob) + bytes(-len(self.blob) % 4)
        text = json.dumps(self._root(config, len(blob)), separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + len(blob)
        head = struct.pack("<III", _MAGIC, 2, size)
        return head + struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(blob), _BIN) + blob

    def _root(self, config: GlbConfig, size: int) -> dict[str, Any]:
        extensions = ["KHR_materials_unlit"] * (config.material == "unlit")
        extensions += ["EXT_texture_webp"] * (config.image == "webp")
        texture = (lambda i: {"extensions": {"EXT_texture_webp": {"source": i}}}) if config.image == "webp" else _source
        children = list(range(1, len(self.meshes) + 1))
        root: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "photoreal"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"name": "scene", "rotation": _UPRIGHT, "children": children}]
            + [{"name": mesh["name"], "mesh": i} for i, mesh in enumerate(self.meshes)],
            "meshes": self.meshes,
            "materials": [_material(i, config) for i in range(len(self.images))],
            "textures": [{"sampler": 0} | texture(i) for i in range(len(self.images))],
            "samplers": [{"magFilter": _LINEAR, "minFilter": _MIPMAPS, "wrapS": _CLAMP, "wrapT": _CLAMP}],
            "images": self.images,
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": size}],
        }
        if extensions:
            root["extensionsUsed"] = extensions
        if config.image == "webp":
            root["extensionsRequired"] = ["EXT_texture_webp"]
        return root


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


def _unit(normals: Tensor) -> Tensor:
    """Unit length to the validator's liking; up where there is no direction."""
    length = normals.double().norm(dim=1, keepdim=True)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    return torch.where(length > 1e-12, normals.double() / length.clamp_min(1e-12), up)


def read_glb(path: Path, seen: Path | None = None) -> TexturedMesh:
    """A mesh that `write_glb` wrote; with `seen`, the picture of its seen texels, else all count as seen.

    Raises:
        FormatError: the file is damaged, or is a GLB of another making.
    """
    try:
        root, blob = _chunks(path.read_bytes(), path)
        return _mesh(root, blob, seen)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, IndexError, TypeError, ValueError, struct.error, RecursionError) as error:
        raise FormatError(f"{path} is not a GLB that photoreal wrote: {type(error).__name__} {error}") from error


def _chunks(data: bytes, path: Path) -> tuple[dict[str, Any], memoryview]:
    magic, version, size = struct.unpack_from("<III", data)
    if magic != _MAGIC or version != 2:
        raise FormatError(f"{path} is not a GLB file of version 2")
    if size != len(data):
        raise FormatError(f"{path} says that it has {size:,} bytes but has {len(data):,}: it is cut off or damaged")
    length, kind = struct.unpack_from("<II", data, 12)
    if kind != _JSON or length > len(data) - 28:
        raise FormatError(f"{path} is damaged: its first chunk is no JSON")
    return json.loads(data[20 : 20 + length]), memoryview(data)[28 + length :]


def _mesh(root: dict[str, Any], blob: memoryview, seen: Path | None) -> TexturedMesh:
    if not root["images"] or not root["meshes"]:
        raise ValueError(f"{len(root['images'])} textures and {len(root['meshes'])} meshes")
    pages = torch.stack([_picture(_view(root, blob, int(image["bufferView"]))) for image in root["images"]])
    fields: dict[str, list[Tensor]] = {"POSITION": [], "NORMAL": [], "TEXCOORD_0": []}
    faces, face_pages, background, count = [], [], [], 0
    for mesh in root["meshes"]:
        for primitive in mesh["primitives"]:
            for key, parts in fields.items():
                parts.append(_accessor(root, blob, int(primitive["attributes"][key])))
            index = _accessor(root, blob, int(primitive["indices"])).long().reshape(-1, 3)
            if len(index) and int(index.max()) >= len(fields["POSITION"][-1]):
                raise ValueError(f"a face names vertex {int(index.max())} of {len(fields['POSITION'][-1])}")
            page = int(primitive["material"])
            if not 0 <= page < len(pages):
                raise ValueError(f"material {page} of {len(pages)}")
            faces.append(index + count)
            face_pages.append(torch.full((len(index),), page))
            background.append(torch.full((len(index),), mesh.get("name") == "background"))
            count += len(fields["POSITION"][-1])
    shape = (len(pages), *pages.shape[-2:])
    return TexturedMesh(
        torch.cat(fields["POSITION"]),
        torch.cat(fields["NORMAL"]),
        torch.cat(faces),
        torch.cat(fields["TEXCOORD_0"]),
        torch.cat(face_pages),
        pages,
        _read_seen(seen, shape) if seen is not None else torch.ones(shape, dtype=torch.bool),
        torch.cat(background),
    )


def _view(root: dict[str, Any], blob: memoryview, number: int) -> memoryview:
    view = root["bufferViews"][number]
    start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
    if start < 0 or length < 0 or start + length > len(blob):
        raise ValueError(f"buffer view {number} reaches beyond the file")
    return blob[start : start + length]


def _accessor(root: dict[str, Any], blob: memoryview, number: int) -> Tensor:
    entry = root["accessors"][number]
    kind = {_FLOAT: np.float32, _UINT: np.uint32, _USHORT: np.uint16}[entry["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[entry["type"]]
    values = np.frombuffer(_view(root, blob, int(entry["bufferView"])), kind, int(entry["count"]) * width)
    if kind != np.float32:
        return torch.from_numpy(values.astype(np.int64))
    if not np.isfinite(values).all():
        raise ValueError(f"accessor {number} holds numbers that are not finite")
    return torch.from_numpy(values.reshape(-1, width).copy())


def _picture(data: memoryview) -> UInt8[Tensor, "3 S S"]:
    with Image.open(io.BytesIO(data)) as picture:
        if picture.width != picture.height or picture.width * picture.height > _MOST_TEXELS:
            raise ValueError(f"a texture page of {picture.width} x {picture.height} texels")
        return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1).contiguous()


def _read_seen(path: Path, shape: tuple[int, ...]) -> Tensor:
    with Image.open(path) as picture:
        values = torch.from_numpy(np.asarray(picture.convert("1")).copy())
    if values.numel() != shape[0] * shape[1] * shape[2]:
        raise ValueError(f"{path} has {values.numel():,} texels instead of {shape[0] * shape[1] * shape[2]:,}")
    return values.reshape(shape)


def write_seen(path: Path, mesh: TexturedMesh) -> None:
    """Write the pages' seen texels, one below the other, as a black and white PNG.

    Raises:
        SceneError: the disk is full or the place cannot be written.
    """
    with atomic_path(path) as partial:
        Image.fromarray(mesh.seen.reshape(-1, mesh.seen.shape[-1]).numpy()).save(partial, "PNG")
