"""A lawn, a square, a bare floor: ground that cameras near it see at so flat an angle that no view confirms another."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import label
from torch import Tensor

from photoreal.core import Cameras, Depths, Mesh, Value, pixel_rays, project, unproject, world_rays
from photoreal.mesh.surface.confidence import middle_depth
from photoreal.mesh.surface.topology import compact

_UNSURE = 0.2
"""Less confidence than this is little."""
_TRIALS = 500
_SAMPLES = 20_000
_NEAR = 0.005
"""Of the median depth: a point this close lies on the plane."""
_SHARE = 0.3
"""Of the unsure points, at least this share must lie on the plane."""
_PIXELS = 0.01
"""Of all pixels, at least this share must be unconfirmed, else there is nothing to win."""
_ROUNDS = 200
_RESTS = 1e-6
_RATIO = 3.0
"""What is unsure is taken for the plane if its depth is not more than so many times too large or too small"""
_ABOUT = 4.0
"""and it is unconfirmed, or this many times `_NEAR` from the plane,"""
_FLAT = 0.2
"""or its ray meets the plane at less than this cosine."""
_BELOW = 0.1
"""If less than this share of all pixels lies beyond the plane, nothing does: those depths are wrong."""
_THROUGH = 1.05
"""A sure depth this much beyond the plane looks through it."""
_CELL = 4.0
"""Voxels along a cell."""
_MARGIN = 6
"""Holes of twice as many cells are closed, and the sheet reaches so many cells beyond what is seen of it."""
_HOLE = 0.02
"""A hole of less than this share of the sheet is no pit: some views only thought that they saw something below."""
_CELLS = 1000
"""Along a side of the sheet, at most."""


@dataclass(frozen=True)
class Plane(Value):
    """The points x with normal . x = offset."""

    normal: Float[Tensor, " 3"]
    offset: Float[Tensor, ""]

    def height(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
        """Signed distance of points, positive on the side that the normal points to."""
        return points @ self.normal - self.offset


@dataclass(frozen=True)
class Ground:
    """A flat piece of surface, and the depths without it."""

    sheet: Mesh
    depths: Depths
    """Confidence is 0 where a pixel sees the ground."""


def find_ground(depths: Depths, believed: Depths, cameras: Cameras, *, voxel: float) -> Ground | None:
    """The plane that many unsure points lie on, where views see it; None where there is no such plane.

    Seen flat, a small error of height is a large one of depth, so views do not confirm each other though they see the
    same ground; that their points lie on one plane is the better sign. `believed`: `depths` as far as others confirm
    them. The sheet turns towards the cameras.
    """
    middle = middle_depth(depths)
    known = (depths.confidence > 0) & (depths.depth < 4 * middle)
    unsure, unconfirmed = known & (believed.confidence < _UNSURE), known & (believed.confidence <= 0)
    if float(unconfirmed.float().mean()) < _PIXELS:
        return None
    points = unproject(cameras, depths.depth)
    plane = main_plane(points[unsure], near=_NEAR * middle)
    if plane is None:
        return None
    if float(plane.height(cameras.centres).mean()) < 0:
        plane = Plane(-plane.normal, -plane.offset)
    height, met = plane.height(points), _depth_of(plane, cameras)
    cosine = plane.height(cameras.centres)[:, None, None] / (met * pixel_rays(cameras).norm(dim=-1))
    about = (depths.depth > met / _RATIO) & (depths.depth < met * _RATIO)
    close = (height.abs() < _ABOUT * _NEAR * middle) | (cosine < _FLAT)
    meets = (met > 0) & (met < 4 * middle)
    below = known & (height < -_NEAR * middle) & meets
    lowest = float(below.float().mean()) < _BELOW
    seen = about & (unconfirmed | unsure & close) | below & lowest
    left = Depths(believed.depth, believed.confidence * ~(seen | meets & believed.depth.isinf()))
    return Ground(_sheet(plane, torch.where(seen, met, torch.zeros(())), left, cameras, _CELL * voxel), left)


def main_plane(points: Float[Tensor, "N 3"], *, near: float) -> Plane | None:
    """The plane that most points come within `near` of, if they are enough (RANSAC, Fischler and Bolles 1981).

    It is refined on all points with Tukey's weights until it rests, and so does not hang on the trials' luck: depths of
    a lawn scatter widely, and many planes are nearly as good.
    """
    if len(points) < 3:
        return None
    generator = torch.Generator().manual_seed(0)
    sample = points[torch.randperm(len(points), generator=generator)[:_SAMPLES]]
    best = torch.zeros(len(sample), dtype=torch.bool)
    for trio in torch.randint(len(sample), (_TRIALS, 3), generator=generator):
        a, b, c = sample[trio]
        normal = torch.linalg.cross(b - a, c - a)
        inside = ((sample - a) @ normal).abs() < near * normal.norm()
        best = inside if int(inside.sum()) > int(best.sum()) else best
    if int(best.sum()) < max(3, _SHARE * len(sample)):
        return None
    plane = _fitted(sample[best], torch.ones(int(best.sum())))
    for _ in range(_ROUNDS):
        weights = (1 - (plane.height(points) / (2 * near)).square()).clamp_min(0).square()
        if int((weights > 0).sum()) < 3:
            return None
        before, plane = plane, _fitted(points, weights)
        if float(torch.linalg.cross(plane.normal, before.normal).norm()) < _RESTS:
            break
    return plane if float((plane.height(points).abs() < near).float().mean()) >= _SHARE else None


def _fitted(points: Float[Tensor, "N 3"], weights: Float[Tensor, " N"]) -> Plane:
    exact, share = points.double(), (weights / weights.sum()).double()
    middle = share @ exact
    apart = exact - middle
    normal = torch.linalg.eigh((apart * share[:, None]).T @ apart).eigenvectors[:, 0]
    return Plane(normal.to(points.dtype), (middle @ normal).to(points.dtype))


def _depth_of(plane: Plane, cameras: Cameras) -> Float[Tensor, "V H W"]:
    """Depth at which each pixel's ray meets the plane; not above 0 where it does not."""
    slope = world_rays(cameras) @ plane.normal
    return -plane.height(cameras.centres)[:, None, None] / torch.where(slope == 0, torch.inf, slope)


