"""Wavefront OBJ with MTL: text that every program of three decades reads; one PNG for each texture page."""

from pathlib import Path

import numpy as np

from photoreal.core import TexturedMesh
from photoreal.io.files import atomic_folder
from photoreal.io.meshes.pages import encode_page


def write_obj(folder: Path, mesh: TexturedMesh, name: str = "mesh") -> None:
    """Write `name.obj`, `name.mtl` and `name_PAGE.png` into a new folder; z stays up, uvs count from the lower left.

    Raises:
        SceneError: the disk is full or the place cannot be written.
    """
    with atomic_folder(folder) as partial:
        for page, texels in enumerate(mesh.pages):
            (partial / f"{name}_{page}.png").write_bytes(encode_page(texels))
        (partial / f"{name}.mtl").write_text("".join(_material(name, page) for page in range(len(mesh.pages))))
        with open(partial / f"{name}.obj", "w", encoding="ascii") as file:
            file.write(f"mtllib {name}.mtl\n")
            uvs = mesh.uvs.double().numpy() * [1, -1] + [0, 1]
            for key, rows in (("v", mesh.vertices.numpy()), ("vt", uvs), ("vn", mesh.normals.numpy())):
                np.savetxt(file, rows, fmt=key + " %.9g" * rows.shape[1])
            for kind in ("surface", "background"):
                _write_faces(file, mesh, kind)


def _write_faces(file: object, mesh: TexturedMesh, kind: str) -> None:
    chosen = mesh.background if kind == "background" else ~mesh.background
    for page in range(len(mesh.pages)):
        faces = mesh.faces[chosen & (mesh.face_pages == page)].numpy() + 1
        if len(faces):
            np.savetxt(
                file,  # pyright: ignore[reportArgumentType] - an open text file
                np.repeat(faces, 3, axis=1),
                fmt="f" + " %d/%d/%d" * 3,
                header=f"o {kind}\nusemtl page_{page}",
                comments="",
            )


def _material(name: str, page: int) -> str:
    return f"newmtl page_{page}\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {name}_{page}.png\n\n"
