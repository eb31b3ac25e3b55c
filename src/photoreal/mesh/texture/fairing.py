"""A surface moved along its normals to where the photographs agree."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.sparse import diags_array
from scipy.sparse.linalg import cg
from torch import Tensor

from photoreal.core import Cameras, Capture, Depths, Mesh
from photoreal.mesh.kernels.stereo import sweep
from photoreal.mesh.surface.build import Surface
from photoreal.mesh.surface.topology import links
from photoreal.mesh.texture.hits import camera_hits
from photoreal.mesh.texture.sightings import sightings_of

_OFFSETS = 13
_SHARES = (3.0, 6.0)
"""A round looks so many times finer than a voxel."""
_LEAST = 0.5
"""Patches that correlate less tell nothing."""
_NONE = -1.5
"""Correlations below this stand for none."""
_CURVED = 0.02
"""A peak of less curvature (per step squared) is believed less: nothing there tells one offset from the next."""
_STIFFNESS = 1.0
"""How much neighbours hold each other, beside one sure observation."""
_ROUNDS = 4
_HOLD, _BLIND, _OUTLINE = 1e-3, 0.3, 30.0
"""Weight of staying where it is, of a vertex that photos can be compared at, of one that they cannot, and of one within
two pixels of empty space: the sweep pulls thin parts and edges inwards, where every photo sees the same backdrop."""
_BESIDE = 5
_LUMA = (0.299, 0.587, 0.114)
_MASKED = -1e4
"""A patch is not compared where a grey, interpolated too, is below 0."""


def agree(surface: Surface, capture: Capture) -> Iterator[Surface]:
    """Yield the surface after each round; vertices move by at most two voxels, then one.

    For each vertex a small patch of its tangent plane is swept along the normal, and the offset sought where the photo
    that sees it best and others that see it correlate most (Gallup et al. 2007 sweep planes so; Vu et al. 2012 refine
    meshes by the same likeness). Offsets are believed by height and sharpness of the peak and spread over the surface
    by a membrane with robust weights, so that bare walls move with what is near.
    """
    for share in _SHARES:
        step, mesh = surface.voxel / share, surface.mesh
        scores = _scores(surface, capture, step=step)
        hold = np.where(scores.max(1) > _NONE, _HOLD, _BLIND)
        hold[_outline(mesh, surface.depths, capture.cameras).numpy()] = _OUTLINE
        offset = _spread(mesh, *_peaks(scores), hold, step)
        moved = mesh.vertices + offset[:, None].to(mesh.vertices.dtype) * mesh.vertex_normals
        surface = dataclasses.replace(surface, mesh=Mesh(moved, mesh.faces))
        yield surface


def _outline(mesh: Mesh, depths: Depths, cameras: Cameras) -> Bool[Tensor, " N"]:
    """Vertices that some view sees next to where it sees past everything."""
    cameras, found = cameras.resized(depths.size), torch.zeros(len(mesh.vertices), dtype=torch.bool)
    past = (torch.isinf(depths.depth) & (depths.confidence > 0)).float()
    beside = torch.nn.functional.max_pool2d(past[:, None], _BESIDE, 1, _BESIDE // 2)[:, 0] > 0
    for view in torch.nonzero(past.flatten(1).any(1))[:, 0].tolist():
        face = camera_hits(mesh, cameras.take([view])).face
        found[mesh.faces[face[beside[view] & (face >= 0)].long()].reshape(-1)] = True
    return found


def _scores(surface: Surface, capture: Capture, *, step: float) -> NDArray[np.float32]:
    mesh = surface.mesh
    seen = sightings_of(capture, mesh, surface.depths, tolerance=surface.tolerance)
    greys = (seen.images.float() @ torch.tensor(_LUMA) / 255).masked_fill(~capture.photos.masks, _MASKED).contiguous()
    scores = np.empty((len(mesh.vertices), _OFFSETS), np.float32)
    sweep(
        mesh.vertices.float().numpy(), mesh.vertex_normals.float().numpy(), seen.cameras.numpy(), seen.centres.numpy(),
        greys.numpy(), seen.depth.numpy(), seen.trust.numpy(), np.float32(surface.tolerance), np.float32(step), scores,
    )  # fmt: skip
    return scores


def _peaks(scores: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The best offset of each vertex in steps, by a parabola through the peak, and how much to believe it."""
    rows, best = np.arange(len(scores)), scores.argmax(1)
    inner = (best > 0) & (best < _OFFSETS - 1)
    middle = best.clip(1, _OFFSETS - 2)
    before, peak, after = (scores[rows, middle + k].astype(np.float64) for k in (-1, 0, 1))
    inner &= (before > _NONE) & (after > _NONE)
    bend = np.where(inner, 2 * peak - before - after, 0.0)
    share = np.where(bend > 1e-6, 0.5 * (after - before) / np.maximum(bend, 1e-6), 0.0).clip(-0.5, 0.5)
    height = (peak - _LEAST) / (1 - _LEAST)
    belief = np.where(inner, height.clip(0, 1) * (bend / _CURVED).clip(0, 1), 0.0)
    return best - _OFFSETS // 2 + share, belief


def _spread(
    mesh: Mesh, offsets: NDArray[np.float64], belief: NDArray[np.float64], hold: NDArray[np.float64], step: float
) -> Float[Tensor, " N"]:
    """Offsets in world units of all vertices: a membrane through those that are believed."""
    adjacent = links(mesh)
    membrane = diags_array(np.asarray(adjacent.sum(1)).reshape(-1)) - adjacent
    found, weights = np.zeros(len(offsets)), belief
    for _ in range(_ROUNDS):
        matrix = diags_array(weights + hold) + _STIFFNESS * membrane
        found, _ = cg(matrix, weights * offsets, x0=found, rtol=1e-4, maxiter=200)
        weights = belief / np.maximum(1.0, np.abs(found - offsets) / 1.5)
    return torch.from_numpy(found * step)
