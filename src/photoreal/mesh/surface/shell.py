"""A coarse outer shell for what has no surface of its own: sky, distance, what is too unsure to be fused."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from photoreal.core import Capture, Depths, Mesh, unproject, world_rays
from photoreal.mesh.texture.hits import camera_hits

_ROWS = 96
"""Cells from pole to pole; twice as many around."""
_ROUNDS = 200
_STEPS = 12
_BEHIND = 1.05
"""The shell stays this factor outside of the cameras, and behind the surface"""
_REACH = 4
"""so many cells around."""


def shell(mesh: Mesh, depths: Depths, capture: Capture) -> Mesh:
    """Triangles around the cameras' middle, one quad for each direction in which a pixel sees past the surface.

    Masked pixels see nothing: an object that was cut out has no shell. The depths may be smaller than the photos.

    Their distance is the mean of such pixels' depths in that direction, and spread from around where none is known;
    they stay behind the surface and outside of all cameras. Faces turn inwards; there are none if the surface fills
    every picture.
    """
    cameras = capture.cameras.resized(depths.size)
    shown = torch.nn.functional.interpolate(capture.photos.masks[None].float(), depths.size, mode="nearest")[0] > 0
    centre = cameras.centres.mean(0)
    total, count, nearest = torch.zeros(3, 2 * _ROWS * _ROWS)
    sights: list[tuple[Tensor, Tensor]] = []
    for view in range(len(cameras)):
        camera = cameras.take([view])
        hits = camera_hits(mesh, camera)
        covered, known = hits.face >= 0, depths.take([view]).known[0]
        past = ~covered & shown[view]
        offset = unproject(camera, torch.where(covered, hits.depth, depths.depth[view])[None])[0] - centre
        cell, distance = _cell(offset), offset.norm(dim=-1)
        nearest.scatter_reduce_(0, cell[covered], distance[covered], "amax")
        bare = past & known
        total.index_add_(0, cell[bare], distance[bare])
        count.index_add_(0, cell[bare], torch.ones_like(distance[bare]))
        rays = torch.nn.functional.normalize(world_rays(camera)[0][past], dim=-1)
        sights.append(((camera.centres[0] - centre).expand_as(rays), rays))
    outermost = float((cameras.centres - centre).norm(dim=-1).max().clamp_min(1e-6))
    guard = _BEHIND * _peak(nearest, _REACH).clamp_min(outermost)
    radius = torch.maximum(_spread(total, count, 2 * float(guard.max())), guard)
    wanted = torch.zeros(len(radius))
    for start, rays in sights:
        wanted[_met(start, rays, radius)] = 1
    return _quads(centre, radius, _peak(wanted, 4) > 0)


def _met(start: Float[Tensor, "N 3"], rays: Float[Tensor, "N 3"], radius: Float[Tensor, " M"]) -> Int64[Tensor, " N"]:
    """The cell in which each ray meets the shell, by fixed-point steps on the radius."""
    reach = radius.median().expand(len(rays))
    cell = torch.zeros(len(rays), dtype=torch.int64)
    along = (start * rays).sum(-1)
    for _ in range(_STEPS):
        inside = (along**2 - (start * start).sum(-1) + reach**2).clamp_min(0)
        cell = _cell(start + rays * (inside.sqrt() - along)[:, None])
        reach = radius[cell]
    return cell


def _cell(offset: Float[Tensor, "*n 3"]) -> Int64[Tensor, "*n"]:
    unit = torch.nn.functional.normalize(offset, dim=-1)
    row = (torch.acos(unit[..., 2].clamp(-1, 1)) / torch.pi * _ROWS).long().clamp(0, _ROWS - 1)
    column = ((torch.atan2(unit[..., 1], unit[..., 0]) / torch.pi + 1) * _ROWS).long().clamp(0, 2 * _ROWS - 1)
    return row * 2 * _ROWS + column


def _grid(cells: Float[Tensor, " N"], margin: int) -> Float[Tensor, "1 1 R C"]:
    """As an image that goes round in its columns and ends in its rows, with a margin."""
    image = cells.reshape(1, 1, _ROWS, 2 * _ROWS)
    image = torch.cat([image[..., -margin:], image, image[..., :margin]], -1)
    return torch.nn.functional.pad(image, (0, 0, margin, margin), mode="replicate")


def _spread(total: Float[Tensor, " N"], count: Float[Tensor, " N"], default: float) -> Float[Tensor, " N"]:
    """Means of the cells, smoothed where few pixels speak and spread into cells without any."""
    if not bool((count > 0).any()):
        return torch.full_like(total, default)
    own = torch.where(count > 0, 1 / (total / count.clamp_min(1)).clamp_min(1e-9), torch.zeros_like(total))
    inverse = torch.where(count > 0, own, own[count > 0].median())
    trust = count / (count + 4)
    for _ in range(_ROUNDS):
        around = torch.nn.functional.avg_pool2d(_grid(inverse, 1), 3, 1).reshape(-1)
        inverse = trust * own + (1 - trust) * around
    return 1 / inverse


def _peak(cells: Float[Tensor, " N"], reach: int) -> Float[Tensor, " N"]:
    """The most within so many cells."""
    return torch.nn.functional.max_pool2d(_grid(cells, reach), 2 * reach + 1, 1).reshape(-1)


def _quads(centre: Float[Tensor, " 3"], radius: Float[Tensor, " N"], wanted: Bool[Tensor, " N"]) -> Mesh:
    rows, columns = torch.meshgrid(torch.arange(_ROWS + 1), torch.arange(2 * _ROWS), indexing="ij")
    # The farthest of the four cells around a corner: nothing comes in front of what the cells stay behind.
    around = torch.nn.functional.max_pool2d(_grid(radius, 1), 2, 1)[0, 0, :, : 2 * _ROWS]
    polar, turn = rows * torch.pi / _ROWS, (columns / _ROWS - 1) * torch.pi
    direction = torch.stack([polar.sin() * turn.cos(), polar.sin() * turn.sin(), polar.cos()], -1)
    vertices = (centre + direction * around[..., None]).reshape(-1, 3)
    row, column = torch.meshgrid(torch.arange(_ROWS), torch.arange(2 * _ROWS), indexing="ij")
    right = (column + 1) % (2 * _ROWS)
    a, b = row * 2 * _ROWS + column, row * 2 * _ROWS + right
    c, d = a + 2 * _ROWS, b + 2 * _ROWS
    faces = torch.stack([torch.stack([a, b, c], -1), torch.stack([b, d, c], -1)], 2).reshape(-1, 2, 3)
    faces = faces[wanted].reshape(-1, 3)
    # At the poles a quad is a triangle, its other half nothing.
    one, two, three = vertices[faces].unbind(1)
    inwards = (torch.linalg.cross(two - one, three - one) * (centre - one)).sum(1)
    faces = faces[inwards > 1e-9 * inwards.max()] if len(faces) else faces
    used, numbers = torch.unique(faces, return_inverse=True)
    return Mesh(vertices[used].to(centre.dtype), numbers.reshape(-1, 3))
