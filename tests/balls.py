"""A coloured ball seen from all around: exact depths, exact photographs."""

import torch
from torch import Tensor

from photoreal.core import Cameras, Capture, Depths, Mesh, Photos, bytes_from_unit, look_at, pixel_rays, unproject
from photoreal.mesh import Surface

UP = torch.tensor([0.0, 0.0, 1.0])


def cameras_around(count: int, *, distance: float = 3.0, side: int = 96, seed: int = 0) -> Cameras:
    """Cameras spread evenly over a sphere (a spiral), looking at the origin."""
    turn = torch.arange(count) * 2.399963
    height = 1 - 2 * (torch.arange(count) + 0.5) / count
    ring = (1 - height**2).sqrt()
    centres = distance * torch.stack([ring * turn.cos(), ring * turn.sin(), height], 1)
    poses = look_at(centres, torch.zeros_like(centres), UP)
    focal = 1.2 * side
    lens = torch.tensor([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]])
    return Cameras(poses, lens.expand(count, 3, 3).contiguous(), (side, side))


def ball_depths(cameras: Cameras, radius: float = 1.0) -> Depths:
    """Exact depths of a ball about the origin."""
    rays = pixel_rays(cameras)
    middle = cameras.cam_from_world[:, None, None, :3, 3]
    along, across = (rays * rays).sum(-1), (rays * middle).sum(-1)
    inside = across**2 - along * ((middle * middle).sum(-1) - radius**2)
    depth = torch.where(inside > 0, (across - inside.clamp_min(0).sqrt()) / along, torch.zeros_like(across))
    return Depths(depth, (inside > 0).float())


def paint(places: Tensor, detail: float = 1.0) -> Tensor:
    """A smooth colour in [0, 1] for each place; `detail` makes it change so many times faster."""
    x, y, z = (detail * places).unbind(-1)
    return torch.stack(
        [0.5 + 0.3 * torch.sin(3 * x + y), 0.5 + 0.3 * torch.sin(4 * y - z), 0.5 + 0.3 * torch.cos(3 * z)], -1
    )


def ball_capture(count: int = 14, *, side: int = 96, detail: float = 1.0) -> Capture:
    """Photographs of the painted ball before grey, of which the ball alone is unmasked."""
    cameras = cameras_around(count, side=side)
    depths = ball_depths(cameras)
    colours = torch.where(
        depths.confidence[..., None] > 0, paint(unproject(cameras, depths.depth), detail), torch.tensor(0.4)
    )
    images = bytes_from_unit(colours.permute(0, 3, 1, 2)).contiguous()
    names = tuple(f"{i:03d}.png" for i in range(count))
    return Capture(
        Photos(images, depths.confidence > 0, names, torch.zeros(count), torch.zeros(count, dtype=torch.long)), cameras
    )


def ball_mesh(rows: int = 40) -> Mesh:
    """Triangles of the unit ball, with its poles."""
    polar = torch.linspace(0, torch.pi, rows + 1)[1:-1]
    turn = torch.arange(2 * rows) * torch.pi / rows
    ring = torch.stack(
        [
            polar.sin()[:, None] * turn.cos(),
            polar.sin()[:, None] * turn.sin(),
            polar.cos()[:, None].expand(-1, 2 * rows),
        ],
        -1,
    ).reshape(-1, 3)
    vertices = torch.cat([ring, torch.tensor([[0.0, 0, 1], [0.0, 0, -1]])])
    faces: list[list[int]] = []
    across = 2 * rows
    for column in range(across):
        right = (column + 1) % across
        faces.append([len(ring), column, right])
        last = (rows - 2) * across
        faces.append([len(ring) + 1, last + right, last + column])
        for row in range(rows - 2):
            a, b = row * across + column, row * across + right
            faces += [[a, a + across, b], [b, a + across, b + across]]
    return Mesh(vertices, torch.tensor(faces))


def surface_of(mesh: Mesh, cameras: Cameras, *, voxel: float = 0.01) -> Surface:
    """A mesh of the ball as the texture takes it, with the ball's exact depths."""
    return Surface(mesh, torch.zeros(len(mesh.faces), dtype=torch.bool), voxel, ball_depths(cameras), {})
