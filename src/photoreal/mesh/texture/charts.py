"""A surface cut into charts that lie flat: no overlap, little stretch, texels about as large as pixels."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import Mesh
from photoreal.mesh.kernels.charts import grow, overlapping
from photoreal.mesh.surface.topology import face_neighbours, smoothed_normals

_SMOOTHING = 6
_SMOOTH_COSINE = 0.75
_COSINE = 0.35
"""A face turned more than 70 degrees from its chart would be squeezed to a third."""
_TRIES = 8


def charts_of(mesh: Mesh) -> Int64[Tensor, " F"]:
    """The chart of each face: charts are connected and turn by at most some 41 degrees from their mean normal."""
    neighbours, smooth = face_neighbours(mesh.faces), smoothed_normals(mesh, _SMOOTHING)
    normals, areas = mesh.face_normals, mesh.face_areas
    level = (smooth * normals).sum(1)
    arrays = (smooth.double().numpy(), normals.double().numpy(), areas.double().numpy())
    charts = np.full(len(mesh.faces), -1, np.int64)
    seeds = torch.argsort(level, descending=True, stable=True).numpy()
    grow(seeds, neighbours.numpy(), arrays[0], arrays[1], arrays[2], _SMOOTH_COSINE, _COSINE, charts, 0)
    return torch.from_numpy(charts)


def flatten(
    mesh: Mesh, charts: Int64[Tensor, " F"], texel: Float[Tensor, " F"]
) -> tuple[Float[Tensor, "F 3 2"], Int64[Tensor, " F"]]:
    """Corners of all faces in texels, each chart at its own origin, and the charts, of which some were split.

    A chart is projected along its mean normal and scaled by the mean of `texel`, the texel's side on each of its
    faces in world units; where it would cover itself, the faces that lie over others become charts of their own.
    """
    neighbours = face_neighbours(mesh.faces)
    labels = charts.numpy().copy()
    flat = _projected(mesh, labels, texel)
    for _ in range(_TRIES):
        clash = _clashes(flat, labels)
        if not clash.any():
            break
        labels = _split(labels, clash, neighbours.numpy(), mesh)
        flat = _projected(mesh, labels, texel)
    return torch.from_numpy(flat).float(), torch.from_numpy(labels)


def _projected(mesh: Mesh, charts: NDArray[np.int64], texel: Float[Tensor, " F"]) -> NDArray[np.float64]:
    count = int(charts.max()) + 1 if len(charts) else 0
    areas = mesh.face_areas.double().numpy()
    areas = np.maximum(areas, areas.max(initial=0) * 1e-9 + 1e-30)
    weighted = mesh.face_normals.double().numpy() * areas[:, None]
    normal = np.stack([np.bincount(charts, weighted[:, k], count) for k in range(3)], 1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    side = np.bincount(charts, areas * texel.double().numpy(), count) / np.bincount(charts, areas, count)
    across = np.cross(normal, np.eye(3)[np.abs(normal).argmin(1)])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    down = np.cross(normal, across)
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    axes = np.stack([across, down], 1)[charts] / side[charts][:, None, None]
    flat = np.einsum("fkc,fjc->fkj", corners, axes)
    least = np.full((count, 2), np.inf)
    np.minimum.at(least, charts, flat.min(1))
    return flat - least[charts][:, None]


def _clashes(flat: NDArray[np.float64], charts: NDArray[np.int64]) -> NDArray[np.bool_]:
    count = int(charts.max()) + 1 if len(charts) else 0
    order = np.argsort(charts, kind="stable")
    starts = np.searchsorted(charts[order], np.arange(count + 1))
    most = np.zeros((count, 2))
    np.maximum.at(most, charts, flat.max(1))
    sizes = np.ceil(most).astype(np.int64) + 1
    found = np.zeros(len(flat), np.bool_)
    overlapping(flat, order, starts, sizes[:, 0].copy(), sizes[:, 1].copy(), found)
    return found


def _split(
    charts: NDArray[np.int64], clash: NDArray[np.bool_], neighbours: NDArray[np.int64], mesh: Mesh
) -> NDArray[np.int64]:
    """Faces that clash become new charts, each of connected ones that look the same way."""
    normals, areas = mesh.face_normals.double().numpy(), mesh.face_areas.double().numpy()
    result = np.where(clash, -1, charts)
    inside = np.where(clash[np.maximum(neighbours, 0)] & (neighbours >= 0), neighbours, -1)
    grow(np.flatnonzero(clash), inside, normals, normals, areas, _SMOOTH_COSINE, _COSINE, result, int(charts.max()) + 1)
    return np.unique(result, return_inverse=True)[1].reshape(-1)
