"""What each pixel of a camera, or each texel of a page, sees of a mesh."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from photoreal.core import Cameras, Mesh, Value, transform_points
from photoreal.mesh.kernels.raster import draw
from photoreal.mesh.surface.volume import lens_numbers
from photoreal.mesh.texture.atlas import Atlas


@dataclass(frozen=True)
class Hits(Value):
    """The nearest face of each pixel and the point in it."""

    face: Int32[Tensor, "H W"]
    """-1: none."""
    weights: Float[Tensor, "H W 2"]
    """Barycentric weights of the face's first two corners."""
    depth: Float[Tensor, "H W"]
    """Along the camera's axis; 0: none."""


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


def _drawn(vertices: Tensor, faces: Tensor, lens: Tensor, size: tuple[int, int]) -> Hits:
    face = np.empty(size, np.int32)
    weights, depth = np.empty((*size, 2), np.float32), np.empty(size, np.float32)
    draw(vertices.contiguous().numpy(), faces.contiguous().numpy(), lens.numpy(), face, weights, depth)
    return Hits(torch.from_numpy(face), torch.from_numpy(weights), torch.from_numpy(depth))
