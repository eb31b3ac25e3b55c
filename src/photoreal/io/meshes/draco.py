"""Draco, Google's compression of triangle meshes, in the form that glTF holds (KHR_draco_mesh_compression).

Vertices and triangles come back in another order; a vertex at which fans of triangles only touch stands once for each
fan; triangles of which two corners are one vertex are gone. What remains of a vertex, at worst:
- position: along each axis within 1/130000 of the longest side of the layer's box. All pages of a layer are rounded
  alike, so that what met still meets;
- uv: along each axis within 1/130000 of the page's side, a sixteenth of a texel of a page of 8192;
- normal: within 0.06 degrees (measured on directions of the whole sphere).
"""

from dataclasses import dataclass

import numpy as np
import torch

from photoreal.core import FormatError, require
from photoreal.io.meshes.parts import Part

_BITS, _NORMAL_BITS = 16, 12
_LEVEL = 7
"""Of 10; higher ones save less than a hundredth."""
_KINDS = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 3}
"""Draco's number of each kind of attribute."""


@dataclass(frozen=True)
class Packed:
    """A part, compressed."""

    data: bytes
    ids: dict[str, int]
    """By the attribute's name in glTF, its number in the data."""
    part: Part
    """What the data hold."""


def pack(parts: list[Part]) -> list[Packed]:
    """Compress the parts of one layer.

    Raises:
        FormatError: all triangles of a part are points.
        MissingDependencyError: DracoPy is not installed (the `compress` extra).
    """
    vertices = torch.cat([part.vertices for part in parts])
    origin = vertices.amin(0)
    return [_pack(part, origin.numpy(), float((vertices - origin).max())) for part in parts]


def _pack(part: Part, origin: np.ndarray, side: float) -> Packed:
    library = require("DracoPy", extra="compress")
    try:
        data = library.encode(
            part.vertices.numpy(),
            part.faces.numpy().astype(np.uint32),
            quantization_bits=_BITS,
            quantization_range=side,
            quantization_origin=origin,
            compression_level=_LEVEL,
            normals=part.normals.double().numpy(),
            normal_quantization_bits=_NORMAL_BITS,
            tex_coord=part.uvs.double().numpy(),
            tex_coord_quantization_bits=_BITS,
        )
    except library.EncodingFailedException as error:
        raise FormatError(
            f"Draco cannot hold the {len(part.faces):,} triangles of page {part.page}, for all are points; "
            "write them without compression"
        ) from error
    kinds = {entry["attribute_type"]: int(entry["unique_id"]) for entry in library.decode(data).attributes}
    ids = {name: kinds[kind] for name, kind in _KINDS.items()}
    return Packed(data, ids, unpack(data, ids, part.page))


def unpack(data: bytes, ids: dict[str, int], page: int) -> Part:
    """The part that `data` hold, of the texture page `page`.

    Raises:
        ValueError: the data are damaged.
        KeyError: an attribute is not there.
        MissingDependencyError: DracoPy is not installed (the `compress` extra).
    """
    library = require("DracoPy", extra="compress")
    try:
        mesh = library.decode(data)
    except library.FileTypeException as error:
        raise ValueError(f"the compressed triangles of page {page} are damaged") from error
    attributes = {entry["unique_id"]: entry["data"] for entry in mesh.attributes}
    values = {name: torch.from_numpy(np.array(attributes[ids[name]], np.float32)) for name in _KINDS}
    faces = torch.from_numpy(np.asarray(mesh.faces, np.int64).reshape(-1, 3))
    return Part(page, values["POSITION"], values["NORMAL"], values["TEXCOORD_0"], faces)
