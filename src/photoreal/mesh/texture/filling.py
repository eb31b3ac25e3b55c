"""Colours for texels that no photo gave."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import cg
from scipy.spatial import KDTree
from torch import Tensor

from photoreal.core import Mesh, Points, linear_from_srgb, unit_from_bytes
from photoreal.mesh.surface.topology import links

_NEIGHBOURS = 8
_PULL = 1e-6
"""Towards the mean, beside a neighbour's pull of 1."""


def from_points(
    places: Float[Tensor, "N 3"], points: Points, *, reach: float
) -> tuple[Float[Tensor, "N 3"], Bool[Tensor, " N"]]:
    """Linear light of each place from the nearest coloured points, and where there are any within `reach`.

    Weights are the points' confidences over their squared distances.
    """
    if not len(points) or not len(places):
        return torch.zeros(len(places), 3), torch.zeros(len(places), dtype=torch.bool)
    count = min(_NEIGHBOURS, len(points))
    found, index = KDTree(points.positions.double().numpy()).query(
        places.double().numpy(), k=count, distance_upper_bound=reach, workers=-1
    )
    found, index = np.asarray(found).reshape(-1, count), np.asarray(index).reshape(-1, count)
    there = torch.from_numpy(np.isfinite(found))
    index = torch.from_numpy(np.where(np.isfinite(found), index, 0))
    near = torch.from_numpy(np.where(np.isfinite(found), found, 1.0)).float()
    weights = there * points.confidence.float().clamp_min(1e-6)[index] / (near.square() + (0.05 * reach) ** 2)
    light = linear_from_srgb(unit_from_bytes(points.colours))
    colours = (weights[..., None] * light[index]).sum(1) / weights.sum(1, keepdim=True).clamp_min(1e-30)
    return colours, there.any(1)


def over_surface(mesh: Mesh, colours: Float[Tensor, "N 3"], known: Bool[Tensor, " N"]) -> Float[Tensor, "N 3"]:
    """Colours of all vertices: known ones as they are, others as smooth as can be between them along the edges.

    They solve Laplace's equation on the graph of edges; a part without any known vertex has the mean of all.
    """
    if bool(known.all()) or not bool(known.any()):
        return colours
    near, values = links(mesh), colours.double().numpy()
    middle = values[known.numpy()].mean(0)
    laplacian = csr_matrix(diags_array(np.asarray(near.sum(1)).reshape(-1) + _PULL) - near)
    free, fixed = np.flatnonzero(~known.numpy()), np.flatnonzero(known.numpy())
    inner, outer = laplacian[free][:, free], laplacian[free][:, fixed]
    result = colours.clone()
    for channel in range(3):
        target = _PULL * middle[channel] - outer @ values[fixed, channel]
        found, _ = cg(inner, target, x0=np.full(len(free), middle[channel]), rtol=1e-4, maxiter=500)
        result[torch.from_numpy(free), channel] = torch.from_numpy(found).to(result.dtype)
    return result.clamp(0, 1)


def diffuse(page: Float[Tensor, "3 S S"], known: Bool[Tensor, "S S"]) -> Float[Tensor, "3 S S"]:
    """Known texels as they are, all others from known ones around: means of ever coarser levels, then up again.

    So the space between charts holds their colours at every size, and no halved texture mixes in another one.
    """
    if bool(known.all()) or not bool(known.any()):
        return page
    weight = known.to(page.dtype)[None, None]
    levels = [(page[None] * weight, weight)]
    while min(levels[-1][1].shape[-2:]) > 1:
        colour, weight = (torch.nn.functional.avg_pool2d(t, 2, ceil_mode=True) for t in levels[-1])
        levels.append((colour, weight))
    coarse = levels[-1][0] / levels[-1][1].clamp_min(1e-30)
    for colour, weight in reversed(levels[:-1]):
        up = torch.nn.functional.interpolate(coarse, size=colour.shape[-2:], mode="bilinear", align_corners=False)
        # Above the finest level a cell that is partly known keeps its own mean.
        coarse = torch.where(weight > 0, colour / weight.clamp_min(1e-30), up)
    return torch.where(known, page, coarse[0])
