"""The texture's plan: charts packed into square pages."""

from dataclasses import dataclass

import numpy as np
import torch
import xatlas
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.core import Mesh, Value
from photoreal.mesh.texture.charts import charts_of, flatten

PADDING = 4
"""Texels between charts: two halvings of the texture keep them apart."""


@dataclass(frozen=True)
class Atlas(Value):
    """Where each face lies on which page."""

    source: Int64[Tensor, " N"]
    """The vertex of the mesh that each of the atlas' own is a copy of; along seams there are several copies."""
    faces: Int64[Tensor, "F 3"]
    """In the mesh's order, as numbers of the atlas' vertices."""
    uvs: Float[Tensor, "N 2"]
    """Texels from the page's first corner."""
    face_pages: Int64[Tensor, " F"]
    side: int
    """Texels along the side of a page."""
    pages: int


def unwrap(mesh: Mesh, texel: Float[Tensor, " F"], *, side: int) -> Atlas:
    """Pack the surface into as many pages of at most `side` texels as it takes.

    `texel`: side of a texel on each face, world units. A single page is as small as a multiple of 64 allows.
    """
    flat, charts = flatten(mesh, charts_of(mesh), texel)
    flat = flat + _apart(charts)
    source, faces, corners = _unshared(mesh, charts, flat)
    packer = xatlas.Atlas()
    packer.add_uv_mesh(corners.numpy().astype(np.float32), faces.numpy().astype(np.uint32))
    options = xatlas.PackOptions()
    options.texels_per_unit, options.padding, options.bilinear = 1.0, PADDING, True
    options.rotate_charts, options.rotate_charts_to_axis, options.bruteForce = True, False, False
    options.resolution, options.max_chart_size = side, side - 2 * PADDING
    packer.generate(xatlas.ChartOptions(), options)
    origin, triangles, uvs = packer[0]
    pages = packer.get_mesh_vertex_assignment(0)[0] if packer.atlas_count > 1 else np.zeros(len(origin), np.int64)
    places = np.asarray(uvs) * np.array([packer.width, packer.height])
    used = places.max(initial=0) + PADDING if packer.atlas_count == 1 else side
    triangles = torch.from_numpy(np.asarray(triangles).astype(np.int64))
    return Atlas(
        source=source[torch.from_numpy(np.asarray(origin).astype(np.int64))],
        faces=triangles,
        uvs=torch.from_numpy(places.astype(np.float32)),
        face_pages=torch.from_numpy(np.asarray(pages).astype(np.int64))[triangles[:, 0]],
        side=min(side, max(64, -(-int(used) // 64) * 64)),
        pages=packer.atlas_count,
    )


def _apart(charts: Int64[Tensor, " F"]) -> Float[Tensor, "F 1 2"]:
    """Less than a texel for each chart, never the same twice: xatlas takes charts with equal corners for one."""
    return torch.stack([charts % 1000, charts // 1000], 1)[:, None] / 1000


def _unshared(
    mesh: Mesh, charts: Int64[Tensor, " F"], flat: Float[Tensor, "F 3 2"]
) -> tuple[Int64[Tensor, " N"], Int64[Tensor, "F 3"], Float[Tensor, "N 2"]]:
    """Vertices of their own for each chart: their sources, the faces, their places on the chart."""
    keys = charts[:, None] * len(mesh.vertices) + mesh.faces
    used, faces = torch.unique(keys, return_inverse=True)
    corners = torch.empty(len(used), 2)
    corners[faces.reshape(-1)] = flat.reshape(-1, 2)
    return used % len(mesh.vertices), faces.reshape(-1, 3), corners
