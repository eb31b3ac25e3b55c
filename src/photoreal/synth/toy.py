"""A small textured room of boxes and spheres, ray cast exactly in torch: truth that tests can afford, and a geometry
model that knows it."""

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import (
    Cameras,
    Capture,
    Depths,
    Gaussians,
    Geometry,
    Photos,
    Points,
    Step,
    Value,
    bytes_from_unit,
    look_at,
    pixel_rays,
    project,
    rigid,
    rotation_from_vector,
    unproject,
)

LATTICE = 32
ROOM = ((-2.6, -2.6, 0.0), (2.6, 2.6, 2.4))
TARGET = (0.0, 0.0, 0.45)
LIGHT = (0.45, -0.3, 0.84)


@dataclass(frozen=True)
class ToyScene(Value):
    """Photographs of a toy room and everything that is true about it.

    The world is metres with z up; the room is closed, so every pixel has a depth.
    """

    capture: Capture
    points: Points
    """On visible surfaces; confidence = number of cameras whose image they fall into."""
    gaussians: Gaussians
    """Near the points, of random size, turn and opacity: something to render, not a fit of the photographs."""
    depths: Depths
    """Exact at pixel centres, confidence 1."""


@dataclass(frozen=True)
class _Solids:
    centres: Float[Tensor, "S 3"]
    radii: Float[Tensor, " S"]
    box_lows: Float[Tensor, "B 3"]
    box_highs: Float[Tensor, "B 3"]


def toy_scene(
    seed: int = 0, views: int = 12, size: tuple[int, int] = (90, 120), *, arc_degrees: float = 100.0, points: int = 2000
) -> ToyScene:
    """A toy room seen by `views` cameras of `size` (height, width) on an arc at two heights; a seed gives one scene.

    Args:
        seed: chooses the solids' places, the texture and the small wobble of the cameras.
        views: how many cameras, at least 1.
        size: height and width in pixels; SIFT finds enough from about (300, 400) upwards.
        arc_degrees: horizontal angle from the first camera to the last, seen from the middle of the room.
        points: how many points, and Gaussians, to sample on the visible surfaces.
    """
    generator = torch.Generator().manual_seed(seed)
    solids = _solids(generator)
    lattice = _lattice(generator)
    cameras = _cameras(generator, views, size, arc_degrees)
    depth, _, _ = _cast(solids, cameras)
    images = _photograph(solids, lattice, cameras)
    photos = Photos(
        images,
        torch.ones(views, *size, dtype=torch.bool),
        tuple(f"toy_{index:03d}.png" for index in range(views)),
        cameras.intrinsics[:, 0, 0].clone(),
        torch.zeros(views, dtype=torch.long),
    )
    cloud = _sample_points(generator, cameras, images, depth, count=points)
    depths = Depths(depth, torch.ones_like(depth))
    return ToyScene(Capture(photos, cameras), cloud, _sample_gaussians(generator, cloud), depths)


@dataclass(frozen=True)
class ToyGeometry:
    """Says of a toy scene's photos what is true, with errors of known size; metric."""

    scene: ToyScene
    rotation_degrees: float = 0.0
    """Deviation of each camera's turn about a random axis."""
    shift: float = 0.0
    """Deviation of each coordinate of a camera's place, in metres."""
    depth_noise: float = 0.0
    """Deviation of each depth, as a share of it."""
    depth_stretch: float = 0.0
    """Deviation of the factor of a whole depth map."""
    seed: int = 0
    """One seed errs in one way."""

    def __call__(self, photos: Photos) -> Generator[Step, None, Geometry]:
        """Yield steps; return the geometry of photos of the scene, which are told by their names."""
        yield Step("remembering", 0, len(photos))
        truth = self.scene.capture
        rows = [truth.photos.names.index(name) for name in photos.names]
        cameras, depths = truth.cameras.take(rows), self.scene.depths.take(rows)
        count, generator = len(rows), torch.Generator().manual_seed(self.seed)
        axes = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
        angles = math.radians(self.rotation_degrees) * torch.randn(count, 1, generator=generator)
        moved = rigid(rotation_from_vector(angles * axes), self.shift * torch.randn(count, 3, generator=generator))
        stretch = (self.depth_stretch * torch.randn(count, 1, 1, generator=generator)).exp()
        noise = (self.depth_noise * torch.randn(depths.depth.shape, generator=generator)).exp()
        yield Step("remembering", len(photos), len(photos))
        return Geometry(
            Capture(photos, cameras.replace(cam_from_world=moved @ cameras.cam_from_world)),
            Depths(depths.depth * stretch * noise, depths.confidence),
            "metric",
            "toy: the truth, with errors",
        )


