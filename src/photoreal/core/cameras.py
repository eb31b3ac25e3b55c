"""Pinhole cameras in OpenCV axes (x right, y down, z forward); pixels (x, y), the first one's centre at (0.5, 0.5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core.transforms import invert_rigid
from photoreal.core.value import Value


@dataclass(frozen=True)
class Cameras(Value):
    """Pinhole cameras that share one image size."""

    cam_from_world: Float[Tensor, "V 4 4"]
    """Rigid; the last row is (0, 0, 0, 1)."""
    intrinsics: Float[Tensor, "V 3 3"]
    """Pixels: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]."""
    size: tuple[int, int]
    """Height and width in pixels."""

    def __post_init__(self) -> None:
        if len(self.cam_from_world) != len(self.intrinsics):
            raise ValueError(f"{len(self.cam_from_world)} poses but {len(self.intrinsics)} intrinsics")

    def __len__(self) -> int:
        return len(self.cam_from_world)

    @property
    def world_from_cam(self) -> Float[Tensor, "V 4 4"]:
        """The inverse rigid transforms."""
        return invert_rigid(self.cam_from_world)

    @property
    def centres(self) -> Float[Tensor, "V 3"]:
        """Camera centres in the world."""
        return self.world_from_cam[:, :3, 3]

    def take(self, indices: Sequence[int]) -> "Cameras":
        """The cameras at `indices`, in that order."""
        index = torch.as_tensor(list(indices), dtype=torch.long, device=self.cam_from_world.device)
        return Cameras(self.cam_from_world[index], self.intrinsics[index], self.size)

    def resized(self, size: tuple[int, int]) -> "Cameras":
        """The same cameras for images scaled to `size` (height, width)."""
        height, width = self.size
        scale = self.intrinsics.new_tensor([size[1] / width, size[0] / height, 1.0])
        return Cameras(self.cam_from_world, scale[:, None] * self.intrinsics, size)


def project(cameras: Cameras, points: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, "V N 2"], Float[Tensor, "V N"]]:
    """Pixels and depths (along the axis, world units) of world points in every camera.

    A depth <= 0 means behind the camera; its pixel is then meaningless.
    """
    rotations, translations = cameras.cam_from_world[:, :3, :3], cameras.cam_from_world[:, None, :3, 3]
    in_cam = points @ rotations.transpose(1, 2) + translations
    depth = in_cam[..., 2]
    safe = torch.where(depth.abs() < 1e-12, torch.full_like(depth, 1e-12), depth)
    homogeneous = in_cam / safe[..., None] @ cameras.intrinsics.transpose(1, 2)
    return homogeneous[..., :2], depth


def unproject(cameras: Cameras, depth: Float[Tensor, "V H W"]) -> Float[Tensor, "V H W 3"]:
    """World positions of all pixel centres at the given depth along the axis."""
    rays = pixel_rays(cameras)
    in_cam = rays * depth[..., None]
    world_from_cam = cameras.world_from_cam
    return in_cam @ world_from_cam[:, None, :3, :3].transpose(-1, -2) + world_from_cam[:, None, None, :3, 3]


def pixel_rays(cameras: Cameras) -> Float[Tensor, "V H W 3"]:
    """Directions through all pixel centres in camera axes, with z = 1."""
    height, width = cameras.size
    like = cameras.intrinsics
    ys = torch.arange(height, dtype=like.dtype, device=like.device) + 0.5
    xs = torch.arange(width, dtype=like.dtype, device=like.device) + 0.5
    grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
    pixels = torch.stack([grid_x, grid_y, torch.ones_like(grid_x)], dim=-1)
    return pixels @ torch.linalg.inv(like)[:, None].transpose(-1, -2)


def world_rays(cameras: Cameras) -> Float[Tensor, "V H W 3"]:
    """Directions through all pixel centres in world axes: times a depth, they lead from the camera to the place."""
    return pixel_rays(cameras) @ cameras.cam_from_world[:, None, :3, :3]
