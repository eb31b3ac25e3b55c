"""Who is whose neighbour: edges, components, boundaries."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from photoreal.core import Mesh


def half_edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """[3 F, 2]: the edge after each corner, row 3 f + k for corner k of face f."""
    return np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)


def links(mesh: Mesh) -> csr_matrix:
    """[N, N]: 1 where an edge joins two vertices, both ways round."""
    edges = half_edges(mesh.faces.numpy())
    both = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    return csr_matrix((np.ones(len(both)), both.T), shape=(len(mesh.vertices),) * 2)


def face_neighbours(faces: Int64[Tensor, "F 3"]) -> Int64[Tensor, "F 3"]:
    """The face across the edge after each corner; -1 at a boundary and where more than two faces meet."""
    edges = half_edges(faces.numpy())
    low, high = edges.min(1), edges.max(1)
    order = np.lexsort((high, low))
    same = (np.diff(low[order]) == 0) & (np.diff(high[order]) == 0)
    starts = np.flatnonzero(np.concatenate([[True], ~same])) if len(order) else np.empty(0, np.int64)
    pairs = starts[np.diff(np.append(starts, len(order))) == 2]
    one, other = order[pairs], order[pairs + 1]
    found = np.full(len(edges), -1, np.int64)
    found[one], found[other] = other // 3, one // 3
    return torch.from_numpy(found.reshape(-1, 3))


def components(mesh: Mesh) -> tuple[int, Int64[Tensor, " F"]]:
    """Number of connected parts, and the part of each face."""
    edges = half_edges(mesh.faces.numpy())
    graph = coo_matrix((np.ones(len(edges), np.int8), edges.T), shape=(len(mesh.vertices),) * 2)
    count, labels = connected_components(graph, directed=False)
    found = labels[mesh.faces[:, 0].numpy()].astype(np.int64)
    used, found = np.unique(found, return_inverse=True) if len(found) else (found, found)
    return (len(used) if count else 0), torch.from_numpy(found.reshape(-1))


def boundary_edges(faces: Int64[Tensor, "F 3"]) -> Int64[Tensor, "E 2"]:
    """The directed edges that belong to one face only."""
    edges = half_edges(faces.numpy())
    alone = (face_neighbours(faces).numpy() < 0).reshape(-1)
    return torch.from_numpy(edges[alone])


def joined(one: Mesh, other: Mesh) -> Mesh:
    """Both meshes as one; the faces of `other` come last."""
    return Mesh(torch.cat([one.vertices, other.vertices]), torch.cat([one.faces, other.faces + len(one.vertices)]))


def compact(mesh: Mesh) -> Mesh:
    """The mesh without vertices that no face uses."""
    used, faces = torch.unique(mesh.faces, return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3))


def smoothed_normals(mesh: Mesh, rounds: int) -> Float[Tensor, "F 3"]:
    """Unit normals of faces after averaging with their neighbours so many times, weighted by area."""
    neighbours = face_neighbours(mesh.faces)
    there = (neighbours >= 0)[..., None]
    weighted = mesh.face_normals * mesh.face_areas[:, None]
    for _ in range(rounds):
        weighted = (weighted + (weighted[neighbours.clamp_min(0)] * there).sum(1)) / 4
    return torch.nn.functional.normalize(weighted, dim=1, eps=1e-30)
