"""Depth maps and surfaces against truth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from photoreal.core import CaptureError

DepthGauge = Literal["metric", "scale_invariant", "affine_invariant"]
"""What of a depth map is free: nothing; its scale; its scale and an offset."""


@dataclass(frozen=True)
class DepthError:
    """How far a depth map is from the truth."""

    abs_rel: float
    """Mean of |depth - truth| / truth; lower is better."""
    delta1: float
    """Share of pixels where depth and truth differ by less than a factor of 1.25; higher is better."""


def depth_error(
    depth: Float[Tensor, "*shape"],
    truth: Float[Tensor, "*shape"],
    mask: Bool[Tensor, "*shape"] | None = None,
    *,
    gauge: DepthGauge = "metric",
) -> DepthError:
    """Errors over the unmasked pixels whose truth is finite and > 0 (Eigen et al. 2014), after taking out the gauge.

    A free scale is the median of truth / depth; a free scale and offset are those of least squares in depth.

    Raises:
        CaptureError: no pixel has a truth, or a depth there is not finite.
    """
    known = torch.isfinite(truth) & (truth > 0) if mask is None else torch.isfinite(truth) & (truth > 0) & mask
    ours, theirs = depth[known].double(), truth[known].double()
    if ours.numel() == 0:
        raise CaptureError(f"none of {truth.numel()} pixels has a true depth > 0 that is not masked")
    if not bool(torch.isfinite(ours).all()):
        raise CaptureError(f"{int((~torch.isfinite(ours)).sum())} of {ours.numel()} depths to compare are not finite")
    aligned = _aligned(ours, theirs, gauge)
    positive = aligned.clamp_min(1e-12)
    ratio = torch.maximum(positive / theirs, theirs / positive)
    return DepthError(float(((aligned - theirs).abs() / theirs).mean()), float((ratio < 1.25).double().mean()))


def accuracy(points: Float[Tensor, "N 3"], truth: Float[Tensor, "M 3"]) -> float:
    """Mean distance from each point to the nearest true one, lower is better.

    Raises:
        CaptureError: either side has no points.
    """
    return float(_nearest(points, truth).mean())


def completeness(points: Float[Tensor, "N 3"], truth: Float[Tensor, "M 3"]) -> float:
    """Mean distance from each true point to the nearest of ours, lower is better.

    Raises:
        CaptureError: either side has no points.
    """
    return float(_nearest(truth, points).mean())


def chamfer(points: Float[Tensor, "N 3"], truth: Float[Tensor, "M 3"]) -> float:
    """The mean of accuracy and completeness, in the points' units, lower is better (distances, not their squares).

    Raises:
        CaptureError: either side has no points.
    """
    return (accuracy(points, truth) + completeness(points, truth)) / 2


def precision(points: Float[Tensor, "N 3"], truth: Float[Tensor, "M 3"], *, threshold: float) -> float:
    """Share of points that are nearer than `threshold` to a true one, higher is better.

    Raises:
        CaptureError: either side has no points.
    """
    return float((_nearest(points, truth) < threshold).mean())


def recall(points: Float[Tensor, "N 3"], truth: Float[Tensor, "M 3"], *, threshold: float) -> float:
    """Share of true points that are nearer than `threshold` to one of ours, higher is better.

    Raises:
        CaptureError: either side has no points.
    """
    return float((_nearest(truth, points) < threshold).mean())


def f_score(points: Float[Tensor, "N 3"], truth: Float[Tensor, "M 3"], *, threshold: float) -> float:
    """Harmonic mean of precision and recall, higher is better (Knapitsch et al. 2017).

    Raises:
        CaptureError: either side has no points.
    """
    both = precision(points, truth, threshold=threshold), recall(points, truth, threshold=threshold)
    return 0.0 if sum(both) == 0 else 2 * both[0] * both[1] / sum(both)


def _aligned(depth: Float[Tensor, " K"], truth: Float[Tensor, " K"], gauge: DepthGauge) -> Float[Tensor, " K"]:
    if gauge == "metric":
        return depth
    if gauge == "scale_invariant":
        return depth * (truth / depth.clamp_min(1e-12)).median()
    centred = depth - depth.mean()
    scale = (centred * truth).sum() / centred.square().sum().clamp_min(1e-300)
    return scale * centred + truth.mean()


def _nearest(source: Float[Tensor, "N 3"], target: Float[Tensor, "M 3"]) -> Float[np.ndarray, " N"]:
    if len(source) == 0 or len(target) == 0:
        raise CaptureError(f"{len(source)} points cannot be compared with {len(target)}")
    ours, theirs = (side.detach().cpu().double().numpy() for side in (source, target))
    distances, _ = KDTree(theirs).query(ours)
    return np.asarray(distances)
