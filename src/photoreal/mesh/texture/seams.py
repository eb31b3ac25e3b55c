"""Steps in colour where two photos meet, levelled."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags_array
from scipy.sparse.linalg import cg
from torch import Tensor

from photoreal.core import Mesh, Value, srgb_from_linear
from photoreal.mesh.kernels.seams import strips
from photoreal.mesh.surface.topology import face_neighbours
from photoreal.mesh.texture.labels import taken_from
from photoreal.mesh.texture.sightings import Sightings

_SAMPLES = 8
"""Places along an edge at which its two photos are compared."""
_STIFFNESS = 0.1
"""Weight of squared differences of offsets along an edge inside of a photo's faces, beside those across a seam."""
_PULL = 0.1
"""Weight of squared offsets themselves: they fade within a few faces of a seam. Photos are at one exposure already, and
offsets that reach farther were measured to cost held-out views 0.2 to 0.5 dB."""
_SOFT = 0.06
"""Differences (sRGB) beyond this count less: highlights, and edges that are not in place."""
_ROUNDS = 3
_MIXED = 4
"""Photos that a face's colours are mixed of at most."""


@dataclass(frozen=True)
class Levels(Value):
    """What levelling does to each face: the photos it mixes, how much of each, shifted by how much."""

    views: Int32[Tensor, "F M"]
    """The face's own photo, then those of faces that share its corners; -1: none."""
    weights: Float[Tensor, "F M 3"]
    """At the three corners; they sum to 1."""
    offsets: Float[Tensor, "F M 3 3"]
    """At the three corners, sRGB."""


@dataclass(frozen=True)
class _Nodes:
    """The unknowns: one offset for each photo at each vertex of its faces."""

    of_corner: NDArray[np.int64]
    """[F, 3]"""
    vertex: NDArray[np.int64]
    view: NDArray[np.int64]
    faces: NDArray[np.int64]
    """How many faces of the photo there are around the vertex."""


def level(mesh: Mesh, labels: Int64[Tensor, " F"], sightings: Sightings) -> Levels:
    """Offsets of the photos that leave no step where they meet, and a narrow strip along seams in which they mix.

    `labels`: the photo of each face; -1: none, and nothing is done there. The offsets minimise (Waechter et al. 2014,
    eq. 3, after Lempitsky and Ivanov 2007) squared steps at samples along the seams plus squared differences between
    neighbours of one photo; large steps are reweighted as by Huber's loss. They are added in sRGB, where a step is as
    visible in shade as in light. In the faces around a vertex of a seam, photos are mixed by their share of the faces
    there, linear in between: so both sides of an edge have one colour, in one chart or in two.
    """
    nodes = _nodes(mesh, labels)
    offsets = _offsets(mesh, labels, nodes, sightings)
    around = np.bincount(nodes.vertex, nodes.faces * (nodes.view >= 0), len(mesh.vertices))
    shares = (nodes.faces / np.maximum(around[nodes.vertex], 1)).astype(np.float32)
    starts = np.searchsorted(nodes.vertex, np.arange(len(mesh.vertices) + 1))
    count = len(mesh.faces)
    views, weights = np.empty((count, _MIXED), np.int32), np.empty((count, _MIXED, 3), np.float32)
    spread = np.empty((count, _MIXED, 3, 3), np.float32)
    strips(mesh.faces.numpy(), labels.numpy(), starts, nodes.view, shares, offsets, views, weights, spread)
    return Levels(torch.from_numpy(views), torch.from_numpy(weights), torch.from_numpy(spread))


