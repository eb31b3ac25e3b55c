"""No detail finer than the photographs sampled it: the 3D filter of Mip-Splatting (Yu et al. 2024, arXiv 2311.16493).

Without it, Gaussians thinner than a pixel of every photo fit the photos and break up into needles seen from nearer.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Gaussians, transform_points
from photoreal.splat.harmonics import Y_0, opacity_from_logit
from photoreal.splat.renders import NEAR

_STRENGTH = 0.2
"""Variance of the filter in squared sampling intervals (their Section 6.1)."""
_MARGIN = 0.15
"""A mean this share of the picture outside of it still counts as seen."""


def sampling_variances(means: Float[Tensor, "N 3"], cameras: Cameras) -> Float[Tensor, " N"]:
    """Variance of the filter for each Gaussian: 0.2 squared intervals of the photo that samples it most finely (eq. 6).

    A Gaussian that no photo sees gets the largest that any has.
    """
    rate = torch.zeros(len(means))
    height, width = cameras.size
    for pose, intrinsics in zip(cameras.cam_from_world.float(), cameras.intrinsics.float(), strict=True):
        x, y, z = transform_points(pose, means).unbind(1)
        u = intrinsics[0, 0] * x / z + intrinsics[0, 2]
        v = intrinsics[1, 1] * y / z + intrinsics[1, 2]
        inside = (u > -_MARGIN * width) & (u < (1 + _MARGIN) * width)
        inside &= (v > -_MARGIN * height) & (v < (1 + _MARGIN) * height) & (z > NEAR)
        rate = torch.where(inside, torch.maximum(rate, torch.maximum(intrinsics[0, 0], intrinsics[1, 1]) / z), rate)
    least = rate[rate > 0].min() if bool((rate > 0).any()) else torch.ones(())
    return _STRENGTH / torch.where(rate > 0, rate, least) ** 2


def smoothed_gaussians(gaussians: Gaussians, variances: Float[Tensor, " N"]) -> Gaussians:
    """Gaussians convolved with round ones of these variances, with the same integral (eq. 7); opacity of degree 0."""
    own = (2 * gaussians.log_scales).exp()
    both = own + variances[:, None]
    opacity = torch.sigmoid(gaussians.opacity_harmonics[:, 0] * Y_0) * (own / both).prod(1).sqrt()
    opacity = opacity.clamp(1e-30, 1 - 1e-7)
    logit = opacity_from_logit(torch.log(opacity) - torch.log1p(-opacity))
    return gaussians.replace(log_scales=both.log() / 2, opacity_harmonics=logit)
