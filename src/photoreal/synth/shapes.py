"""Meshes made of numbers: bevelled boxes, lathed and swept bodies, displaced sheets. Metres, z up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from photoreal.synth.textures import Finish, Number

Vertices = Float[np.ndarray, "N 3"]
Motion = Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class Mesh:
    """Triangles with smooth normals, texture coordinates in metres, faces counter-clockwise seen from outside."""

    vertices: Vertices
    normals: Vertices
    uvs: Float[np.ndarray, "N 2"]
    faces: Int[np.ndarray, "F 3"]

    def moved(self, world_from_mesh: Motion) -> "Mesh":
        """The mesh after a rigid motion."""
        rotation, translation = world_from_mesh[:3, :3], world_from_mesh[:3, 3]
        return Mesh(self.vertices @ rotation.T + translation, self.normals @ rotation.T, self.uvs, self.faces)

    def bent(self, function: Callable[[Vertices], Vertices]) -> "Mesh":
        """The mesh with its vertices mapped by `function` and its normals computed anew."""
        vertices = function(self.vertices)
        return Mesh(vertices, smooth_normals(vertices, self.faces), self.uvs, self.faces)

    def with_uvs(self, function: Callable[[Float[np.ndarray, "N 2"]], Float[np.ndarray, "N 2"]]) -> "Mesh":
        """The mesh with its texture coordinates mapped by `function`."""
        return Mesh(self.vertices, self.normals, function(self.uvs), self.faces)


@dataclass(frozen=True)
class Thing:
    """A mesh and what covers it."""

    name: str
    mesh: Mesh
    finish: Finish


def at(x: Number, y: Number, z: Number, *, turn: Number = 0.0, tilt: Number = 0.0, roll: Number = 0.0) -> Motion:
    """The motion that rolls about y, tilts about x, turns about z (all degrees), then shifts to (x, y, z)."""
    result = np.eye(4)
    result[:3, :3] = _rotation(2, turn) @ _rotation(0, tilt) @ _rotation(1, roll)
    result[:3, 3] = x, y, z
    return result


def _rotation(axis: int, degrees: Number) -> Float[np.ndarray, "3 3"]:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    result = np.eye(3)
    result[i, i], result[j, j], result[i, j], result[j, i] = cosine, cosine, -sine, sine
    return result


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=False)]),
    )


def placed(things: Sequence[Thing], motion: Motion) -> list[Thing]:
    """The things after one common rigid motion."""
    return [Thing(thing.name, thing.mesh.moved(motion), thing.finish) for thing in things]


def smooth_normals(vertices: Vertices, faces: Int[np.ndarray, "F 3"]) -> Vertices:
    """Unit normals weighted by area; vertices at one place (texture seams) share theirs."""
    corners = vertices[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # 21 bits an axis: places within 10 m of the origin, told apart at a hundredth of a millimetre.
    cells = np.round(vertices * 1e5).astype(np.int64) + 2**20
    _, shared = np.unique((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2], return_inverse=True)
    corner = shared[faces].ravel()
    weights = np.repeat(areas, 3, axis=0)
    total = np.stack([np.bincount(corner, weights[:, axis], shared.max() + 1) for axis in range(3)], axis=-1)
    length = np.linalg.norm(total, axis=-1, keepdims=True)
    return (total / np.maximum(length, 1e-15))[shared]


def sheet(
    point: Callable[[Float[np.ndarray, "R C"], Float[np.ndarray, "R C"]], Float[np.ndarray, "R C 3"]],
    extent: tuple[Number, Number],
    counts: tuple[int, int],
) -> Mesh:
    """The surface that `point` gives over u in [0, extent[0]], v in [0, extent[1]]; u x v points outwards.

    The texture coordinates are (u, v); `counts` is the number of cells along u and v.
    """
    u, v = np.meshgrid(np.linspace(0, extent[0], counts[0] + 1), np.linspace(0, extent[1], counts[1] + 1))
    vertices = point(u, v).reshape(-1, 3)
    index = np.arange(u.size).reshape(u.shape)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    faces = faces[_area(vertices, faces) > 1e-14]
    return Mesh(vertices, smooth_normals(vertices, faces), np.stack([u, v], -1).reshape(-1, 2), faces)


def _area(vertices: Vertices, faces: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, " F"]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=-1)


def panel(width: Number, height: Number, relief: Float[np.ndarray, "H W"] | None = None, cell: Number = 0.006) -> Mesh:
    """An upright sheet in the plane y = 0 that faces -y, x in [0, width], z in [0, height], raised by `relief` metres.

    The relief's first row lies at the top.
    """

    def point(u: Float[np.ndarray, "R C"], v: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C 3"]:
        if relief is None:
            return np.stack([u, np.zeros_like(u), v], -1)
        rows = np.clip(((1 - v / height) * relief.shape[0]).astype(int), 0, relief.shape[0] - 1)
        columns = np.clip((u / width * relief.shape[1]).astype(int), 0, relief.shape[1] - 1)
        return np.stack([u, -relief[rows, columns].astype(float), v], -1)

    counts = (1, 1) if relief is None else (max(1, round(width / cell)), max(1, round(height / cell)))
    return sheet(point, (width, height), counts)


def rounded_box(size: tuple[Number, Number, Number], radius: Number, steps: int = 4, cells: int = 1) -> Mesh:
    """A box centred at the origin with rounded edges; `steps` facets per quarter turn, `cells` per flat side."""
    half = np.array(size) / 2
    radius = min(radius, float(half.min()) * 0.999)
    arc = radius * np.tan(np.linspace(0, np.pi / 4, steps + 1))
    sides: list[Mesh] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            i, j = (axis + 1) % 3, (axis + 2) % 3
            lines = [_edge_lines(half[k] - radius, arc, cells) for k in (i, j)]
            u, v = np.meshgrid(lines[0], lines[1])
            point = np.zeros((*u.shape, 3))
            point[..., axis], point[..., i], point[..., j] = sign * half[axis], u, v
            sides.append(_rounded_side(point, half - radius, radius, (axis, sign)))
    return merged(sides)


def _edge_lines(flat: Number, arc: Float[np.ndarray, " A"], cells: int) -> Float[np.ndarray, " L"]:
    return np.concatenate([-flat - arc[::-1], np.linspace(-flat, flat, cells + 1)[1:-1], flat + arc])


def _rounded_side(
    point: Float[np.ndarray, "R C 3"], core: Float[np.ndarray, " 3"], radius: Number, side: tuple[int, Number]
) -> Mesh:
    axis, sign = side
    inner = np.clip(point, -core, core)
    normal = point - inner
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    # Horizontal coordinate first, so that a picture stands upright on every upright side.
    first, second = (i, j) if axis == 0 else ((j, i) if axis == 1 else (i, j))
    uvs = np.stack([point[..., first], point[..., second]], -1) + 0.37 * (2 * axis + (sign > 0))
    index = np.arange(point[..., 0].size).reshape(point.shape[:2])
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    faces = faces if sign > 0 else faces[:, ::-1]
    return Mesh((inner + radius * normal).reshape(-1, 3), normal.reshape(-1, 3), uvs.reshape(-1, 2), faces.copy())


def lathe(profile: Sequence[tuple[Number, Number]], *, sides: int = 64, smooth: int = 6) -> Mesh:
    """The body swept by a profile of (radius, height), from its foot up, around the z axis.

    With `smooth` > 0 the profile is a Catmull-Rom curve through the points, otherwise straight lines. A profile that
    goes up outside and down inside makes a vessel with a wall.
    """
    curve = _curve(np.array(profile, dtype=float), smooth)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=-1))])
    girth = 2 * np.pi * float(curve[:, 0].max())

    def point(u: Float[np.ndarray, "R C"], v: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C 3"]:
        radius, height = curve[:, 0][:, None], curve[:, 1][:, None]
        angle = u / girth * 2 * np.pi
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), height + 0 * v], -1)

    mesh = sheet(point, (girth, float(length[-1])), (sides, len(curve) - 1))
    rows = np.repeat(length, sides + 1)
    return Mesh(mesh.vertices, mesh.normals, np.stack([mesh.uvs[:, 0], rows], -1), mesh.faces)


def tube(
    path: Sequence[Sequence[Number]], radius: Number | Sequence[Number], *, sides: int = 10, smooth: int = 5
) -> Mesh:
    """A round tube of the given radius, or radii at the path's points, along a curve through points in space."""
    points = np.array(path, dtype=float)
    radii = np.broadcast_to(np.asarray(radius, dtype=float), len(points))
    curve = _curve(np.concatenate([points, radii[:, None]], axis=-1), smooth)
    centre, width = curve[:, :3], curve[:, 3:]
    tangent = np.gradient(centre, axis=0)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    across = np.cross(tangent, _least_aligned(tangent))
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    other = np.cross(tangent, across)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(centre, axis=0), axis=-1))])

    def point(u: Float[np.ndarray, "R C"], v: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C 3"]:
        angle = u[..., None] / u.max() * 2 * np.pi
        ring = np.cos(angle) * across[:, None] + np.sin(angle) * other[:, None]
        return centre[:, None] + width[:, None] * ring + 0 * v[..., None]

    return sheet(point, (2 * np.pi * float(radii.max()), float(length[-1])), (sides, len(curve) - 1))


def _least_aligned(tangent: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " 3"]:
    """The world axis that the whole curve runs along least, so that the tube does not twist."""
    return np.eye(3)[np.abs(tangent).mean(0).argmin()]


def _curve(points: Float[np.ndarray, "K D"], smooth: int) -> Float[np.ndarray, "M D"]:
    """Catmull-Rom curve through the points with `smooth` pieces a span; 0 leaves them alone."""
    if smooth == 0 or len(points) < 3:
        return points
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, smooth, endpoint=False)[:, None]
    spans: list[np.ndarray] = []
    for k in range(len(points) - 1):
        p0, p1, p2, p3 = padded[k : k + 4]
        cubic = 3 * p1 - p0 - 3 * p2 + p3
        spans.append(0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + cubic * t**3))
    return np.concatenate([*spans, points[-1:]])


def ball(radius: Callable[[Vertices], Float[np.ndarray, " N"]], steps: int = 48) -> Mesh:
    """A star-shaped body: `radius` gives the distance from the origin along unit directions."""

    def point(u: Float[np.ndarray, "R C"], v: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C 3"]:
        longitude, latitude = u * 2 * np.pi, (v - 0.5) * np.pi
        direction = np.stack(
            [np.cos(longitude) * np.cos(latitude), np.sin(longitude) * np.cos(latitude), np.sin(latitude)], -1
        )
        return direction * radius(direction.reshape(-1, 3)).reshape(*u.shape, 1)

    return sheet(point, (1.0, 1.0), (2 * steps, steps))
