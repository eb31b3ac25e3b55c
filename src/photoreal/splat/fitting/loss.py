"""How far a rendered picture is from a photograph: L1 and structural dissimilarity (Kerbl et al. 2023, eq. 7)."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from photoreal.splat.fitting.kernels.similarity import (
    C1,
    C2,
    RADIUS,
    WINDOW,
    derivative_count,
    similarity,
    similarity_gradient,
)


def photometric_loss(
    rendered: Float[Tensor, "3 H W"],
    photo: Float[Tensor, "3 H W"],
    mask: Bool[Tensor, "H W"],
    *,
    dissimilarity: float = 0.2,
) -> Float[Tensor, ""]:
    """(1 - d) L1 + d (1 - SSIM) over the unmasked pixels, d = `dissimilarity`.

    Masked pixels are taken for perfect, and their share is divided out of both terms.
    """
    share = mask.float().mean().clamp_min(1e-6)
    seen = torch.where(mask, rendered, photo)
    if rendered.device.type != "cpu":
        unlike = 1 - similarity_by_convolution(seen, photo)
        return ((1 - dissimilarity) * (seen - photo).abs().mean() + dissimilarity * unlike) / share
    loss = _Photometric.apply(seen, photo, dissimilarity)
    return loss / share  # pyright: ignore[reportOperatorIssue, reportReturnType]


def similarity_by_convolution(image: Float[Tensor, "C H W"], reference: Float[Tensor, "C H W"]) -> Float[Tensor, ""]:
    """What `structural_similarity` gives, by torch alone, on any device."""
    window = torch.from_numpy(WINDOW).to(image)

    def windowed(planes: Tensor) -> Tensor:
        down = torch.nn.functional.conv2d(planes[:, None], window[None, None, :, None], padding=(RADIUS, 0))
        return torch.nn.functional.conv2d(down, window[None, None, None], padding=(0, RADIUS))[:, 0]

    mx, my = windowed(image), windowed(reference)
    xx, yy = windowed(image * image) - mx * mx, windowed(reference * reference) - my * my
    xy = windowed(image * reference) - mx * my
    return ((2 * mx * my + C1) * (2 * xy + C2) / ((mx * mx + my * my + C1) * (xx + yy + C2))).mean()


def structural_similarity(
    image: Float[Tensor, "C H W"], reference: Float[Tensor, "C H W"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "C H W"]]:
    """Mean structural similarity (zeros outside the image) and its gradient by `image`."""
    (x, width), (y, _) = _aligned(image), _aligned(reference)
    channels, height, stride = x.shape
    derivatives = np.empty(derivative_count(channels, height, stride), np.float32)
    rows, gradient = np.empty(channels * height, np.float32), np.empty_like(x)
    similarity(x.reshape(-1), y.reshape(-1), channels, height, width, stride, WINDOW, derivatives, rows)
    similarity_gradient(x.reshape(-1), y.reshape(-1), channels, height, stride, derivatives, gradient.reshape(-1))
    pixels = channels * height * width
    mean = torch.tensor(rows.sum(dtype=np.float64) / pixels, dtype=torch.float32)
    return mean, torch.from_numpy(gradient[..., :width]) / pixels


class _Photometric(torch.autograd.Function):
    """The loss and its gradient in one pass; the gradient waits in the context."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        rendered, photo, dissimilarity = inputs
        mean, gradient = structural_similarity(rendered, photo)
        difference = rendered - photo
        ctx.gradient = difference.sign() * ((1 - dissimilarity) / difference.numel()) - dissimilarity * gradient
        return (1 - dissimilarity) * difference.abs().mean() + dissimilarity * (1 - mean)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's stub hides the name ctx
        ctx: Any, *outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        return outputs[0] * ctx.gradient, None, None


def _aligned(image: Tensor) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int]:
    """The planes with rows padded by zeros to whole lanes, and the width before."""
    channels, height, width = image.shape
    padded = np.zeros((channels, height, (width + 15) // 16 * 16), np.float32)
    padded[..., :width] = image.detach().numpy()
    return padded, width
