"""What each pixel of a camera, or each texel of a page, sees of a mesh, and the picture that makes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from photoreal.core import Cameras, Mesh, TexturedMesh, Value, transform_points, unit_from_bytes
from photoreal.mesh.kernels.fitting import sample_pages
from photoreal.mesh.kernels.raster import draw
from photoreal.mesh.surface.volume import lens_numbers
from photoreal.mesh.texture.atlas import Atlas

_EMPTY = np.float32(0)


@dataclass(frozen=True)
class Hits(Value):
    """The nearest face of each pixel and the point in it."""

    face: Int32[Tensor, "H W"]
    """-1: none."""
    weights: Float[Tensor, "H W 2"]
    """Barycentric weights of the face's first two corners."""
    depth: Float[Tensor, "H W"]
    """Along the camera's axis; 0: none."""


def corner_weights(inner: Float[Tensor, "N 2"]) -> Float[Tensor, "N 3"]:
    """Barycentric weights of all three corners from those of the first two."""
    return torch.cat([inner, 1 - inner.sum(1, keepdim=True)], 1)


def camera_hits(mesh: Mesh, camera: Cameras) -> Hits:
    """What every pixel centre of the first camera sees, from both sides."""
    lens = lens_numbers(camera, 0).double()
    inside = transform_points(camera.cam_from_world[0].double(), mesh.vertices.double())
    return _drawn(inside, mesh.faces, lens, camera.size)


def texel_hits(atlas: Atlas, page: int) -> Hits:
    """The face that covers each texel's middle on a page."""
    flat = torch.cat([atlas.uvs.double(), torch.ones(len(atlas.uvs), 1, dtype=torch.float64)], 1)
    chosen = torch.nonzero(atlas.face_pages == page)[:, 0]
    lens = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    hits = _drawn(flat, atlas.faces[chosen], lens, (atlas.side, atlas.side))
    there = hits.face >= 0
    faces = (
        torch.where(there, chosen.to(torch.int32)[hits.face.clamp_min(0).long()], hits.face)
        if len(chosen)
        else hits.face
    )
    return Hits(faces, hits.weights, hits.depth)


def render_mesh(
    mesh: TexturedMesh, camera: Cameras, *, finer: int = 2
) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """sRGB in [0, 1] as the first camera sees the mesh from either side, over black, and how much of each pixel.

    Bilinear texture, no lights. `finer`: rays along each side of a pixel, averaged as bytes are, in sRGB; 1 sends one
    through its centre.
    """
    height, width = camera.size
    hits = camera_hits(mesh.shape, camera.resized((finer * height, finer * width)))
    image = np.empty((finer * height, finer * width, 3), np.float32)
    pages = unit_from_bytes(mesh.pages).permute(0, 2, 3, 1).contiguous()
    sample_pages(
        pages.numpy(), hits.face.numpy(), hits.weights.numpy(), mesh.faces.numpy(),
        (mesh.uvs * mesh.pages.shape[-1]).numpy(), mesh.face_pages.numpy(), _EMPTY, image,
    )  # fmt: skip
    fine = torch.cat([torch.from_numpy(image).permute(2, 0, 1), (hits.face >= 0).float()[None]])
    colours = torch.nn.functional.avg_pool2d(fine, finer)
    return colours[:3].contiguous(), colours[3]


def _drawn(vertices: Tensor, faces: Tensor, lens: Tensor, size: tuple[int, int]) -> Hits:
    face = np.empty(size, np.int32)
    weights, depth = np.empty((*size, 2), np.float32), np.empty(size, np.float32)
    draw(vertices.contiguous().numpy(), faces.contiguous().numpy(), lens.numpy(), face, weights, depth)
    return Hits(torch.from_numpy(face), torch.from_numpy(weights), torch.from_numpy(depth))
