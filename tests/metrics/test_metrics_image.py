"""Image metrics against scikit-image, closed forms and what a mask promises."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from photoreal.core import CaptureError
from photoreal.metrics import lpips, match_colours, psnr, ssim

SIZES = [(11, 11), (11, 40), (24, 37), (64, 48)]


def noisy_pair(size: tuple[int, int], seed: int = 0, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 6, generator=generator)
    reference = torch.nn.functional.interpolate(coarse, size, mode="bilinear")[0]
    return (reference + noise * torch.randn(3, *size, generator=generator)).clamp(0, 1), reference


def half_mask(size: tuple[int, int]) -> Tensor:
    mask = torch.ones(size, dtype=torch.bool)
    mask[:, : size[1] // 2] = False
    return mask


def difference(image: Tensor, reference: Tensor) -> tuple[Tensor, ...]:
    """A perceptual network of two layers: squared differences, and the same at half the size."""
    squared = (image - reference).square().mean(0)
    return squared, torch.nn.functional.avg_pool2d(squared[None], 2)[0]


@pytest.mark.parametrize("size", SIZES)
def test_psnr_and_ssim_agree_with_scikit_image(size: tuple[int, int]) -> None:
    image, reference = noisy_pair(size)
    ours, theirs = image.double().numpy(), reference.double().numpy()
    expected = structural_similarity(
        ours, theirs, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=0
    )
    assert ssim(image, reference) == pytest.approx(expected, abs=1e-9)
    assert psnr(image, reference) == pytest.approx(peak_signal_noise_ratio(theirs, ours, data_range=1.0), abs=1e-9)


def test_masked_ssim_agrees_with_windows_counted_one_by_one() -> None:
    image, reference = noisy_pair((14, 19))
    mask = torch.rand(14, 19, generator=torch.Generator().manual_seed(3)) < 0.6
    offsets = np.arange(-5, 6)
    window = np.exp(-0.5 * (offsets[:, None] ** 2 + offsets[None] ** 2) / 1.5**2)
    values: list[float] = []
    for row, column in np.argwhere(mask.numpy()):
        if not (5 <= row < 9 and 5 <= column < 14):
            continue
        cut = np.s_[row - 5 : row + 6, column - 5 : column + 6]
        weights = window * mask.numpy()[cut]
        weights /= weights.sum()
        for x, y in zip(image.double().numpy(), reference.double().numpy(), strict=True):
            mx, my = (weights * x[cut]).sum(), (weights * y[cut]).sum()
            vx, vy = (weights * (x[cut] - mx) ** 2).sum(), (weights * (y[cut] - my) ** 2).sum()
            both = (weights * (x[cut] - mx) * (y[cut] - my)).sum()
            values.append((2 * mx * my + 1e-4) * (2 * both + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    assert ssim(image, reference, mask) == pytest.approx(np.mean(values), abs=1e-10)


def test_psnr_of_a_known_error() -> None:
    reference = torch.full((3, 4, 5), 0.25)
    assert psnr(reference + 0.1, reference) == pytest.approx(20, abs=1e-5)
    assert psnr(reference, reference) == math.inf


@given(seed=st.integers(0, 1000))
def test_identical_images_are_perfect(seed: int) -> None:
    image, _ = noisy_pair((20, 23), seed)
    assert ssim(image, image) == pytest.approx(1, abs=1e-12)
    assert lpips(image, image, difference) == 0


@given(seed=st.integers(0, 1000), low=st.floats(0.01, 0.1), more=st.floats(1.5, 3))
def test_more_noise_is_worse(seed: int, low: float, more: float) -> None:
    better, reference = noisy_pair((24, 24), seed, low)
    worse, _ = noisy_pair((24, 24), seed, low * more)
    assert psnr(worse, reference) < psnr(better, reference)
    assert ssim(worse, reference) < ssim(better, reference)


def test_ssim_is_symmetric() -> None:
    image, reference = noisy_pair((24, 26))
    assert ssim(image, reference) == pytest.approx(ssim(reference, image), abs=1e-12)


@pytest.mark.parametrize("metric", [psnr, ssim, lambda i, r, m=None: lpips(i, r, difference, m)])
def test_masked_pixels_do_not_count(metric) -> None:
    image, reference = noisy_pair((24, 32))
    mask = half_mask((24, 32))
    value = metric(image, reference, mask)
    vandalised = torch.where(mask, image, torch.rand(3, 24, 32))
    assert metric(vandalised, reference, mask) == value
    assert metric(torch.where(mask, image, torch.nan), reference, mask) == value
    assert metric(image, reference, mask) != metric(image, reference)


@pytest.mark.parametrize("metric", [psnr, ssim, lambda i, r, m=None: lpips(i, r, difference, m)])
def test_a_mask_without_holes_changes_nothing(metric) -> None:
    image, reference = noisy_pair((24, 32))
    everything = torch.ones(24, 32, dtype=torch.bool)
    assert metric(image, reference, everything) == pytest.approx(metric(image, reference), rel=1e-6)


def test_the_masked_pixels_of_the_reference_do_not_count_for_psnr_and_ssim() -> None:
    image, reference = noisy_pair((24, 32))
    mask = half_mask((24, 32))
    vandalised = torch.where(mask, reference, torch.rand(3, 24, 32))
    assert psnr(image, vandalised, mask) == psnr(image, reference, mask)
    assert ssim(image, vandalised, mask) == ssim(image, reference, mask)


def test_lpips_weighs_cells_by_their_unmasked_pixels() -> None:
    image, reference = torch.zeros(3, 2, 4), torch.zeros(3, 2, 4)
    image[:, :, 2:] = 1.0
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    # First layer: 2 of 6 pixels differ. Second: cells 0 and (1 + 1 + 0 + 0) / 4, weights 1 and 1/2.
    assert lpips(image, reference, difference, mask) == pytest.approx(2 / 6 + (0.5 * 0.5) / 1.5)


@given(
    seed=st.integers(0, 1000),
    gains=st.tuples(*[st.floats(0.6, 1.5)] * 3),
    offsets=st.tuples(*[st.floats(-0.1, 0.1)] * 3),
)
def test_colours_are_matched_whatever_exposure_and_white_balance(seed: int, gains, offsets) -> None:
    _, reference = noisy_pair((16, 18), seed)
    reference = reference.double()
    shifted = (reference - reference.new_tensor(offsets)[:, None, None]) / reference.new_tensor(gains)[:, None, None]
    torch.testing.assert_close(match_colours(shifted, reference), reference, atol=1e-9, rtol=0)


def test_matched_colours_never_lower_psnr_and_leave_out_masked_pixels() -> None:
    image, reference = noisy_pair((24, 32))
    image = 0.7 * image + 0.1
    mask = half_mask((24, 32))
    matched = match_colours(image, reference, mask)
    assert psnr(matched, reference, mask) > psnr(image, reference, mask)
    vandalised = torch.where(mask, image, torch.rand(3, 24, 32))
    torch.testing.assert_close(match_colours(vandalised, reference, mask)[:, mask], matched[:, mask])


def test_a_flat_image_is_matched_to_the_mean_colour() -> None:
    _, reference = noisy_pair((12, 12))
    matched = match_colours(torch.full((3, 12, 12), 0.5), reference)
    torch.testing.assert_close(matched.mean((1, 2)), reference.mean((1, 2)))


@pytest.mark.parametrize("metric", [psnr, ssim, match_colours, lambda i, r, m=None: lpips(i, r, difference, m)])
def test_everything_masked_is_an_error(metric) -> None:
    image, reference = noisy_pair((12, 12))
    with pytest.raises(CaptureError, match="every pixel is masked"):
        metric(image, reference, torch.zeros(12, 12, dtype=torch.bool))


def test_a_mask_that_leaves_only_the_border_is_an_error_for_ssim() -> None:
    image, reference = noisy_pair((16, 16))
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[0] = True
    assert np.isfinite(psnr(image, reference, mask))
    with pytest.raises(CaptureError, match="every pixel is masked"):
        ssim(image, reference, mask)


def test_too_small_or_not_finite_images_are_errors() -> None:
    with pytest.raises(CaptureError, match="at least 11x11 pixels, not 12x10"):
        ssim(torch.zeros(3, 10, 12), torch.zeros(3, 10, 12))
    broken = torch.zeros(3, 12, 12)
    broken[0, 3, 4] = torch.nan
    with pytest.raises(CaptureError, match="1 of 144 pixels"):
        psnr(broken, torch.zeros(3, 12, 12))
    with pytest.raises(CaptureError, match="not finite"):
        ssim(broken, torch.zeros(3, 12, 12))
