"""Where a photographer stands: two hand-held arcs before one place, and views between them kept for testing."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from photoreal.core import Cameras, look_at

SENSOR_DIAGONAL_35MM = 43.27
"""Millimetres; EXIF's 35 mm equivalent compares diagonals (CIPA DCG-001)."""


@dataclass(frozen=True)
class Walk:
    """Two arcs of an ellipse around a target, in metres."""

    target: tuple[float, float, float] = (0.12, 1.15, 0.84)
    """What all cameras look at, give or take a few centimetres."""
    radii: tuple[float, float] = (1.75, 2.45)
    """Half axes of the ellipse along x and y; the photographer stands on the -y side."""
    azimuths: tuple[float, float] = (-58.0, 54.0)
    """First and last direction in degrees; 0 is straight before the target, positive towards +x."""
    heights: tuple[float, float] = (1.12, 1.62)
    """Of the eye on the first arc and on the way back."""


@dataclass(frozen=True)
class Lens:
    """A lens as OpenCV models it, for an image of `size` (height, width) pixels."""

    size: tuple[int, int]
    focal: float
    """Pixels, the same along both axes."""
    centre: tuple[float, float]
    """Principal point in pixels, (0.5, 0.5) being the middle of the first pixel."""
    distortion: tuple[float, float, float, float]
    """k1, k2, p1, p2 of the Brown-Conrady model (Brown 1971) as OpenCV orders them."""

    @property
    def focal_35mm(self) -> float:
        """Focal length of the lens with the same angle of view on 36 x 24 mm film, in millimetres."""
        return self.focal * SENSOR_DIAGONAL_35MM / float(np.hypot(*self.size))


def phone_lens(size: tuple[int, int]) -> Lens:
    """The main lens of a phone: 26 mm equivalent, mild barrel distortion, a centre that is a little off."""
    height, width = size
    focal = 26.0 * float(np.hypot(height, width)) / SENSOR_DIAGONAL_35MM
    return Lens(size, focal, (0.5029 * width, 0.4968 * height), (-0.046, 0.013, 0.0006, -0.0004))


def distort(lens: Lens, plane: Float[np.ndarray, "*shape 2"]) -> Float[np.ndarray, "*shape 2"]:
    """Pixels of the directions (x, y, 1) in camera axes."""
    k1, k2, p1, p2 = lens.distortion
    x, y = plane[..., 0], plane[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * k2)
    bent = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    return bent * lens.focal + np.array(lens.centre)


def undistort(lens: Lens, pixels: Float[np.ndarray, "*shape 2"]) -> Float[np.ndarray, "*shape 2"]:
    """Directions (x, y, 1) in camera axes that fall on the pixels, to about 1e-10."""
    aim = (pixels - np.array(lens.centre)) / lens.focal
    plane = aim
    for _ in range(40):
        bent = (distort(lens, plane) - np.array(lens.centre)) / lens.focal
        plane = plane - (bent - aim)
    return plane


def pinhole(lens: Lens, poses: Float[torch.Tensor, "V 4 4"]) -> Cameras:
    """Cameras with the lens's focal length and centre and no distortion."""
    matrix = [[lens.focal, 0.0, lens.centre[0]], [0.0, lens.focal, lens.centre[1]], [0.0, 0.0, 1.0]]
    intrinsics = torch.tensor(matrix, dtype=poses.dtype)
    return Cameras(poses, intrinsics.repeat(len(poses), 1, 1), lens.size)


def walk_poses(walk: Walk, count: int, seed: int) -> Float[torch.Tensor, "V 4 4"]:
    """cam_from_world of hand-held photographs: there along the first height, back along the second."""
    rng = np.random.default_rng(seed)
    first = (count + 1) // 2
    there = np.linspace(walk.azimuths[0], walk.azimuths[1], first)
    half_step = (there[1] - there[0]) / 2 if first > 1 else 0.0
    back = np.linspace(walk.azimuths[1] - half_step, walk.azimuths[0] + half_step, count - first)
    azimuth = np.concatenate([there, back]) + rng.normal(0, 0.8, count)
    height = np.where(np.arange(count) < first, walk.heights[0], walk.heights[1]) + rng.normal(0, 0.04, count)
    distance = 1 + rng.normal(0, 0.035, count)
    shift, roll = rng.normal(0, 0.07, (count, 3)), rng.normal(0, 1.3, count)
    return _poses(walk, np.stack([azimuth, height, distance, roll], -1), shift)


def between_poses(walk: Walk, count: int, seed: int) -> Float[torch.Tensor, "V 4 4"]:
    """cam_from_world of views between the two arcs, inside the hull of `walk_poses`."""
    rng = np.random.default_rng(seed)
    margin = 0.09 * (walk.azimuths[1] - walk.azimuths[0])
    azimuth = np.linspace(walk.azimuths[0] + margin, walk.azimuths[1] - margin, count)
    share = 0.25 + 0.5 * (np.arange(count) % 2) + rng.uniform(-0.1, 0.1, count)
    height = walk.heights[0] + share * (walk.heights[1] - walk.heights[0])
    steady = np.zeros(count)
    return _poses(walk, np.stack([azimuth, height, steady + 1.0, steady], -1), np.zeros((count, 3)))


def _poses(
    walk: Walk, stance: Float[np.ndarray, "V 4"], shift: Float[np.ndarray, "V 3"]
) -> Float[torch.Tensor, "V 4 4"]:
    """Poses from azimuth (degrees), height, relative distance and roll (degrees); `shift` moves the aim."""
    azimuth, height, distance, roll = np.radians(stance[:, 0]), stance[:, 1], stance[:, 2], np.radians(stance[:, 3])
    target = np.array(walk.target)
    east = target[0] + walk.radii[0] * distance * np.sin(azimuth)
    north = target[1] - walk.radii[1] * distance * np.cos(azimuth)
    centres = torch.from_numpy(np.stack([east, north, height], -1))
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    level = look_at(centres, torch.from_numpy(target + shift), up)
    spin = torch.eye(4, dtype=torch.float64).repeat(len(stance), 1, 1)
    cosine, sine = torch.from_numpy(np.cos(roll)), torch.from_numpy(np.sin(roll))
    spin[:, 0, 0], spin[:, 0, 1], spin[:, 1, 0], spin[:, 1, 1] = cosine, -sine, sine, cosine
    return spin @ level
