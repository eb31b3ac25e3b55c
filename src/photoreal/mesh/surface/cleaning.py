"""Floaters away, small holes closed, noise evened out; large holes and open borders stay as they are."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import diags_array
from scipy.spatial import KDTree
from torch import Tensor

from photoreal.core import Mesh
from photoreal.mesh.surface.topology import boundary_edges, compact, components, links


def without_floaters(mesh: Mesh, *, share: float) -> Mesh:
    """Only the connected parts whose area is at least `share` of the largest part's."""
    count, part = components(mesh)
    if count == 0:
        return mesh
    areas = torch.zeros(count, dtype=torch.float64).index_add_(0, part, mesh.face_areas.double())
    return compact(Mesh(mesh.vertices, mesh.faces[(areas >= share * areas.max())[part]]))


def close_holes(mesh: Mesh, *, perimeter: float) -> tuple[Mesh, int]:
    """Close every boundary loop that is shorter than `perimeter` (world units), with a fan about its middle.

    Returns the mesh and the number of holes closed. A loop that touches itself is closed part by part.
    """
    vertices, faces, closed = [mesh.vertices], [mesh.faces], 0
    count = len(mesh.vertices)
    for loop in boundary_loops(mesh):
        around = mesh.vertices[torch.from_numpy(loop)]
        if float((around - around.roll(-1, 0)).norm(dim=1).sum()) > perimeter:
            continue
        ring = torch.from_numpy(loop)
        if len(loop) == 3:
            faces.append(ring.flip(0)[None])
        else:
            vertices.append(around.mean(0, keepdim=True))
            middle = torch.full((len(loop),), count, dtype=torch.int64)
            faces.append(torch.stack([ring.roll(-1, 0), ring, middle], 1))
            count += 1
        closed += 1
    return Mesh(torch.cat(vertices), torch.cat(faces)), closed


def boundary_loops(mesh: Mesh) -> list[NDArray[np.int64]]:
    """The closed ways along boundary edges, in the direction of their faces, each without repeating a vertex."""
    follows: dict[int, list[int]] = {}
    for start, end in boundary_edges(mesh.faces).tolist():
        follows.setdefault(start, []).append(end)
    loops: list[NDArray[np.int64]] = []
    while follows:
        way, place = [next(iter(follows))], {}
        place[way[0]] = 0
        while way:
            ends = follows.get(way[-1])
            if not ends:
                break  # not closed: the faces around are not consistently oriented
            end = ends.pop()
            if not ends:
                del follows[way[-1]]
            if end in place:
                first = place[end]
                loops.append(np.array(way[first:], np.int64))
                for vertex in way[first + 1 :]:
                    del place[vertex]
                way = way[: first + 1] if first or end in follows else []
            else:
                place[end] = len(way)
                way.append(end)
    return loops


def smooth(mesh: Mesh, *, rounds: int) -> Mesh:
    """Even out noise without shrinking (Taubin 1995): each round one step of 0.5 inwards and one of -0.53 outwards.

    Vertices of open boundaries stay, so borders do not creep inwards.
    """
    near = links(mesh)
    average = diags_array(1 / np.maximum(np.asarray(near.sum(1)).reshape(-1), 1)) @ near
    free = np.ones((len(mesh.vertices), 1))
    free[boundary_edges(mesh.faces).numpy().reshape(-1)] = 0
    vertices = mesh.vertices.double().numpy().copy()
    for _ in range(rounds):
        for step in (0.5, -0.53):
            vertices += step * free * (average @ vertices - vertices)
    return Mesh(torch.from_numpy(vertices).to(mesh.vertices.dtype), mesh.faces)


def distances_to(mesh: Mesh, samples: Float[Tensor, "N 3"], *, points: int = 200_000) -> Float[Tensor, " N"]:
    """Distance of each sample to the surface, taken at `points` places spread evenly over it."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.multinomial(mesh.face_areas.double() + 1e-30, points, replacement=True, generator=generator)
    one, two = torch.rand(points, 1, generator=generator).sqrt(), torch.rand(points, 1, generator=generator)
    a, b, c = mesh.vertices[mesh.faces[chosen]].unbind(1)
    places = (1 - one) * a + one * (1 - two) * b + one * two * c
    found, _ = KDTree(places.double().numpy()).query(samples.double().numpy())
    return torch.from_numpy(np.asarray(found))
