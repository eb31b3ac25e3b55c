"""One vector for an image out of its patches."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from photoreal.core import MissingWeightsError
from photoreal.models import Dinov2SaliencyConfig, ImageEncoder, PatchConfig, PooledConfig, PooledEncoder
from photoreal.synth import toy_scene
from photoreal.synth.patterns import book_atlas, botanical, garden, landscape, rug

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def encoder() -> PooledEncoder:
    try:
        return PooledConfig(Dinov2SaliencyConfig(PatchConfig(layers=(8,), side=112))).load()
    except MissingWeightsError as error:
        pytest.skip(str(error))


def photos(seed: int) -> Tensor:
    return toy_scene(seed, 3, (96, 128), points=10).capture.photos.images / 255


def test_it_is_an_encoder_that_says_what_it_is(encoder: PooledEncoder) -> None:
    assert isinstance(encoder, ImageEncoder)
    assert encoder.name == "embedded: DINOv2-S/14 (saliency), pooled"
    assert encoder(photos(0)).shape == (3, 384)


def test_halves_of_one_picture_are_more_alike_than_those_of_two(encoder: PooledEncoder) -> None:
    pictures = [rug(0.6, 0.9, 3), landscape(96, 192, 3), botanical(96, 192, 3), garden(96, 192, 3), book_atlas(4, 3)]
    images = [torch.from_numpy(np.ascontiguousarray(picture)).float().movedim(-1, 0) for picture in pictures]
    sides = [torch.stack([half[:, :96, :96] for half in image.tensor_split(2, dim=2)]) for image in images]
    with torch.no_grad():
        left, right = (functional.normalize(encoder(torch.stack(half)), dim=1) for half in zip(*sides, strict=True))
    assert (left @ right.T).argmax(1).tolist() == list(range(len(pictures)))


def test_an_image_has_the_same_vector_alone_and_among_others(encoder: PooledEncoder) -> None:
    images = photos(0)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images[1:2])[0], encoder(images)[1], rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_pixel_and_no_parameter(encoder: PooledEncoder) -> None:
    images = torch.cat([photos(0), torch.zeros(1, 3, 96, 128)]).requires_grad_()
    encoder(images).square().sum().backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())
    assert float((images.grad[:3].abs().sum(1) > 0).float().mean()) > 0.99
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
