"""Cameras whose lenses are known, out of cameras whose lenses the network guessed."""

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Depths, project, rigid, rotation_from_vector, skew
from photoreal.models.vggt.geometry.prediction import bounded, world_points

_PIXELS, _PROBES = 2000, 500
_ROUNDS = 30
_CLEARLY = 0.7
# Pixels that a point behind its camera counts for: else a camera could turn away and have no error.
_BEHIND = 1e3


def with_known_lenses(cameras: Cameras, depths: Depths, intrinsics: Float[Tensor, "V 3 3"]) -> tuple[Cameras, Depths]:
    """Cameras with exactly these intrinsics and the depth that goes with them, from guessed lenses.

    A guess that is wrong by a tenth bends the rest with it, and there are three readings of what it bent:

    - the cameras' places: the points in the world stay, and each camera is fitted to them anew (`refit_poses`);
    - the depth, as a picture taken with a longer lens from further away looks nearly the same: it is scaled as the
      focal lengths are;
    - nothing: only what was said of the lens was wrong.

    The first is taken, for it is how a whole that explains its photos errs, unless another makes the views agree
    clearly better, which the two others do exactly where they are true (`disagreement`). Where lenses were guessed
    wrong each in its own way, it mends the whole; where all were wrong alike, the points in the world are bent a
    little too, which stays. A depth that comes to lie behind its camera loses its confidence.

    Args:
        cameras: of the depth maps' size, as guessed.
        depths: as guessed with them.
        intrinsics: in the depth maps' pixels.
    """
    known = cameras.replace(intrinsics=intrinsics.to(cameras.intrinsics))
    points = world_points(cameras, depths)
    moved = refit_poses(known, *_sample(depths, points))
    readings = [
        (moved, _from_points(moved, points, depths)),
        (known, depths.replace(depth=depths.depth * _longer(cameras, known)[:, None, None])),
        (known, depths),
    ]
    if len(cameras) < 2:
        return readings[0]
    first, *others = (disagreement(*reading) for reading in readings)
    best = min(range(2), key=others.__getitem__)
    return readings[1 + best] if others[best] < _CLEARLY * first else readings[0]


def _from_points(cameras: Cameras, points: Float[Tensor, "V h w 3"], depths: Depths) -> Depths:
    """How deep in its camera each map's points lie."""
    forward, shift = cameras.cam_from_world[:, 2, :3], cameras.cam_from_world[:, 2, 3]
    depth = torch.einsum("vhwi,vi->vhw", points, forward) + shift[:, None, None]
    ahead = depth > 0
    return Depths(torch.where(ahead, depth, depths.depth), torch.where(ahead, depths.confidence, 0.0))


def _longer(guessed: Cameras, known: Cameras) -> Float[Tensor, " V"]:
    """Known by guessed focal length, the geometric mean of both axes."""
    ratio = known.intrinsics / guessed.intrinsics
    return (ratio[:, 0, 0] * ratio[:, 1, 1]).sqrt()


def refit_poses(
    cameras: Cameras,
    pixels: Float[Tensor, "V N 2"],
    points: Float[Tensor, "V N 3"],
    weights: Float[Tensor, "V N"],
) -> Cameras:
    """The cameras turned and shifted until each sees its own points at its own pixels, as far as it can.

    Weighted squares of Geman and McClure's robust error, whose width follows the median error, by Levenberg's and
    Marquardt's method in double precision. A camera without weights stays where it is.
    """
    start = cameras.map(lambda tensor: tensor.double())
    pose, intrinsics = start.cam_from_world, start.intrinsics
    pixels, points, weights = pixels.double(), points.double(), weights.double()
    damping = pose.new_full((len(cameras),), 1e-3)
    for _ in range(_ROUNDS):
        residual, jacobian, ahead = _linearised(pose, intrinsics, pixels, points)
        robust = weights * ahead * _believed(residual, weights * ahead)
        hessian = torch.einsum("vnij,vn,vnik->vjk", jacobian, robust, jacobian)
        gradient = torch.einsum("vnij,vn,vni->vj", jacobian, robust, residual)
        diagonal = torch.diag_embed(hessian.diagonal(dim1=1, dim2=2) * damping[:, None] + 1e-9)
        step = -torch.linalg.solve(hessian + diagonal, gradient)
        tried = rigid(rotation_from_vector(step[:, :3]), step[:, 3:]) @ pose
        after, _, _ = _linearised(tried, intrinsics, pixels, points)
        better = _cost(after, robust) < _cost(residual, robust)
        pose = torch.where(better[:, None, None], tried, pose)
        damping = torch.where(better, damping / 5, damping * 5).clamp(1e-9, 1e6)
    return cameras.replace(cam_from_world=pose.to(cameras.cam_from_world))


