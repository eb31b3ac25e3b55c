"""PLY with texture, in the convention of MeshLab: uvs at the faces' corners, names of pictures in the header."""

from pathlib import Path

import numpy as np

from photoreal.core import TexturedMesh
from photoreal.io.files import atomic_folder
from photoreal.io.meshes.pages import encode_page

_VERTEX = ("x", "y", "z", "nx", "ny", "nz")
_FACE = np.dtype(
    [
        ("corners", "u1"),
        ("vertex_indices", "<i4", 3),
        ("numbers", "u1"),
        ("texcoord", "<f4", 6),
        ("texnumber", "<i4"),
        ("background", "u1"),
    ]
)
_FACE_LINES = (
    "property list uchar int vertex_indices",
    "property list uchar float texcoord",
    "property int texnumber",
    "property uchar background",
)


def write_textured_ply(folder: Path, mesh: TexturedMesh, name: str = "mesh") -> None:
    """Write `name.ply`, binary, and `name_PAGE.png` into a new folder; z stays up, uvs count from the lower left.

    Each face has the number of its page (`texnumber`), and `background` is 1 for those of the outer shell.

    Raises:
        SceneError: the disk is full or the place cannot be written.
    """
    pictures = [f"{name}_{page}.png" for page in range(len(mesh.pages))]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment TextureFile {picture}" for picture in pictures),
        f"element vertex {len(mesh.vertices)}",
        *(f"property float {field}" for field in _VERTEX),
        f"element face {len(mesh)}",
        *_FACE_LINES,
        "end_header",
    ]
    vertices = np.concatenate([mesh.vertices.numpy(), mesh.normals.numpy()], axis=1).astype("<f4")
    with atomic_folder(folder) as partial:
        for picture, page in zip(pictures, mesh.pages, strict=True):
            (partial / picture).write_bytes(encode_page(page))
        with (partial / f"{name}.ply").open("wb") as file:
            file.write(("\n".join(header) + "\n").encode())
            file.write(vertices.tobytes())
            file.write(_faces(mesh).tobytes())


def _faces(mesh: TexturedMesh) -> np.ndarray:
    rows = np.empty(len(mesh), _FACE)
    rows["corners"], rows["numbers"] = 3, 6
    rows["vertex_indices"] = mesh.faces.numpy()
    uvs = mesh.uvs.double().numpy() * [1, -1] + [0, 1]
    rows["texcoord"] = uvs[mesh.faces.numpy()].reshape(-1, 6)
    rows["texnumber"] = mesh.face_pages.numpy()
    rows["background"] = mesh.background.numpy()
    return rows
