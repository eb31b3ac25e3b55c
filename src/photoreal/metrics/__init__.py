"""How good a result is, one function per number: images against photographs, cameras and geometry against truth. Higher
or lower is better as each function says; a number that cannot be computed is an error, never NaN."""

from photoreal.metrics.geometry import (
    DepthError,
    accuracy,
    chamfer,
    completeness,
    depth_error,
    f_score,
    precision,
    recall,
)
from photoreal.metrics.image import lpips, match_colours, psnr, ssim
from photoreal.metrics.pose import pose_auc, rotation_errors, translation_errors

__all__ = [
    "DepthError",
    "accuracy",
    "chamfer",
    "completeness",
    "depth_error",
    "f_score",
    "lpips",
    "match_colours",
    "pose_auc",
    "precision",
    "psnr",
    "recall",
    "rotation_errors",
    "ssim",
    "translation_errors",
]
