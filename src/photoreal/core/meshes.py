"""Triangle meshes, with and without a texture."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from photoreal.core.value import Value


@dataclass(frozen=True)
class Mesh(Value):
    """Triangles that turn counter-clockwise seen from outside."""

    vertices: Float[Tensor, "N 3"]
    faces: Int64[Tensor, "F 3"]

    @property
    def face_normals(self) -> Float[Tensor, "F 3"]:
        """Unit normals; 0 for a triangle without area."""
        return torch.nn.functional.normalize(self._crossed, dim=1)

    @property
    def face_areas(self) -> Float[Tensor, " F"]:
        """Areas in world units squared."""
        return self._crossed.norm(dim=1) / 2

    @property
    def vertex_normals(self) -> Float[Tensor, "N 3"]:
        """Unit normals: means of the faces' normals, weighted by area."""
        sums = torch.zeros_like(self.vertices)
        for corner in range(3):
            sums.index_add_(0, self.faces[:, corner], self._crossed)
        return torch.nn.functional.normalize(sums, dim=1)

    @property
    def _crossed(self) -> Float[Tensor, "F 3"]:
        a, b, c = self.vertices[self.faces].unbind(1)
        return torch.linalg.cross(b - a, c - a)


@dataclass(frozen=True)
class TexturedMesh(Value):
    """Triangles with one or more square texture pages.

    Along the seams of the texture vertices stand twice: same position and normal, different uv.
    """

    vertices: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    """Unit length."""
    faces: Int64[Tensor, "F 3"]
    """Counter-clockwise seen from outside."""
    uvs: Float[Tensor, "N 2"]
    """In [0, 1]; (0, 0) is the outer corner of the first texel of the first row, (1, 1) that of the last."""
    face_pages: Int64[Tensor, " F"]
    """The page that each face's uvs refer to."""
    pages: UInt8[Tensor, "P 3 S S"]
    """sRGB."""
    seen: Bool[Tensor, "P S S"]
    """True for texels whose colour a photograph gave; the others are a guess."""
    background: Bool[Tensor, " F"]
    """True for faces of a coarse outer shell: sky and distance, not a surface that was measured."""

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def shape(self) -> Mesh:
        """The triangles without their texture."""
        return Mesh(self.vertices, self.faces)
