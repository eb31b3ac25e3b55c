"""Files of truth beside a rendered capture: cameras, depth maps, a light mesh, and readers for them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image

from photoreal.core import Depths, FormatError, invert_rigid
from photoreal.synth.camera_path import Lens
from photoreal.synth.shapes import Mesh

DEPTH_UNIT = 0.001
"""Metres a step of a 16-bit depth picture."""


def write_transforms(path: Path, lens: Lens, poses: Float[torch.Tensor, "V 4 4"], files: Sequence[str]) -> None:
    """Write cam_from_world poses as a nerfstudio file: OpenGL axes, OPENCV lens, one frame a file name."""
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=poses.dtype))
    height, width = lens.size
    record = {
        "camera_model": "OPENCV",
        "w": width, "h": height,
        "fl_x": lens.focal, "fl_y": lens.focal, "cx": lens.centre[0], "cy": lens.centre[1],
        **dict(zip(("k1", "k2", "p1", "p2"), lens.distortion, strict=True)),
        "frames": [
            {"file_path": file, "transform_matrix": matrix.tolist()}
            for file, matrix in zip(files, invert_rigid(poses) @ flip, strict=True)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(record, indent=1) + "\n")


def write_depth(path: Path, depth: Float[np.ndarray, "H W"]) -> None:
    """Write metres as a 16-bit PNG in steps of `DEPTH_UNIT`; infinite or beyond 65 m becomes 0, which means unknown."""
    steps = np.where(np.isfinite(depth), depth, 0) / DEPTH_UNIT
    Image.fromarray(np.round(np.where(steps > 65535, 0, steps)).astype(np.uint16)).save(path, optimize=True)


def read_depths(paths: Sequence[Path]) -> Depths:
    """Depth maps that `write_depth` wrote, in metres; confidence 1 where known.

    Raises:
        FormatError: a file is not a 16-bit grey picture, or the pictures differ in size.
    """
    maps: list[torch.Tensor] = []
    for path in paths:
        with Image.open(path) as picture:
            if not picture.mode.startswith("I"):
                raise FormatError(f"{path} is no 16-bit depth picture but of mode {picture.mode}")
            maps.append(torch.from_numpy(np.asarray(picture).astype(np.float32) * DEPTH_UNIT))
    if len({m.shape for m in maps}) != 1:
        raise FormatError(f"{len(maps)} depth pictures have {len({m.shape for m in maps})} sizes instead of one")
    depth = torch.stack(maps)
    return Depths(depth, (depth > 0).to(depth.dtype))


def simplified(mesh: Mesh, cell: float) -> tuple[Float[np.ndarray, "N 3"], Int[np.ndarray, "F 3"]]:
    """Vertices and faces once all vertices in a cubic cell became their mean (Rossignac and Borrel 1993)."""
    keys = np.floor(mesh.vertices / cell).astype(np.int64)
    _, index = np.unique(keys, axis=0, return_inverse=True)
    index = index.reshape(-1)
    count = np.bincount(index)
    vertices = np.stack([np.bincount(index, mesh.vertices[:, k]) / count for k in range(3)], -1)
    faces = index[mesh.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return compact(vertices, faces[np.sort(first)], np.ones(len(first), dtype=bool))


def compact(
    vertices: Float[np.ndarray, "N 3"], faces: Int[np.ndarray, "F 3"], keep: Bool[np.ndarray, " F"]
) -> tuple[Float[np.ndarray, "M 3"], Int[np.ndarray, "G 3"]]:
    """The kept faces and only the vertices that they use."""
    used, index = np.unique(faces[keep], return_inverse=True)
    return vertices[used], index.reshape(-1, 3)


def write_mesh(path: Path, vertices: Float[np.ndarray, "N 3"], faces: Int[np.ndarray, "F 3"]) -> None:
    """Write a binary PLY with float32 vertices and the smallest index type that fits."""
    kind, name = (np.dtype("<u2"), "ushort") if len(vertices) <= 65536 else (np.dtype("<i4"), "int")
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar {name} vertex_indices\nend_header\n"
    )
    rows = np.zeros(len(faces), dtype=[("count", "u1"), ("corners", kind, (3,))])
    rows["count"], rows["corners"] = 3, faces
    path.write_bytes(header.encode() + vertices.astype("<f4").tobytes() + rows.tobytes())
