"""The path of a film: a closed, smooth flight that stays among the cameras that took the photos."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor

from photoreal.core import Cameras, Points, SceneError, look_at
from photoreal.view.gaze import Gaze, gaze, horizontal_basis

Layout = Literal["inward", "outward", "sideways"]
"""Cameras around a thing, cameras that look around from within, or cameras that slide along a facade."""

FULL_TURN_GAP = math.radians(100)
"""Cameras whose azimuths leave no larger gap than this are a ring; others are an arc."""

ROW_ANGLE = 0.12
"""Radians of elevation that cameras of one row differ by."""


@dataclass(frozen=True)
class _Track:
    """Cameras laid out along one parameter, and what of them a film frame is made of."""

    parameter: Float[Tensor, " V"]
    features: Float[Tensor, "V K"]
    sway: Float[Tensor, " K"]
    """What is added to the features in the middle of a swing, forth, and taken off, back."""
    levels: Float[Tensor, " V"]
    """Where cameras stand in several rows, in what row; in widths. The film prefers one row to the gap between two."""
    turns: bool
    """The parameter is an angle and the cameras go all the way around."""


def orbit_cameras(cameras: Cameras, points: Points, frames: int, size: tuple[int, int]) -> Cameras:
    """`frames` cameras of `size` (height, width) on a smooth closed path among `cameras`, horizon level.

    Around a ring of cameras the film goes once around; along an arc or a facade it swings forth and back. Distance,
    height and aim are a kernel average of the input cameras nearby, tightened where the path would come much nearer to
    the points than any photo did; of several rows of cameras it follows the one that goes farthest. The field of view
    is the cameras' median one, cropped to the film's shape.

    Raises:
        SceneError: there is no camera to fly among, or no frame to make.
    """
    if not len(cameras) or frames < 1:
        raise SceneError(f"no film can be made of {len(cameras)} cameras and {frames} frames")
    given = cameras.cam_from_world
    cameras = cameras.map(lambda tensor: tensor.double())
    look = _levelled(cameras, gaze(cameras, points))
    phase = torch.arange(frames, dtype=torch.float64) / frames
    centres, targets = _clear_path(cameras, points, look, phase)
    path = Cameras(look_at(centres, targets, look.up), _film_intrinsics(cameras, size, frames), size)
    return path.map(lambda tensor: tensor.to(given))


def layout(cameras: Cameras, look: Gaze) -> Layout:
    """How the cameras stand to what they see."""
    forwards = cameras.cam_from_world[:, 2, :3]
    towards = torch.nn.functional.normalize(look.interest - cameras.centres, dim=-1)
    if float(((towards * forwards).sum(-1) > math.cos(math.radians(30))).double().mean()) >= 0.6:
        return "inward"
    level = torch.nn.functional.normalize(forwards - (forwards @ look.up)[:, None] * look.up, dim=-1)
    return "outward" if float(level.mean(0).norm()) < 0.6 else "sideways"


def _levelled(cameras: Cameras, look: Gaze) -> Gaze:
    """The gaze with an up that a film can use: for cameras that all look down or up, the image tops instead."""
    forwards = cameras.cam_from_world[:, 2, :3]
    if float((forwards @ look.up).abs().median()) < 0.94:
        return look
    tops = -cameras.world_from_cam[:, :3, 1]
    mean = tops.mean(0)
    top = mean if float(mean.norm()) > 0.5 else tops[0]
    forward = torch.nn.functional.normalize(forwards.mean(0), dim=0)
    return look.replace(up=torch.nn.functional.normalize(top - torch.dot(top, forward) * forward, dim=0))


def _clear_path(
    cameras: Cameras, points: Points, look: Gaze, phase: Float[Tensor, " F"]
) -> tuple[Float[Tensor, "F 3"], Float[Tensor, "F 3"]]:
    """Centres and targets of the film; the widest of three smoothings that keeps clear of the points."""
    track, place = _laid_out(cameras, look)
    clearance = _clearance(points)
    wanted = 0.5 * float(clearance(cameras.centres).min())
    paths = [place(_along(track, phase, tightness)) for tightness in (1.0, 0.5, 0.25)]
    room = [float(clearance(centres).min()) for centres, _ in paths]
    clear = [path for path, distance in zip(paths, room, strict=True) if distance >= wanted]
    return clear[0] if clear else paths[room.index(max(room))]


def _clearance(points: Points) -> Callable[[Float[Tensor, "F 3"]], Float[Tensor, " F"]]:
    """Distance of positions to the geometry: to the eighth nearest point, so that a stray point does not count."""
    if len(points) < 8:
        return lambda positions: torch.ones_like(positions[:, 0])
    stride = max(1, len(points) // 50_000)
    tree = KDTree(points.positions[::stride].double().cpu().numpy())
    return lambda positions: torch.from_numpy(tree.query(positions.cpu().numpy(), k=8)[0][:, -1])


Place = Callable[[Float[Tensor, "F K"]], tuple[Float[Tensor, "F 3"], Float[Tensor, "F 3"]]]


def _laid_out(cameras: Cameras, look: Gaze) -> tuple[_Track, Place]:
    """The track of the cameras, and how its features become centres and targets."""
    kinds = {"inward": _inward, "outward": _outward, "sideways": _sideways}
    return kinds[layout(cameras, look)](cameras, look)


def _inward(cameras: Cameras, look: Gaze) -> tuple[_Track, Place]:
    """Around the interest: azimuth is the way, logarithm of distance and elevation are averaged."""
    basis = horizontal_basis(look.up)
    local = (cameras.centres - look.interest) @ basis.T
    distance = local.norm(dim=-1).clamp_min(1e-9)
    elevation = (local[:, 2] / distance).clamp(-0.98, 0.98).asin()
    angle = torch.atan2(local[:, 1], local[:, 0])
    sway = torch.stack([torch.zeros_like(elevation[0]), 0.5 * elevation.std(correction=0).clamp(max=ROW_ANGLE)])
    track = _angular(angle, torch.stack([distance.log(), elevation], -1), sway, elevation / ROW_ANGLE)

    def place(values: Float[Tensor, "F K"]) -> tuple[Float[Tensor, "F 3"], Float[Tensor, "F 3"]]:
        azimuth, log_distance, lift = values.unbind(-1)
        direction = torch.stack([lift.cos() * azimuth.cos(), lift.cos() * azimuth.sin(), lift.sin()], -1)
        centres = look.interest + log_distance.exp()[:, None] * direction @ basis
        return centres, look.interest.expand_as(centres)

    return track, place


def _outward(cameras: Cameras, look: Gaze) -> tuple[_Track, Place]:
    """From within: the heading is the way, centre and pitch are averaged."""
    basis = horizontal_basis(look.up)
    local = cameras.cam_from_world[:, 2, :3] @ basis.T
    pitch = local[:, 2].clamp(-0.9, 0.9).asin()
    features = torch.cat([cameras.centres, pitch[:, None]], -1)
    still = torch.zeros_like(features[0])
    track = _angular(torch.atan2(local[:, 1], local[:, 0]), features, still, torch.zeros_like(pitch))

    def place(values: Float[Tensor, "F K"]) -> tuple[Float[Tensor, "F 3"], Float[Tensor, "F 3"]]:
        heading, lift = values[:, 0], values[:, 4]
        direction = torch.stack([lift.cos() * heading.cos(), lift.cos() * heading.sin(), lift.sin()], -1)
        return values[:, 1:4], values[:, 1:4] + direction @ basis

    return track, place


def _sideways(cameras: Cameras, look: Gaze) -> tuple[_Track, Place]:
    """Along a facade: the direction of most travel is the way, centre and target are averaged."""
    centred = cameras.centres - cameras.centres.mean(0)
    direction = torch.linalg.svd(centred, full_matrices=False).Vh[0]
    features = torch.cat([cameras.centres, look.targets], -1)
    depth = (look.targets - cameras.centres).norm(dim=-1).median().clamp_min(1e-9)
    levels = centred @ look.up / (ROW_ANGLE * depth)
    track = _Track(centred @ direction, features, torch.zeros_like(features[0]), levels, turns=False)
    return track, lambda values: (values[:, 1:4], values[:, 4:7])


def _angular(
    angle: Float[Tensor, " V"], features: Float[Tensor, "V K"], sway: Float[Tensor, " K"], levels: Float[Tensor, " V"]
) -> _Track:
    """A track along an angle: all the way around, or cut open in its largest gap."""
    order = angle.sort().values
    gaps = torch.cat([order[1:], order[:1] + 2 * math.pi]) - order
    widest = int(gaps.argmax())
    if float(gaps[widest]) < FULL_TURN_GAP:
        return _Track(angle, features, torch.zeros_like(sway), levels, turns=True)
    start = order[(widest + 1) % len(order)]
    return _Track(start + torch.remainder(angle - start + 1e-9, 2 * math.pi), features, sway, levels, turns=False)


def _along(track: _Track, phase: Float[Tensor, " F"], tightness: float) -> Float[Tensor, "F K1"]:
    """The parameter and the averaged features at each phase of the film in [0, 1)."""
    order = track.parameter.sort().values
    if track.turns:
        gaps = torch.cat([order[1:], order[:1] + 2 * math.pi]) - order
        width = tightness * max(0.25, 0.6 * float(gaps.max()))
        at = order[0] + 2 * math.pi * phase
        away = torch.remainder(at[:, None] - track.parameter + math.pi, 2 * math.pi) - math.pi
        return torch.cat([at[:, None], _average(track, away / width)], -1)
    low, high = _reach(order)
    inner = float((order[1:] - order[:-1]).max()) if len(order) > 1 else 0.0
    width = tightness * max(0.15 * float(high - low), 0.6 * inner, 1e-6)
    at = (low + high) / 2 - (high - low) / 2 * (2 * math.pi * phase).cos()
    swung = _average(track, (at[:, None] - track.parameter) / width)
    return torch.cat([at[:, None], swung + (2 * math.pi * phase).sin()[:, None] * track.sway], -1)


def _reach(order: Float[Tensor, " V"]) -> tuple[Tensor, Tensor]:
    """Between which parameters a film swings: most of the cameras' range, or a little about a single one."""
    if float(order[-1] - order[0]) < 1e-6:
        return order[0] - 0.05, order[0] + 0.05
    inset = 0.04 * (order[-1] - order[0])
    return order[0] + inset, order[-1] - inset


def _average(track: _Track, away: Float[Tensor, "F V"]) -> Float[Tensor, "F K"]:
    """Features averaged with Gaussian weights of the distance, in widths, along the way and from the best row.

    The best row is that of the camera whose level has a camera near most frames.
    """
    near = -0.5 * away.square()
    apart = -0.5 * (track.levels[:, None] - track.levels).square()
    covered = torch.stack([(near + row).amax(-1).exp().sum() for row in apart])
    return torch.softmax(near + apart[covered.argmax()], dim=-1) @ track.features


def _film_intrinsics(cameras: Cameras, size: tuple[int, int], frames: int) -> Float[Tensor, "F 3 3"]:
    """The median lens, scaled until the film nowhere shows more than a photo; principal point in the middle."""
    height, width = size
    scale = max(height / cameras.size[0], width / cameras.size[1])
    focal = scale * float(cameras.intrinsics[:, [0, 1], [0, 1]].median())
    lens = cameras.intrinsics.new_tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return lens.expand(frames, 3, 3).clone()