def _sheet(plane: Plane, depth: Float[Tensor, "V H W"], left: Depths, cameras: Cameras, cell: float) -> Mesh:
    """Two triangles for each cell of the plane that more views see than look through, and a few around them.

    `depth`: of the plane where a view sees it, else 0.
    """
    one = torch.linalg.cross(plane.normal, torch.eye(3)[int(plane.normal.abs().argmin())])
    axes = torch.stack([one / one.norm(), torch.linalg.cross(plane.normal, one / one.norm())])
    seen = depth > 0
    flat = unproject(cameras, depth)[seen] @ axes.T
    low, high = flat.amin(0), flat.amax(0)
    cell = max(cell, float((high - low).max()) / _CELLS)
    low = low - _MARGIN * cell
    rows, columns = (int(n) + 1 + _MARGIN for n in ((high - low) / cell).tolist())
    x, y = torch.meshgrid(torch.arange(rows + 1), torch.arange(columns + 1), indexing="ij")
    corners = low + cell * torch.stack([x, y], -1).reshape(-1, 2)
    vertices = corners @ axes + plane.offset * plane.normal
    first = (x * (columns + 1) + y)[:-1, :-1].reshape(-1)
    middles = vertices[first] + cell / 2 * axes.sum(0)
    votes = _votes(middles, seen, left, cameras).reshape(1, rows, columns)
    wide = 2 * _MARGIN + 1
    closed = -torch.nn.functional.max_pool2d(-_widened((votes > 0).float(), 2 * wide - 1), wide, 1, _MARGIN)
    a = first[without_holes(((closed > 0) & (votes >= 0))[0]).reshape(-1)]
    b, c, d = a + columns + 1, a + 1, a + columns + 2
    return compact(Mesh(vertices, torch.cat([torch.stack([a, b, c], 1), torch.stack([b, d, c], 1)])))


def without_holes(wanted: Bool[Tensor, "R C"]) -> Bool[Tensor, "R C"]:
    """With the small holes filled that are closed in on all sides."""
    cells = wanted.numpy()
    parts = np.empty(cells.shape, np.int32)
    label(~cells, output=parts)
    sizes = np.bincount(parts.reshape(-1))
    small = sizes <= _HOLE * cells.sum()
    small[np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])] = False
    small[0] = False
    return torch.from_numpy(cells | small[parts])


def _widened(cells: Float[Tensor, "1 R C"], size: int) -> Float[Tensor, "1 R C"]:
    """The most within a square of cells."""
    return torch.nn.functional.max_pool2d(cells, size, 1, size // 2)


def _votes(
    places: Float[Tensor, "N 3"], seen: Bool[Tensor, "V H W"], left: Depths, cameras: Cameras
) -> Float[Tensor, " N"]:
    """For each place of the plane: views that see it, less views that look through it."""
    votes = torch.zeros(len(places))
    height, width = cameras.size
    for view in range(len(cameras)):
        pixels, depth = (found[0] for found in project(cameras.take([view]), places))
        column, row = pixels.floor().long().unbind(-1)
        inside = (depth > 0) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
        row, column = row.clamp(0, height - 1), column.clamp(0, width - 1)
        sure = left.confidence[view][row, column] >= _UNSURE
        beyond = sure & (left.depth[view][row, column] > _THROUGH * depth)
        votes += inside * (seen[view][row, column].float() - beyond.float())
    return votes
