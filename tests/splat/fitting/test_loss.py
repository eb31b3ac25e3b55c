"""The photometric loss against scikit-image and torch."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as skimage_similarity
from torch.nn.functional import conv2d

from photoreal.splat import photometric_loss
from photoreal.splat.fitting.loss import similarity_by_convolution, structural_similarity


def images(height: int = 45, width: int = 53) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(3, height, width, generator=generator)
    return first, (0.7 * first + 0.3 * torch.rand(3, height, width, generator=generator)).clamp(0, 1)


def torch_similarity(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    line = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / 4.5)
    window = (line[:, None] * line / line.sum() ** 2).expand(3, 1, 11, 11)
    blur = lambda image: conv2d(image[None], window, padding=5, groups=3)[0]  # noqa: E731
    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    return ((2 * mx * my + 1e-4) * (2 * vxy + 9e-4) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))).mean()


@pytest.mark.parametrize(("height", "width"), [(47, 65), (3, 20), (8, 16), (9, 33), (14, 5)])
def test_similarity_and_gradient_equal_torch(height: int, width: int):
    """Also where the window is larger than the image, and where rows are left over from four at once."""
    x, y = images(height, width)
    leaf = x.double().requires_grad_()
    expected = torch_similarity(leaf, y.double())
    expected.backward()
    value, gradient = structural_similarity(x, y)
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    assert (gradient - leaf.grad).norm() / leaf.grad.norm() < 1e-5


def test_similarity_inside_equals_scikit_image():
    """Where no window leaves the image; scikit-image mirrors at the border instead."""
    x, y = images()
    _, full = skimage_similarity(
        x.numpy().astype(np.float64), y.numpy().astype(np.float64), channel_axis=0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=1.0, full=True,
    )  # fmt: skip
    inner = full[:, 10:-10, 10:-10].mean()
    line = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / 4.5)
    assert line.sum() > 0
    # Zeros outside change only a border of 5 pixels: compare two images that differ inside alone.
    inside = torch.zeros_like(x)
    inside[:, 15:-15, 15:-15] = 1
    mixed = torch.where(inside > 0, x, y)
    _, full = skimage_similarity(
        mixed.numpy().astype(np.float64), y.numpy().astype(np.float64), channel_axis=0, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True,
    )  # fmt: skip
    value, _ = structural_similarity(mixed, y)
    assert value.item() == pytest.approx(full.mean(), abs=1e-6)
    assert inner < 1


def test_loss_of_equal_images_is_zero():
    x, _ = images()
    loss = photometric_loss(x.clone().requires_grad_(), x, torch.ones(x.shape[1:], dtype=torch.bool))
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_masked_pixels_do_not_count():
    x, y = images()
    mask = torch.ones(x.shape[1:], dtype=torch.bool)
    mask[:, 20:] = False
    noisy = x.clone()
    noisy[:, :, 20:] += 0.5
    leaves = [image.clone().requires_grad_() for image in (x, noisy)]
    losses = [photometric_loss(leaf, y, mask) for leaf in leaves]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-6)
    losses[1].backward()
    assert leaves[1].grad[:, :, 20:].abs().max() == 0
    assert leaves[1].grad[:, :, :20].abs().max() > 0


def test_convolutions_give_the_same_similarity_and_gradient():
    generator = torch.Generator().manual_seed(1)
    image, reference = torch.rand(2, 3, 23, 38, generator=generator).unbind(0)
    wanted, gradient = structural_similarity(image, reference)
    image.requires_grad_()
    found = similarity_by_convolution(image, reference)
    found.backward()
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert image.grad is not None
    torch.testing.assert_close(image.grad, gradient, atol=1e-8, rtol=1e-3)
