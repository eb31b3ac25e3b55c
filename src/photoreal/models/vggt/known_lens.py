"""Lenses that are known: cameras get exactly their intrinsics, and are placed anew where they see what they saw."""

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Depths, project, rigid, rotation_from_vector, unproject
from photoreal.models.vggt.prediction import VggtPrediction

_SAMPLES = 2000
_ROUNDS = 15
_DAMPING = 1e-6


def with_known_lens(found: VggtPrediction, intrinsics: Float[Tensor, "V 3 3"]) -> VggtPrediction:
    """The prediction with cameras of these intrinsics, at the photos' size.

    The world stays as the network saw it: each camera is placed anew where its pixels see, as nearly as they can, the
    places that depth and the predicted camera gave them (Gauss-Newton under Tukey's weights); depth is then how far
    these places are.
    """
    before, size = found.cameras, found.depths.size
    places = unproject(before.resized(size), found.depths.depth).flatten(1, 2).double()
    fixed = Cameras(before.cam_from_world.double(), intrinsics.to(before.intrinsics.device).double(), before.size)
    small = fixed.resized(size)
    poses = [
        _placed(small.take([view]), places[view], found.depths.confidence[view].flatten()) for view in range(len(found))
    ]
    moved = fixed.replace(cam_from_world=torch.cat(poses))
    depth = torch.stack([project(moved.take([view]), places[view])[1][0] for view in range(len(found))])
    depth = depth.view_as(found.depths.depth).to(found.depths.depth)
    in_front = depth > 0
    return found.replace(
        cameras=moved.map(lambda tensor: tensor.to(before.intrinsics)),
        depths=Depths(torch.where(in_front, depth, 0.0), found.depths.confidence * in_front),
    )


def _placed(camera: Cameras, places: Float[Tensor, "N 3"], confidence: Float[Tensor, " N"]) -> Float[Tensor, "1 4 4"]:
    """cam_from_world at which the camera's pixels see the places."""
    height, width = camera.size
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([columns, rows], -1).reshape(-1, 2).to(places)
    known = (confidence > 0).nonzero()[:, 0]
    if len(known) < 6:
        return camera.cam_from_world
    chosen = known[torch.linspace(0, len(known) - 1, min(len(known), _SAMPLES)).long()]
    pixels, places = pixels[chosen], places[chosen]
    pose = camera.cam_from_world[0]
    focal = torch.diagonal(camera.intrinsics[0])[:2]
    for _ in range(_ROUNDS):
        inside = places @ pose[:3, :3].T + pose[:3, 3]
        depth = inside[:, 2].clamp_min(1e-9)
        seen, _ = project(camera.replace(cam_from_world=pose[None]), places)
        error = seen[0] - pixels
        weights = _tukey(error.norm(dim=1)) * (inside[:, 2] > 0)
        jacobian = _jacobian(inside, depth, focal)
        system = torch.einsum("nij,n,nik->jk", jacobian, weights, jacobian)
        right = torch.einsum("nij,n,ni->j", jacobian, weights, error)
        system = system + _DAMPING * system.diagonal().mean() * torch.eye(6, dtype=system.dtype, device=system.device)
        step = -torch.linalg.solve(system, right)
        pose = rigid(rotation_from_vector(step[3:]), step[:3]) @ pose
        if float(step.abs().max()) < 1e-10:
            break
    return pose[None]


def _jacobian(
    inside: Float[Tensor, "N 3"], depth: Float[Tensor, " N"], focal: Float[Tensor, " 2"]
) -> Float[Tensor, "N 2 6"]:
    """Of pixels by a shift of the camera and a turn applied after its pose."""
    x, y = inside[:, 0], inside[:, 1]
    zero = torch.zeros_like(depth)
    across = torch.stack([1 / depth, zero, -x / depth**2], -1) * focal[0]
    down = torch.stack([zero, 1 / depth, -y / depth**2], -1) * focal[1]
    shift = torch.stack([across, down], 1)
    # d(R p) = w x p, so that a row of the Jacobian by the turn is p x (the row by the shift).
    return torch.cat([shift, torch.linalg.cross(inside[:, None].expand_as(shift), shift)], -1)


def _tukey(distance: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Tukey's weights, whose limit is 4.7 times the spread of the distances."""
    limit = 4.7 * 1.48 * distance.median().clamp_min(1e-9)
    return (1 - (distance / limit).square()).clamp_min(0).square()
