"""One photo for each face: sharp, and with few seams."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import Mesh, PhotorealError, srgb_from_linear
from photoreal.mesh.kernels.candidates import LIGHT
from photoreal.mesh.kernels.labels import inspect, least_energy, take
from photoreal.mesh.surface.topology import face_neighbours, half_edges
from photoreal.mesh.texture.sightings import Sightings

_CANDIDATES = 12
"""Photos that a face chooses from."""
_ROUNDS = 30
_INSET = 2 / 3
"""Beside its middle, a face is looked at so far from there towards each corner."""
_LEAST_LIKELY = 6e-3
"""A photo whose colour of a face is less likely than this, beside the likeliest, shows something else there."""
_SPREAD = 0.03
"""Photos differ by at least so much (sRGB, standard deviation) anyway."""
_TESTS = 10
_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def choose(
    sightings: Sightings, mesh: Mesh, qualities: Float[Tensor, "F V"], *, seam_cost: float
) -> Int64[Tensor, " F"]:
    """The photo that each face is to be coloured from; -1 where none sees it.

    Minimises (Waechter et al. 2014, eq. 1) over all faces the pixels that are lost by not taking the photo that has
    most of them, plus `seam_cost` for each pixel's length of edge between faces of different photos: a Potts model,
    solved by sequential tree-reweighted message passing (Kolmogorov 2006) over each face's best photos. Pixels weigh
    as their photo's trust, so blur and outlines count as loss; the paper sums gradients instead, which takes highlights
    and whoever walks by for detail. Photos whose colour of a face is not the others' are left out first.

    Raises:
        PhotorealError: the cost of seams is negative or not finite.
    """
    if not 0 <= seam_cost < np.inf:
        raise PhotorealError(f"the cost of seams is {seam_cost}; it must be a finite number of at least 0")
    found, views = qualities.topk(min(_CANDIDATES, len(sightings)), dim=1)
    views = torch.where(found > 0, views, -1).to(torch.int32)
    colours, shares = _looks(sightings, mesh, views)
    kept = found * shares * alike(srgb_from_linear(colours), shares > 0)
    pixels, order = (kept * mesh.face_areas[:, None]).float().sort(dim=1, descending=True, stable=True)
    views = views.gather(1, order)
    costs = (pixels[:, :1] - pixels).contiguous()
    neighbours = face_neighbours(mesh.faces).numpy()
    counts = (pixels > 0).sum(1)
    picks = np.zeros(len(views), np.int64)
    least_energy(
        costs.numpy(), views.contiguous().numpy(), counts.numpy(), neighbours, _across(mesh, neighbours),
        _edge_weights(mesh, kept.amax(1), neighbours, seam_cost), _ROUNDS, picks,
    )  # fmt: skip
    chosen = views.gather(1, torch.from_numpy(picks)[:, None])[:, 0].long()
    return torch.where(counts > 0, chosen, -1)


def alike(colours: Float[Tensor, "F K 3"], seen: Bool[Tensor, "F K"]) -> Bool[Tensor, "F K"]:
    """Which photos show a face in the colour (sRGB) that the others do.

    Means and covariances of the photos whose colour is likely enough, in turn with the choice of those (Waechter et
    al. 2014, section 4.1). It begins at medians and their deviations rather than at all photos: of twelve, none could
    be unlikely under their own covariance. Where fewer than three photos see the face, all of them pass.
    """
    voters = seen.sum(1) >= 3
    values = torch.where(seen[..., None], colours.double(), torch.nan)
    middle = values.nanmedian(1).values.nan_to_num()
    spread = _DEVIATION * (values - middle[:, None]).abs().nanmedian(1).values.nan_to_num()
    floor = _SPREAD**2 * torch.eye(3, dtype=torch.float64)
    covariance = torch.diag_embed(spread.square()) + floor
    values, kept = values.nan_to_num(), seen
    for _ in range(_TESTS):
        away = values - middle[:, None]
        distance = torch.einsum("fki,fij,fkj->fk", away, torch.linalg.inv(covariance), away)
        before, kept = kept, seen & (torch.exp(-0.5 * distance) > _LEAST_LIKELY)
        if bool((kept == before).all()):
            break
        weights = kept / kept.sum(1, keepdim=True).clamp_min(1)
        middle = torch.where(kept.any(1, keepdim=True), (weights[..., None] * values).sum(1), middle)
        away = values - middle[:, None]
        covariance = torch.einsum("fk,fki,fkj->fij", weights.double(), away, away) + floor
    return torch.where((voters & kept.any(1))[:, None], kept, seen)


def taken_from(
    sightings: Sightings, points: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], views: Int64[Tensor, " N"]
) -> tuple[Float[Tensor, "N 3"], Bool[Tensor, " N"]]:
    """Linear light of each point in one photo (-1: none), at the common exposure, and whether that sees it."""
    light, seen = np.empty((len(points), 3), np.float32), np.empty(len(points), np.bool_)
    take(
        points.float().numpy(), normals.float().numpy(), views.numpy(), sightings.cameras.numpy(),
        sightings.centres.numpy(), sightings.images.numpy(), sightings.depth.numpy(), sightings.trust.numpy(),
        sightings.gains.numpy(), np.float32(sightings.tolerance), LIGHT, light, seen,
    )  # fmt: skip
    return torch.from_numpy(light), torch.from_numpy(seen)


def _looks(
    sightings: Sightings, mesh: Mesh, views: Int32[Tensor, "F K"]
) -> tuple[Float[Tensor, "F K 3"], Float[Tensor, "F K"]]:
    """Linear light of each face in its candidates, and the share of the face that they see."""
    corners = mesh.vertices[mesh.faces]
    middle = corners.mean(1, keepdim=True)
    points = torch.cat([middle, middle + _INSET * (corners - middle)], 1).float()
    colours, shares = np.empty((*views.shape, 3), np.float32), np.empty(views.shape, np.float32)
    inspect(
        points.numpy(), mesh.face_normals.float().numpy(), views.contiguous().numpy(),
        sightings.cameras.numpy(), sightings.centres.numpy(), sightings.images.numpy(), sightings.depth.numpy(),
        sightings.trust.numpy(), sightings.gains.numpy(), np.float32(sightings.tolerance), LIGHT, colours, shares,
    )  # fmt: skip
    return torch.from_numpy(colours), torch.from_numpy(shares)


def _across(mesh: Mesh, neighbours: NDArray[np.int64]) -> NDArray[np.int64]:
    """[F, 3]: which side of the neighbour each side of a face is."""
    edges = half_edges(mesh.faces.numpy())
    keys = (edges.min(1) * len(mesh.vertices) + edges.max(1)).reshape(-1, 3)
    return (keys[neighbours] == keys[..., None]).argmax(2)


def _edge_weights(
    mesh: Mesh, best: Float[Tensor, " F"], neighbours: NDArray[np.int64], seam_cost: float
) -> NDArray[np.float32]:
    """[F, 3]: what a seam along each side costs; lengths are in pixels of the best photos of both faces."""
    corners = mesh.vertices[mesh.faces].double()
    lengths = (corners.roll(-1, 1) - corners).norm(dim=2)
    shared = (best[:, None] + best[torch.from_numpy(neighbours).clamp_min(0)]).double() / 2
    return (seam_cost * lengths * shared.sqrt()).float().numpy()
