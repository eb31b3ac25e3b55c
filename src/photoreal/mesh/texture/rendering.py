"""Pictures of a textured mesh, as a viewer without lights draws it."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Mesh, TexturedMesh, unit_from_bytes
from photoreal.mesh.kernels.fitting import sample_pages
from photoreal.mesh.texture.hits import camera_hits

_EMPTY = np.float32(0)
_FINER = 2
"""Rays along each side of a pixel."""


def render_mesh(mesh: TexturedMesh, camera: Cameras) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """sRGB in [0, 1] as the first camera sees the mesh from either side, over black, and how much of each pixel.

    Four rays a pixel, bilinear texture, no lights; rays are averaged as bytes are, in sRGB.
    """
    height, width = camera.size
    hits = camera_hits(Mesh(mesh.vertices, mesh.faces), camera.resized((_FINER * height, _FINER * width)))
    image = np.empty((_FINER * height, _FINER * width, 3), np.float32)
    pages = unit_from_bytes(mesh.pages).permute(0, 2, 3, 1).contiguous()
    sample_pages(
        pages.numpy(), hits.face.numpy(), hits.weights.numpy(), mesh.faces.numpy(),
        (mesh.uvs * mesh.pages.shape[-1]).numpy(), mesh.face_pages.numpy(), _EMPTY, image,
    )  # fmt: skip
    fine = torch.cat([torch.from_numpy(image).permute(2, 0, 1), (hits.face >= 0).float()[None]])
    colours = torch.nn.functional.avg_pool2d(fine, _FINER)
    return colours[:3].contiguous(), colours[3]
