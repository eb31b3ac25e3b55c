"""A textured mesh taken apart as most formats store it: by layer, and in a layer by texture page."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.core import TexturedMesh, Value


@dataclass(frozen=True)
class Part(Value):
    """The triangles of one layer that refer to one texture page, and the vertices that they use."""

    page: int
    vertices: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    """Unit length, to float32's precision; up where the mesh's has no direction."""
    uvs: Float[Tensor, "N 2"]
    faces: Int64[Tensor, "F 3"]


def parts_of(mesh: TexturedMesh) -> dict[str, list[Part]]:
    """The parts of the layers `surface` and `background`; a layer or part without triangles is left out."""
    layers = {"surface": ~mesh.background, "background": mesh.background}
    mesh = mesh.replace(vertices=mesh.vertices.float(), normals=_unit(mesh.normals).float(), uvs=mesh.uvs.float())
    parts = {
        name: [
            _part(mesh, page, faces)
            for page in range(len(mesh.pages))
            if len(faces := mesh.faces[chosen & (mesh.face_pages == page)])
        ]
        for name, chosen in layers.items()
    }
    return {name: found for name, found in parts.items() if found}


def _part(mesh: TexturedMesh, page: int, faces: Int64[Tensor, "F 3"]) -> Part:
    used, index = torch.unique(faces, return_inverse=True)
    return Part(page, mesh.vertices[used], mesh.normals[used], mesh.uvs[used], index.reshape(-1, 3))


def _unit(normals: Tensor) -> Tensor:
    """Computed in double, so that rounding to float32 comes last; the validator of glTF is strict."""
    length = normals.double().norm(dim=1, keepdim=True)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    return torch.where(length > 1e-12, normals.double() / length.clamp_min(1e-12), up)
