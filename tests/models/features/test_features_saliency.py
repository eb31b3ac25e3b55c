"""The embedded DINOv2-S/14 against its own ONNX file.

dinov2_saliency.json was made once with onnxruntime 1.32 on a CPU: of the file vit_s_focus.onnx, the inputs of the first
normalisation of blocks 6, 8 and 10 (what blocks 5, 7 and 9 leave) were added to the graph's outputs, and the graph was
run on `pattern()` below, less ImageNet's mean and over its deviation. Kept are six of the 16 x 16 patches and every
24th channel.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from photoreal.core import FormatError, MissingWeightsError
from photoreal.models import Dinov2SaliencyConfig, PatchConfig, PatchFeatures, matching_descriptors

pytestmark = pytest.mark.weights

FIXTURE = json.loads(Path(__file__).with_name("dinov2_saliency.json").read_text())


@pytest.fixture(scope="module")
def model() -> PatchFeatures:
    try:
        return Dinov2SaliencyConfig(PatchConfig(side=224, images_at_once=2)).load()
    except MissingWeightsError as error:
        pytest.skip(str(error))


def pattern() -> Tensor:
    y, x = np.mgrid[0:224, 0:224].astype(np.float64)
    waves = [np.sin(0.11 * c * x + 0.07 * y * (1 + 0.3 * np.cos(0.02 * x * c)) + 0.4 * c) for c in (1, 2, 3)]
    return torch.tensor(0.5 + 0.5 * np.stack(waves), dtype=torch.float32)[None]


def test_maps_are_those_of_the_original(model: PatchFeatures) -> None:
    found = model(pattern())
    assert found.layers == (6, 8, 10)
    assert found.descriptors.shape == (3, 1, 384, 16, 16)
    for layer, cells in FIXTURE["layers"].items():
        kept = found.layer(int(layer))[0, FIXTURE["channels"]]
        ours = torch.stack([kept[:, row, column] for row, column in FIXTURE["cells"]])
        torch.testing.assert_close(ours, torch.tensor(cells), rtol=1e-4, atol=2e-5)


def test_it_says_that_it_is_embedded(model: PatchFeatures) -> None:
    assert model.name == "embedded: DINOv2-S/14 (saliency)"


def test_parts_are_found_again_where_they_moved(model: PatchFeatures) -> None:
    """A shift by two patches to the right and one down, in an image twice as wide as high."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 14, 24, generator=generator)
    scene = torch.nn.functional.interpolate(coarse, size=(126 + 14, 210 + 28), mode="bicubic").clamp(0, 1)
    before, after = scene[:, :, 14:, 28:], scene[:, :, :126, :210]
    wide = torch.nn.functional.pad(torch.cat([before, after]), (0, 14, 0, 0), mode="replicate")
    first, second = matching_descriptors(model(wide))
    rows, columns = first.shape[1:]
    assert (rows, columns) == (9, 16)
    cosine = torch.einsum("chw,cij->hwij", first, second)[1:-2, 1:-5].flatten(2)
    best = cosine.argmax(-1)
    down, across = best // columns, best % columns
    wanted_down, wanted_across = torch.meshgrid(torch.arange(2, rows - 1), torch.arange(3, columns - 3), indexing="ij")
    right = ((down - wanted_down).abs() <= 1) & ((across - wanted_across).abs() <= 1)
    assert float(right.float().mean()) > 0.7


def test_gradients_reach_every_pixel(model: PatchFeatures) -> None:
    image = pattern()[:, :, :100, :150].requires_grad_()
    model(image).descriptors.sum().backward()
    assert image.grad is not None
    assert float((image.grad != 0).float().mean()) > 0.99
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_layers_are_counted_from_one_to_twelve(model: PatchFeatures) -> None:
    with pytest.raises(FormatError, match=r"DINOv2-S/14 \(saliency\) has the layers 1 to 12, and layer 13 is asked"):
        Dinov2SaliencyConfig(PatchConfig(layers=(13,))).load()