def _solids(generator: torch.Generator) -> _Solids:
    def uniform(count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    count = 6
    angle = torch.arange(count) * (2 * math.pi / count) + uniform(count, -0.25, 0.25)
    distance = uniform(count, 0.55, 0.95)
    place = torch.stack([distance * angle.cos(), distance * angle.sin()], dim=-1)
    radii = torch.cat([uniform(3, 0.18, 0.3), uniform(1, 0.3, 0.34)])
    spheres = torch.cat([place[0::2], torch.zeros(1, 2)])
    centres = torch.cat([spheres, (radii * 0.95)[:, None]], dim=-1)
    half = torch.stack([uniform(3, 0.12, 0.26), uniform(3, 0.12, 0.26)], dim=-1)
    lows = torch.cat([place[1::2] - half, torch.zeros(3, 1)], dim=-1)
    highs = torch.cat([place[1::2] + half, uniform(3, 0.3, 1.0)[:, None]], dim=-1)
    return _Solids(centres, radii, lows, highs)


def _cameras(generator: torch.Generator, views: int, size: tuple[int, int], arc_degrees: float) -> Cameras:
    height, width = size
    fraction = torch.linspace(-0.5, 0.5, views) if views > 1 else torch.zeros(1)
    angle = fraction * math.radians(arc_degrees)
    wobble = 0.06 * torch.randn(views, 6, generator=generator)
    level = 1.0 + 0.45 * (torch.arange(views) % 2) + wobble[:, 2]
    centres = torch.stack([2.1 * angle.sin() + wobble[:, 0], -2.1 * angle.cos() + wobble[:, 1], level], dim=-1)
    targets = torch.tensor(TARGET) + wobble[:, 3:]
    focal = 0.85 * width
    intrinsics = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    poses = look_at(centres, targets, torch.tensor([0.0, 0.0, 1.0]))
    return Cameras(poses, intrinsics.repeat(views, 1, 1), size)


def _cast(
    solids: _Solids, cameras: Cameras
) -> tuple[Float[Tensor, "V H W"], Float[Tensor, "V H W 3"], Float[Tensor, "V H W 3"]]:
    """Depth along the axis, world position and outward normal of what each pixel centre sees first."""
    rotation = cameras.world_from_cam[:, None, None, :3, :3]
    rays = (rotation @ pixel_rays(cameras)[..., None]).squeeze(-1)
    origins = cameras.centres[:, None, None].expand_as(rays)
    best, normal = _leave_room(origins, rays)
    for centre, radius in zip(solids.centres, solids.radii, strict=True):
        distance = _hit_sphere(origins - centre, rays, float(radius))
        outward = (origins + distance.clamp(max=1e3)[..., None] * rays - centre) / radius
        best, normal = _nearer(best, normal, distance, outward)
    for low, high in zip(solids.box_lows, solids.box_highs, strict=True):
        best, normal = _nearer(best, normal, *_hit_box(origins, rays, low, high))
    return best, origins + best[..., None] * rays, normal


def _nearer(best: Tensor, normal: Tensor, distance: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    closer = distance < best
    return torch.where(closer, distance, best), torch.where(closer[..., None], other, normal)


def _hit_sphere(offset: Tensor, rays: Tensor, radius: float) -> Tensor:
    a, half_b = rays.square().sum(-1), (offset * rays).sum(-1)
    discriminant = half_b.square() - a * (offset.square().sum(-1) - radius**2)
    distance = (-half_b - discriminant.clamp_min(0).sqrt()) / a
    missed = (discriminant <= 0) | (distance <= 1e-3)
    return torch.where(missed, torch.full_like(distance, torch.inf), distance)


def _slabs(origins: Tensor, rays: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    safe = torch.where(rays.abs() < 1e-9, torch.full_like(rays, 1e-9), rays)
    first, second = (low - origins) / safe, (high - origins) / safe
    return torch.minimum(first, second), torch.maximum(first, second)


def _hit_box(origins: Tensor, rays: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    enter, leave = _slabs(origins, rays, low, high)
    distance, axis = enter.max(-1)
    missed = (distance > leave.amin(-1)) | (distance <= 1e-3)
    normal = -torch.sign(rays) * torch.nn.functional.one_hot(axis, 3)
    return torch.where(missed, torch.full_like(distance, torch.inf), distance), normal


def _leave_room(origins: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
    _, leave = _slabs(origins, rays, torch.tensor(ROOM[0]), torch.tensor(ROOM[1]))
    distance, axis = leave.min(-1)
    return distance, -torch.sign(rays) * torch.nn.functional.one_hot(axis, 3)


def _photograph(solids: _Solids, lattice: Tensor, cameras: Cameras) -> Tensor:
    """Matt surfaces under one light without shadows, four samples a pixel, so that a surface has one colour for all."""
    height, width = cameras.size
    fine = cameras.resized((2 * height, 2 * width))
    images: list[Tensor] = []
    for view in range(len(cameras)):
        _, position, normal = _cast(solids, fine.take([view]))
        light = torch.nn.functional.normalize(torch.tensor(LIGHT), dim=0)
        shade = 0.65 + 0.35 * (normal @ light)
        colour = _texture(lattice, position[0]) * shade[0, ..., None]
        images.append(torch.nn.functional.avg_pool2d(colour.permute(2, 0, 1), 2))
    return bytes_from_unit(torch.stack(images))


def _texture(lattice: Tensor, position: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W 3"]:
    """Solid noise of four octaves, cells of 30 to 2 cm, with its contrast raised."""
    total = torch.zeros_like(position)
    for octave, (frequency, weight) in enumerate([(3.1, 0.3), (10.3, 0.3), (20.9, 0.3), (43.7, 0.25)]):
        total = total + weight * (_noise(lattice, position * frequency + 7.3 * octave) - 0.5)
    return torch.sigmoid(9.0 * total)


def _lattice(generator: torch.Generator) -> Float[Tensor, "3 L L L"]:
    lattice = torch.rand(3, LATTICE, LATTICE, LATTICE, generator=generator)
    return torch.nn.functional.pad(lattice[None], (0, 1, 0, 1, 0, 1), mode="circular")[0]


def _noise(lattice: Tensor, position: Tensor) -> Tensor:
    """Trilinear interpolation of a periodic lattice, whose first layers are repeated after the last."""
    grid = position.remainder(LATTICE) * (2 / LATTICE) - 1
    value = torch.nn.functional.grid_sample(lattice[None], grid[None, None], align_corners=True)
    return value[0, :, 0].permute(1, 2, 0)


def _sample_points(
    generator: torch.Generator, cameras: Cameras, images: Tensor, depth: Tensor, *, count: int
) -> Points:
    chosen = torch.randint(depth.numel(), (count,), generator=generator)
    positions = unproject(cameras, depth).reshape(-1, 3)[chosen]
    colours = images.permute(0, 2, 3, 1).reshape(-1, 3)[chosen]
    pixels, along = project(cameras, positions)
    limit = torch.tensor([cameras.size[1], cameras.size[0]])
    inside = ((pixels >= 0) & (pixels < limit)).all(-1) & (along > 0)
    return Points(positions, colours, inside.sum(0).to(torch.float32))


def _sample_gaussians(generator: torch.Generator, points: Points) -> Gaussians:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    count = len(points)
    base = (points.colours.to(torch.float32) / 255 - 0.5) / 0.28209479177387814
    return Gaussians(
        points.positions + 0.02 * normal(count, 3),
        normal(count, 4),
        math.log(0.04) + 0.4 * normal(count, 3),
        1.5 * normal(count, 1),
        torch.cat([base[:, None], 0.1 * normal(count, 3, 3)], dim=1),
    )
