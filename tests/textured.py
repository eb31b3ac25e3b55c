"""A small textured mesh for the tests of mesh files."""

import torch

from photoreal.core import TexturedMesh


def two_squares(pages: int = 2, *, background: bool = True) -> TexturedMesh:
    """Two squares, the second on the last page and background if asked; vertex 8 is used by none."""
    generator = torch.Generator().manual_seed(0)
    square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    vertices = torch.cat([square, square + torch.tensor([0, 0, 1.0]), torch.zeros(1, 3)])
    return TexturedMesh(
        vertices=vertices,
        normals=torch.tensor([[0.0, 0, 1]]).repeat(9, 1),
        faces=torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]),
        uvs=torch.rand(9, 2, generator=generator),
        face_pages=torch.tensor([0, 0, pages - 1, pages - 1]),
        pages=torch.randint(0, 256, (pages, 3, 64, 64), generator=generator, dtype=torch.uint8),
        seen=torch.rand(pages, 64, 64, generator=generator) > 0.5,
        background=torch.tensor([False, False, background, background]),
    )
