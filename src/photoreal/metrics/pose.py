"""Cameras against truth, of which only the relative poses can be known: the world frame and scale are free."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core import AlignmentError, Cameras, fit_similarity, transform_points

_COINCIDENT = 1e-9
"""Share of the extent below which two centres are the same and their direction is undefined."""


def rotation_errors(cameras: Cameras, truth: Cameras) -> Float[Tensor, " V"]:
    """Angle in degrees between each camera's rotation and its true one, lower is better.

    The rotation between the two worlds is the one nearest all cameras in the L1 sense (Hartley et al. 2011), so a few
    wrong cameras leave the errors of the others as they are. Both sides hold the same views in the same order.

    Raises:
        AlignmentError: no cameras, or another number of them than in the truth.
    """
    _same_number(cameras, truth, least=1)
    ours, theirs = _rotations(cameras), _rotations(truth)
    world_from_world = theirs.transpose(1, 2) @ ours
    common = _rotation_median(world_from_world)
    return _angles(common.T @ world_from_world)


def translation_errors(cameras: Cameras, truth: Cameras) -> Float[Tensor, " V"]:
    """Distance of each centre from its true place, as a share of the largest distance between two true centres.

    Lower is better. The centres are first brought over by the similarity of least squares (Umeyama 1991).

    Raises:
        AlignmentError: fewer than 3 cameras, another number than in the truth, or all centres in one place.
    """
    _same_number(cameras, truth, least=3)
    ours, theirs = cameras.centres.double(), truth.centres.double()
    extent = torch.pdist(theirs).max()
    if extent == 0 or torch.pdist(ours).max() == 0:
        raise AlignmentError(f"all {len(cameras)} camera centres coincide, so there is no extent to measure by")
    return (transform_points(fit_similarity(ours, theirs), ours) - theirs).norm(dim=-1) / extent


def pose_auc(
    cameras: Cameras,
    truth: Cameras,
    thresholds: Sequence[int] = (5, 30),
    *,
    views: Sequence[int] | None = None,
) -> dict[int, float]:
    """For each threshold t: the mean over 1, 2, ... t degrees of the share of pairs with an error below, in percent.

    The error of a pair of views is the larger of the angle between its relative rotations and the angle between its
    relative translations (opposite directions are 180 degrees apart). Every pair of the truth counts: `views` tells
    which true view each camera is (if not given, the first is the first and so on), and a pair with a view that is not
    there is a failure. A pair whose true centres coincide has no direction and is judged by its rotation.

    Raises:
        AlignmentError: fewer than 2 true cameras, or `views` does not name distinct true cameras.
    """
    found = list(range(len(cameras)) if views is None else views)
    if len(truth) < 2 or len(found) != len(cameras) or len(set(found)) != len(found):
        raise AlignmentError(f"{len(cameras)} cameras with {len(found)} indices cannot be compared with {len(truth)}")
    if any(not 0 <= view < len(truth) for view in found):
        raise AlignmentError(f"an index of {min(found)}..{max(found)} is none of the {len(truth)} true cameras")
    total = len(truth) * (len(truth) - 1) // 2
    if len(found) < 2:
        return dict.fromkeys(thresholds, 0.0)
    errors = _pair_errors(cameras, truth.take(found))
    shares = {degrees: float((errors < degrees).sum()) / total for degrees in range(1, max(thresholds) + 1)}
    return {t: 100 * sum(shares[degrees] for degrees in range(1, t + 1)) / t for t in thresholds}


def _pair_errors(cameras: Cameras, truth: Cameras) -> Float[Tensor, " P"]:
    """Degrees, for each pair of views once."""
    first, second = torch.triu_indices(len(cameras), len(cameras), offset=1)
    (rotations, directions, known), (true_rotations, true_directions, true_known) = (
        _relative(side, first, second) for side in (cameras, truth)
    )
    rotation = _angles(true_rotations.transpose(1, 2) @ rotations)
    cross = torch.linalg.cross(directions, true_directions).norm(dim=-1)
    translation = torch.rad2deg(torch.atan2(cross, (directions * true_directions).sum(-1)))
    translation = torch.where(known, translation, 180.0)
    return torch.where(true_known, torch.maximum(rotation, translation), rotation)


def _relative(
    cameras: Cameras, first: Tensor, second: Tensor
) -> tuple[Float[Tensor, "P 3 3"], Float[Tensor, "P 3"], Bool[Tensor, " P"]]:
    """Rotation and translation of second_from_first, and whether the translation is more than none."""
    rotations, centres = _rotations(cameras), cameras.centres.double()
    baselines = centres[first] - centres[second]
    translations = (rotations[second] @ baselines[..., None]).squeeze(-1)
    lengths = baselines.norm(dim=-1)
    return rotations[second] @ rotations[first].transpose(1, 2), translations, lengths > _COINCIDENT * lengths.max()


def _rotations(cameras: Cameras) -> Float[Tensor, "V 3 3"]:
    return cameras.cam_from_world[:, :3, :3].double()


def _angles(rotations: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Rotation angles in degrees in [0, 180], exact also near both ends."""
    sine = torch.stack(
        [
            rotations[..., 2, 1] - rotations[..., 1, 2],
            rotations[..., 0, 2] - rotations[..., 2, 0],
            rotations[..., 1, 0] - rotations[..., 0, 1],
        ],
        dim=-1,
    ).norm(dim=-1)
    cosine = rotations.diagonal(dim1=-2, dim2=-1).sum(-1) - 1
    return torch.rad2deg(torch.atan2(sine, cosine))


def _rotation_median(rotations: Float[Tensor, "V 3 3"]) -> Float[Tensor, "3 3"]:
    """The rotation that minimises the sum of chordal distances, by reweighted least squares."""
    median = _nearest_rotation(rotations.mean(0))
    for _ in range(50):
        weights = 1 / (rotations - median).flatten(1).norm(dim=1).clamp_min(1e-9)
        median = _nearest_rotation((weights[:, None, None] * rotations).sum(0) / weights.sum())
    return median


def _nearest_rotation(matrix: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    u, _, vh = torch.linalg.svd(matrix)
    sign = torch.ones_like(matrix[0])
    sign[-1] = torch.sign(torch.linalg.det(u @ vh))
    return u @ torch.diag(sign) @ vh


def _same_number(cameras: Cameras, truth: Cameras, *, least: int) -> None:
    if len(cameras) != len(truth) or len(cameras) < least:
        raise AlignmentError(
            f"{len(cameras)} cameras cannot be compared with {len(truth)} true ones: the same views are needed, "
            f"at least {least}"
        )
