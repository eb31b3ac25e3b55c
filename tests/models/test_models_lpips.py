"""LPIPS on AlexNet against numbers of the package that carries its weights, run by its own code with jax 0.10.2."""

import numpy as np
import pytest
import torch
from torch import Tensor

from photoreal.core import CaptureError, FormatError, MissingWeightsError
from photoreal.metrics import lpips
from photoreal.models import LpipsAlex, PerceptualNetwork
from photoreal.models import lpips as lpips_module

ORACLE = [
    ((64, 64), 0.0, 0.4, 0.06343650072813034),
    ((96, 128), 0.2, 1.3, 0.22832278907299042),
    ((61, 83), 0.0, 3.0, 0.22919054329395294),
]
"""Size, phases of the two patterns, distance."""
ORACLE_NOISE = (0.1330476850271225, 0.015152882784605026)

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def network() -> PerceptualNetwork:
    try:
        return LpipsAlex().load()
    except MissingWeightsError as error:
        pytest.skip(str(error))


def pattern(size: tuple[int, int], phase: float) -> Tensor:
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float64)
    waves = [np.sin(0.11 * c * x + 0.07 * y * (1 + 0.3 * np.cos(0.02 * x * c)) + phase * c) for c in (1, 2, 3)]
    return torch.tensor(0.5 + 0.5 * np.stack(waves), dtype=torch.float32)


@pytest.mark.parametrize(("size", "first", "second", "distance"), ORACLE)
def test_distances_agree_with_the_original(network, size, first: float, second: float, distance: float) -> None:
    assert lpips(pattern(size, first), pattern(size, second), network) == pytest.approx(distance, rel=1e-4)


def test_distances_of_noise_agree_with_the_original(network) -> None:
    a, b = (np.random.default_rng(seed).random((3, 72, 90)) for seed in (7, 8))
    mixed = np.clip(a + 0.2 * (b - 0.5), 0, 1)
    first, second, third = (torch.tensor(image, dtype=torch.float32) for image in (a, b, mixed))
    assert lpips(first, second, network) == pytest.approx(ORACLE_NOISE[0], rel=1e-4)
    assert lpips(first, third, network) == pytest.approx(ORACLE_NOISE[1], rel=1e-4)


def test_it_is_a_symmetric_distance(network) -> None:
    first, second = pattern((50, 70), 0.0), pattern((50, 70), 0.5)
    assert lpips(first, first, network) == 0
    assert lpips(first, second, network) == pytest.approx(lpips(second, first, network), rel=1e-5)
    assert all(bool((layer >= 0).all()) for layer in network(first, second))


def test_blur_and_noise_grow_the_distance(network) -> None:
    image = pattern((64, 80), 0.3)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    distances = [lpips((image + scale * noise).clamp(0, 1), image, network) for scale in (0.0, 0.02, 0.05, 0.1, 0.2)]
    assert distances == sorted(distances)
    assert len(set(distances)) == 5


def test_masked_pixels_do_not_count(network) -> None:
    image, reference = pattern((64, 64), 0.0), pattern((64, 64), 0.4)
    mask = torch.ones(64, 64, dtype=torch.bool)
    mask[:, :20] = False
    vandalised = torch.where(mask, image, 1 - image)
    assert lpips(vandalised, reference, network, mask) == lpips(image, reference, network, mask)


def test_its_gradient_is_finite_also_for_identical_and_for_flat_images(network) -> None:
    flat = torch.full((3, 40, 40), 0.5)
    for image, reference in [(flat, flat), (pattern((40, 40), 0.0), flat), (torch.zeros(3, 40, 40), flat)]:
        leaf = image.clone().requires_grad_()
        sum(layer.mean() for layer in network(leaf, reference)).backward()
        assert leaf.grad is not None
        assert bool(torch.isfinite(leaf.grad).all())


def test_small_images_are_refused_and_the_smallest_work(network) -> None:
    with pytest.raises(CaptureError, match="at least 31x31 pixels, not 40x30"):
        network(torch.zeros(3, 30, 40), torch.zeros(3, 30, 40))
    layers = network(torch.zeros(3, 31, 31), torch.ones(3, 31, 31))
    assert [tuple(layer.shape) for layer in layers] == [(7, 7), (3, 3), (1, 1), (1, 1), (1, 1)]


def test_its_parameters_are_frozen_and_its_heads_not_negative(network) -> None:
    state = network.state_dict()
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert [tuple(state[f"heads.{layer}"].shape) for layer in range(5)] == [(64,), (192,), (384,), (256,), (256,)]
    assert all(float(state[f"heads.{layer}"].min()) >= 0 for layer in range(5))
    assert sum(value.numel() for value in state.values()) == 2_469_696 + 1_152


def test_an_array_of_an_unknown_name_is_refused() -> None:
    arrays = {"AlexNet_0/Conv_0/bias": np.zeros(64, np.float32), "momentum": np.zeros(5, np.float32)}
    with pytest.raises(FormatError, match="an unknown array 'momentum'"):
        lpips_module._state(arrays)
