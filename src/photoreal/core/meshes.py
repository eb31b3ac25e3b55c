"""A triangle mesh with a texture."""

from dataclasses import dataclass

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from photoreal.core.value import Value


@dataclass(frozen=True)
class TexturedMesh(Value):
    """Triangles with one texture page; faces turn counter-clockwise seen from outside."""

    vertices: Float[Tensor, "N 3"]
    faces: Int64[Tensor, "F 3"]
    uvs: Float[Tensor, "N 2"]
    """In [0, 1]; (0, 0) is the texture's first row and column."""
    texture: UInt8[Tensor, "3 S T"]
    """sRGB."""
