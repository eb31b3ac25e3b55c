"""Images against photographs: all sRGB in [0, 1]; a mask is True where a pixel counts, and without one all do."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from photoreal.core import CaptureError

PerceptualDistance = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""Maps an image and its reference, both 3 H W, to maps `h w` of distances, one for each layer of a network."""

_WINDOW = 11
_ALL_MASKED = "every pixel is masked, so there is nothing to compare"


def psnr(
    image: Float[Tensor, "3 H W"], reference: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"] | None = None
) -> float:
    """Peak signal-to-noise ratio in dB over the unmasked pixels, higher is better; infinite where the images agree.

    Raises:
        CaptureError: every pixel is masked.
    """
    squared = (image.double() - reference.double()).square().mean(0)
    mean = _masked_mean(squared, mask)
    return math.inf if mean == 0 else -10 * math.log10(mean)


def ssim(
    image: Float[Tensor, "3 H W"], reference: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"] | None = None
) -> float:
    """Structural similarity in [-1, 1], higher is better (Wang et al. 2004: 11x11 Gaussian windows, sigma 1.5).

    The mean over the three channels and over the windows that lie wholly inside the image; with a mask, over those
    whose centre is unmasked, each window's moments being taken of its unmasked pixels alone.

    Raises:
        CaptureError: the image is smaller than a window, or every window's centre is masked.
    """
    height, width = image.shape[1:]
    if min(height, width) < _WINDOW:
        raise CaptureError(f"SSIM needs images of at least {_WINDOW}x{_WINDOW} pixels, not {width}x{height}")
    inside = torch.ones_like(image[0], dtype=torch.bool) if mask is None else mask
    x, y = (torch.where(inside, side.double(), 0.0) for side in (image, reference))
    weight = _window_sums(inside.double()[None])
    moments = _window_sums(torch.cat([x, y, x * x, y * y, x * y])) / weight.clamp_min(1e-300)
    x_mean, y_mean, xx, yy, xy = moments.unflatten(0, (5, 3))
    x_variance, y_variance, covariance = xx - x_mean**2, yy - y_mean**2, xy - x_mean * y_mean
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * x_mean * y_mean + c1) / (x_mean**2 + y_mean**2 + c1)
    structure = (2 * covariance + c2) / (x_variance + y_variance + c2)
    margin = _WINDOW // 2
    centres = inside[margin : height - margin, margin : width - margin]
    return _masked_mean((luminance * structure).mean(0), centres)


@torch.no_grad()
def lpips(
    image: Float[Tensor, "3 H W"],
    reference: Float[Tensor, "3 H W"],
    network: PerceptualDistance,
    mask: Bool[Tensor, "H W"] | None = None,
) -> float:
    """Learned perceptual distance >= 0, lower is better (Zhang et al. 2018), by a network as `models` loads it.

    The sum over the network's layers of the mean distance over the image; with a mask, masked pixels of the image are
    first replaced by the reference's, and each cell of a layer weighs as much as it has unmasked pixels.

    Raises:
        CaptureError: every pixel is masked, or the image is too small for the network.
    """
    if mask is None:
        return sum(float(distance.mean()) for distance in network(image, reference))
    _masked_mean(reference[0], mask)
    layers = network(torch.where(mask, image, reference), reference)
    return sum(_weighted_mean(distance, mask) for distance in layers)


def match_colours(
    image: Float[Tensor, "3 H W"], reference: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"] | None = None
) -> Float[Tensor, "3 H W"]:
    """The image after the gain and offset of each channel that bring it nearest the reference, clipped to [0, 1].

    Least squares over the unmasked pixels (as Mildenhall et al. 2022 match a render to its photograph before they
    compare): what is measured on the result does not depend on exposure and white balance.

    Raises:
        CaptureError: every pixel is masked.
    """
    inside = torch.ones_like(image[0], dtype=torch.bool) if mask is None else mask
    x, y = image[:, inside].double(), reference[:, inside].double()
    if x.numel() == 0:
        raise CaptureError(_ALL_MASKED)
    x_mean, y_mean = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    covariance = ((x - x_mean) * (y - y_mean)).mean(1)
    gain = covariance / (x - x_mean).square().mean(1).clamp_min(1e-12)
    matched = gain[:, None, None] * (image - x_mean[..., None]) + y_mean[..., None]
    return matched.clamp(0, 1).to(image.dtype)


def _masked_mean(values: Float[Tensor, "H W"], mask: Bool[Tensor, "H W"] | None) -> float:
    chosen = values if mask is None else values[mask]
    if chosen.numel() == 0:
        raise CaptureError(_ALL_MASKED)
    mean = float(chosen.mean())
    if not math.isfinite(mean):
        raise CaptureError(
            f"{int((~torch.isfinite(chosen)).sum())} of {chosen.numel()} pixels to compare are not finite"
        )
    return mean


def _weighted_mean(values: Float[Tensor, "h w"], mask: Bool[Tensor, "H W"]) -> float:
    height, width = values.shape
    weight = functional.adaptive_avg_pool2d(mask[None].to(values), (height, width))[0]
    return float((values * weight).sum() / weight.sum())


def _window_sums(maps: Float[Tensor, "C H W"]) -> Float[Tensor, "C h w"]:
    """Sums under the Gaussian window, for windows wholly inside the image."""
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    line = torch.softmax(-0.5 * (offsets / 1.5) ** 2, dim=0).tolist()
    for axis in (1, 2):
        length = maps.shape[axis] - _WINDOW + 1
        # Eleven shifted additions: a convolution in double precision takes four times as long.
        sums = torch.zeros_like(maps.narrow(axis, 0, length))
        for offset, share in enumerate(line):
            sums.add_(maps.narrow(axis, offset, length), alpha=share)
        maps = sums
    return maps