def _nodes(mesh: Mesh, labels: Int64[Tensor, " F"]) -> _Nodes:
    photos = int(labels.max()) + 2
    keys = mesh.faces.numpy() * photos + labels.numpy()[:, None] + 1
    used, of_corner, faces = np.unique(keys, return_inverse=True, return_counts=True)
    return _Nodes(of_corner.reshape(-1, 3), used // photos, used % photos - 1, faces)


def _offsets(mesh: Mesh, labels: Int64[Tensor, " F"], nodes: _Nodes, sightings: Sightings) -> NDArray[np.float32]:
    """sRGB offset [K, 3] of each node."""
    rows, steps, belief = _steps(mesh, labels, nodes, sightings)
    ends = np.stack([nodes.of_corner, np.roll(nodes.of_corner, -1, 1)], 2).reshape(-1, 2)
    ends = np.unique(np.sort(ends, 1), axis=0)
    count = len(nodes.vertex)
    linked = coo_matrix((np.ones(len(ends)), ends.T), shape=(count, count)).tocsr()
    linked = linked + linked.T
    held = diags_array(_STIFFNESS * np.asarray(linked.sum(1)).reshape(-1) + _PULL) - _STIFFNESS * linked
    found, weights = np.zeros((count, 3)), belief
    for _ in range(_ROUNDS):
        weighted = diags_array(weights) @ rows
        matrix = csr_matrix(rows.T @ weighted + held)
        for k in range(3):
            found[:, k] = cg(matrix, weighted.T @ steps[:, k], x0=found[:, k], rtol=1e-4, maxiter=1000)[0]
        left = np.linalg.norm(rows @ found - steps, axis=1)
        weights = belief * np.minimum(1.0, _SOFT / np.maximum(left, 1e-12))
    return found.astype(np.float32)


def _steps(
    mesh: Mesh, labels: Int64[Tensor, " F"], nodes: _Nodes, sightings: Sightings
) -> tuple[csr_matrix, NDArray[np.float64], NDArray[np.float64]]:
    """At samples along seams: how the step follows from the offsets, the step that they must undo, its weight."""
    one, other, corners = _seam_edges(mesh, labels, nodes)
    share = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    ends = mesh.vertices[torch.from_numpy(nodes.vertex[corners[:, :2]])]
    along = torch.from_numpy(share).to(ends.dtype)[None, :, None]
    points = (ends[:, :1] * (1 - along) + ends[:, 1:] * along).reshape(-1, 3)
    normals = torch.nn.functional.normalize(mesh.face_normals[one] + mesh.face_normals[other], dim=1)
    normals = normals.repeat_interleave(_SAMPLES, 0)
    lights, seen = zip(
        *(taken_from(sightings, points, normals, labels[side].repeat_interleave(_SAMPLES)) for side in (one, other)),
        strict=True,
    )
    near, far = (srgb_from_linear(light).clamp(0, 1) for light in lights)
    both = (seen[0] & seen[1]).double().numpy()
    factors = np.tile(np.stack([1 - share, share, share - 1, -share], 1), (len(one), 1))
    index = np.repeat(np.arange(len(factors)), 4)
    columns = corners.repeat(_SAMPLES, 0).reshape(-1)
    rows = csr_matrix((factors.reshape(-1), (index, columns)), shape=(len(factors), len(nodes.vertex)))
    return rows, (far - near).double().numpy(), both / _SAMPLES


def _seam_edges(
    mesh: Mesh, labels: Int64[Tensor, " F"], nodes: _Nodes
) -> tuple[Int64[Tensor, " E"], Int64[Tensor, " E"], NDArray[np.int64]]:
    """Both faces of each edge where two photos meet; nodes of its two ends in the first, then in the second [E, 4]."""
    neighbours = face_neighbours(mesh.faces)
    beyond = labels[neighbours.clamp_min(0)]
    first = torch.arange(len(labels))[:, None]
    seam = (neighbours > first) & (beyond != labels[:, None]) & (beyond >= 0) & (labels[:, None] >= 0)
    one, side = (part.numpy() for part in torch.nonzero(seam, as_tuple=True))
    other = neighbours.numpy()[one, side]
    faces = mesh.faces.numpy()
    corners: list[NDArray[np.int64]] = []
    for place in (side, (side + 1) % 3):
        vertex = faces[one, place]
        there = (faces[other] == vertex[:, None]).argmax(1)
        corners += [nodes.of_corner[one, place], nodes.of_corner[other, there]]
    return torch.from_numpy(one), torch.from_numpy(other), np.stack([corners[i] for i in (0, 2, 1, 3)], 1)