def _linearised(
    pose: Float[Tensor, "V 4 4"],
    intrinsics: Float[Tensor, "V 3 3"],
    pixels: Float[Tensor, "V N 2"],
    points: Float[Tensor, "V N 3"],
) -> tuple[Float[Tensor, "V N 2"], Float[Tensor, "V N 2 6"], Float[Tensor, "V N"]]:
    """Errors in pixels, how they grow with a turn and a shift of the camera's axes, and 1 where a point lies ahead."""
    in_cam = points @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]
    ahead = in_cam[..., 2] > 1e-6
    homogeneous = in_cam @ intrinsics.transpose(1, 2)
    depth = torch.where(ahead, homogeneous[..., 2], torch.ones_like(homogeneous[..., 2]))[..., None]
    seen = homogeneous[..., :2] / depth
    by_place = (intrinsics[:, None, :2] - seen[..., None] * intrinsics[:, None, 2:]) / depth[..., None]
    jacobian = torch.cat([-by_place @ skew(in_cam), by_place], dim=-1)
    residual = torch.where(ahead[..., None], seen - pixels, _BEHIND)
    return residual, jacobian, ahead.to(pose)


def _believed(residual: Float[Tensor, "V N 2"], weights: Float[Tensor, "V N"]) -> Float[Tensor, "V N"]:
    """In (0, 1], 1 for an error of 0: the robust error's weight, its width three times the median error of a view."""
    error = residual.norm(dim=-1)
    median = torch.where(weights > 0, error, torch.full_like(error, torch.nan)).nanmedian(dim=1).values
    width = (3 * median.nan_to_num()).clamp_min(0.5)[:, None]
    return (1 + (error / width).square()).pow(-2)


def _cost(residual: Float[Tensor, "V N 2"], weights: Float[Tensor, "V N"]) -> Float[Tensor, " V"]:
    return (weights * residual.square().sum(-1)).sum(1)


def _sample(
    depths: Depths, points: Float[Tensor, "V h w 3"], count: int = _PIXELS
) -> tuple[Float[Tensor, "V N 2"], Float[Tensor, "V N 3"], Float[Tensor, "V N"]]:
    """Pixels of known depth, evenly spread over each map in reading order, their points and weights."""
    width, flat = depths.size[1], depths.known.flatten(1)
    rows: list[Tensor] = []
    for known in flat:
        where = known.nonzero().squeeze(1)
        where = where if len(where) else torch.zeros(1, dtype=torch.long, device=known.device)
        rows.append(where[torch.linspace(0, len(where) - 1, count, device=known.device).long()])
    index = torch.stack(rows)
    pixels = torch.stack([index % width, index // width], dim=-1).to(points) + 0.5
    weights = torch.where(flat, bounded(depths.confidence).flatten(1), 0.0).gather(1, index)
    chosen = points.flatten(1, 2).gather(1, index[..., None].expand(*index.shape, 3))
    return pixels, chosen.nan_to_num(0.0), weights


def disagreement(cameras: Cameras, depths: Depths) -> float:
    """How far before or behind what another view sees the median pixel of one view lies, as a share of the scene.

    The scene's extent is the median distance of what is seen from its middle: cameras that stand nearer see all errors
    as a greater share of the depth, and are none the worse for it. Infinite where no two views see the same.

    Args:
        cameras: of the maps' size.
        depths: in the cameras' units.
    """
    _, points, weights = _sample(depths, world_points(cameras, depths), _PROBES)
    height, width = depths.size
    found: list[Tensor] = []
    for index, (mine, weight) in enumerate(zip(points, weights, strict=True)):
        seen, depth = project(cameras, mine[weight > 0])
        inside = (depth > 0) & ((seen >= 0) & (seen < seen.new_tensor([width, height]))).all(-1)
        inside[index] = False
        other, which = inside.nonzero(as_tuple=True)
        across, down = seen[other, which].floor().long().unbind(-1)
        known = depths.known[other, down, across]
        found.append((depth[other, which] - depths.depth[other, down, across])[known].abs())
    every, places = torch.cat(found), points[weights > 0]
    if every.numel() == 0:
        return torch.inf
    extent = (places - places.median(0).values).norm(dim=-1).median()
    return float(every.median() / extent.clamp_min(1e-12))
