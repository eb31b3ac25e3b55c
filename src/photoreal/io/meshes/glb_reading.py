"""GLB files that photoreal wrote, read back."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from photoreal.core import FormatError, TexturedMesh
from photoreal.io.meshes.draco import unpack
from photoreal.io.meshes.glb import DRACO, FLOAT, JSON_CHUNK, MAGIC, UINT, USHORT
from photoreal.io.meshes.pages import decode_page, read_seen
from photoreal.io.meshes.parts import Part


def read_glb(path: Path, seen: Path | None = None) -> TexturedMesh:
    """A mesh that `write_glb` wrote; with `seen`, the picture of its seen texels, else all count as seen.

    Its units are those of the mesh that was written, whatever they are in metres.

    Compressed positions, uvs and normals are those of the file, rounded as the text of `draco` states.

    Raises:
        FormatError: the file is damaged, or is a GLB of another making.
        MissingDependencyError: the file is compressed and DracoPy is not installed (the `compress` extra).
    """
    try:
        root, blob = _chunks(path.read_bytes(), path)
        return _mesh(root, blob, seen)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, IndexError, TypeError, ValueError, struct.error, RecursionError) as error:
        raise FormatError(f"{path} is not a GLB that photoreal wrote: {type(error).__name__} {error}") from error


def glb_metres_per_unit(path: Path) -> float:
    """What `write_glb` was told of the size of the mesh's units.

    Raises:
        FormatError: the file is damaged, or is a GLB of another making.
    """
    try:
        root, _ = _chunks(path.read_bytes(), path)
        scale = float(root["nodes"][0].get("scale", [1.0])[0])
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, struct.error, RecursionError) as error:
        raise FormatError(f"{path} is not a GLB that photoreal wrote: {type(error).__name__} {error}") from error
    if not 0 < scale < float("inf"):
        raise FormatError(f"{path} is damaged: its scale is {scale}")
    return scale


def _chunks(data: bytes, path: Path) -> tuple[dict[str, Any], memoryview]:
    magic, version, size = struct.unpack_from("<III", data)
    if magic != MAGIC or version != 2:
        raise FormatError(f"{path} is not a GLB file of version 2")
    if size != len(data):
        raise FormatError(f"{path} says that it has {size:,} bytes but has {len(data):,}: it is cut off or damaged")
    length, kind = struct.unpack_from("<II", data, 12)
    if kind != JSON_CHUNK or length > len(data) - 28:
        raise FormatError(f"{path} is damaged: its first chunk is no JSON")
    return json.loads(data[20 : 20 + length]), memoryview(data)[28 + length :]


def _mesh(root: dict[str, Any], blob: memoryview, seen: Path | None) -> TexturedMesh:
    if not root["images"] or not root["meshes"]:
        raise ValueError(f"{len(root['images'])} textures and {len(root['meshes'])} meshes")
    pages = torch.stack([decode_page(_view(root, blob, int(image["bufferView"]))) for image in root["images"]])
    parts: list[Part] = []
    background, starts, count = [], [], 0
    for mesh in root["meshes"]:
        for primitive in mesh["primitives"]:
            part = _checked(_part(root, blob, primitive), len(pages))
            parts.append(part)
            starts.append(count)
            background.append(torch.full((len(part.faces),), mesh.get("name") == "background"))
            count += len(part.vertices)
    shape = (len(pages), pages.shape[-2], pages.shape[-1])
    return TexturedMesh(
        torch.cat([part.vertices for part in parts]),
        torch.cat([part.normals for part in parts]),
        torch.cat([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        torch.cat([part.uvs for part in parts]),
        torch.cat([torch.full((len(part.faces),), part.page) for part in parts]),
        pages,
        read_seen(seen, shape) if seen is not None else torch.ones(shape, dtype=torch.bool),
        torch.cat(background),
    )


def _part(root: dict[str, Any], blob: memoryview, primitive: dict[str, Any]) -> Part:
    page = int(primitive["material"])
    packed = primitive.get("extensions", {}).get(DRACO)
    if packed is not None:
        ids = {str(name): int(number) for name, number in packed["attributes"].items()}
        data = bytes(_view(root, blob, int(packed["bufferView"])))
        if zlib.crc32(data) != packed["extras"]["crc32"]:
            raise ValueError(f"the compressed triangles of page {page} are damaged")
        return unpack(data, ids, page)
    vertices, normals, uvs = (
        _accessor(root, blob, int(primitive["attributes"][key])) for key in ("POSITION", "NORMAL", "TEXCOORD_0")
    )
    return Part(page, vertices, normals, uvs, _accessor(root, blob, int(primitive["indices"])).long().reshape(-1, 3))


def _checked(part: Part, pages: int) -> Part:
    if len(part.faces) and int(part.faces.max()) >= len(part.vertices):
        raise ValueError(f"a face names vertex {int(part.faces.max())} of {len(part.vertices)}")
    if not 0 <= part.page < pages:
        raise ValueError(f"material {part.page} of {pages}")
    for values, width in ((part.vertices, 3), (part.normals, 3), (part.uvs, 2)):
        if values.shape != (len(part.vertices), width):
            raise ValueError(f"numbers of shape {tuple(values.shape)} for {len(part.vertices)} vertices")
        if not bool(values.isfinite().all()):
            raise ValueError("positions, normals or uvs are not finite")
    return part


def _view(root: dict[str, Any], blob: memoryview, number: int) -> memoryview:
    view = root["bufferViews"][number]
    start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
    if start < 0 or length < 0 or start + length > len(blob):
        raise ValueError(f"buffer view {number} reaches beyond the file")
    return blob[start : start + length]


def _accessor(root: dict[str, Any], blob: memoryview, number: int) -> Tensor:
    entry = root["accessors"][number]
    kind = {FLOAT: np.float32, UINT: np.uint32, USHORT: np.uint16}[entry["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[entry["type"]]
    values = np.frombuffer(_view(root, blob, int(entry["bufferView"])), kind, int(entry["count"]) * width)
    if kind != np.float32:
        return torch.from_numpy(values.astype(np.int64))
    return torch.from_numpy(values.reshape(-1, width).copy())
