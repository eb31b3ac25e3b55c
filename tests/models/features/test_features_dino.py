"""DINOv2 and DINOv3 from files: the library's own reading of them is the oracle; places, gradients, plain errors."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from photoreal.core import Features, FormatError, MissingWeightsError
from photoreal.models import DinoConfig, FeatureModel, PatchConfig, PatchFeatures, matching_descriptors
from photoreal.models.features.dino import own_names
from photoreal.models.features.patches import IMAGENET_DEVIATION, IMAGENET_MEAN

Tiny = tuple[PreTrainedModel, Path]


def images(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def loaded(folder: Path, *layers: int, side: int = 112, images_at_once: int = 4) -> PatchFeatures:
    return DinoConfig(str(folder), PatchConfig(layers, side, images_at_once)).load()


def test_maps_are_those_of_the_library(dino: Tiny) -> None:
    network, folder = dino
    model = loaded(folder, 1, 2, 3, side=8 * network.config.patch_size)
    rows, columns = 5, 8
    pictures = images(2, rows * model.patch, columns * model.patch)
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    with torch.no_grad():
        states = network((pictures - mean) / deviation, output_hidden_states=True).hidden_states
        found = model(pictures)
    assert found.layers == (1, 2, 3)
    assert found.grid == (rows, columns)
    for layer in found.layers:
        patches = states[layer][:, -rows * columns :]
        torch.testing.assert_close(found.layer(layer).flatten(2).mT, patches, rtol=1e-5, atol=1e-5)
    assert float((found.layer(1) - found.layer(3)).abs().mean()) > 0.1


def test_loading_is_the_same_as_by_the_library(dino: Tiny) -> None:
    network, folder = dino
    again = type(network).from_pretrained(folder).eval()
    model = loaded(folder, 3)
    for (name, ours), (other, theirs) in zip(
        sorted(model.network.named_parameters()), sorted(again.named_parameters()), strict=True
    ):
        assert name == other
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize(("cell", "size"), [((1, 6), (70, 112)), ((6, 1), (112, 70)), ((0, 0), (56, 112))])
def test_what_is_in_a_patch_is_found_in_its_cell(dino: Tiny, cell: tuple[int, int], size: tuple[int, int]) -> None:
    _, folder = dino
    model = loaded(folder, 1, 2, 3)
    scale = model.patch / 14
    height, width = (int(length * scale) for length in size)
    model = loaded(folder, 1, 2, 3, side=max(height, width))
    plain = torch.full((1, 3, height, width), 0.5)
    marked = plain.clone()
    top, left = (model.patch * index for index in cell)
    marked[:, :, top : top + model.patch, left : left + model.patch] = images(1, model.patch, model.patch)
    change = (model(marked).descriptors - model(plain).descriptors).norm(dim=2)
    assert change.shape[-2:] == (height // model.patch, width // model.patch)
    for layer in change[:, 0]:
        assert divmod(int(layer.argmax()), layer.shape[1]) == cell


def test_positions_grow_along_their_own_axis(dinov2: Tiny) -> None:
    _, folder = dinov2
    state = load_file(folder / "model.safetensors")
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="ij")
    for name, tensor in state.items():
        if "position" in name or "patch_embeddings" in name or "lambda" in name:
            tensor.zero_()
    state["embeddings.position_embeddings"][0, 1:, 0] = rows.flatten()
    state["embeddings.position_embeddings"][0, 1:, 1] = columns.flatten()
    save_file(state, folder / "model.safetensors")
    down, across = loaded(folder, 3)(images(1, 56, 112)).descriptors[0, 0, :2]
    assert down.shape == (4, 8)
    assert bool((down.diff(dim=0) > 0.5).all())
    assert bool((across.diff(dim=1) > 0.2).all())
    assert float(down.diff(dim=1).abs().max()) < 1e-5
    assert float(across.diff(dim=0).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("size", "side", "grid"), [((480, 640), 518, (28, 37)), ((30, 30), 56, (4, 4)), ((4000, 10), 140, (10, 1))]
)
def test_the_longer_side_is_that_of_the_config(dinov2: Tiny, size, side: int, grid: tuple[int, int]) -> None:
    model = loaded(dinov2[1], 1, side=side)
    assert model.grid(size) == grid
    assert model.grid(size[::-1]) == grid[::-1]
    if max(grid) < 20:
        assert model(images(1, *size)).grid == grid


def test_images_of_any_size_show_the_same(dinov2: Tiny) -> None:
    model = loaded(dinov2[1], 3)
    small = torch.nn.functional.interpolate(images(1, 5, 8), size=(70, 112), mode="bicubic").clamp(0, 1)
    large = torch.nn.functional.interpolate(small, size=(281, 447), mode="bicubic")
    first, second = (matching_descriptors(model(picture)) for picture in (small, large))
    assert float((first * second).sum(1).min()) > 0.995


def test_what_is_too_fine_to_see_is_seen_as_its_mean(dinov2: Tiny) -> None:
    model = loaded(dinov2[1], 1)
    stripes = (torch.arange(550) % 2).float().expand(1, 3, 350, 550)
    grey = torch.full((1, 3, 350, 550), 0.5)
    inside = (slice(None), slice(None), slice(None), slice(1, -1), slice(1, -1))
    fine, plain = (model(picture).descriptors[inside] for picture in (stripes, grey))
    assert float((fine - plain).norm(dim=2).max()) < 0.05 * float(plain.norm(dim=2).min())


def test_chunks_change_nothing(dino: Tiny) -> None:
    _, folder = dino
    pictures = images(5, 60, 90)
    one, two, all_at_once = (loaded(folder, 2, images_at_once=count)(pictures) for count in (1, 2, 8))
    assert len(one) == 5
    torch.testing.assert_close(one.descriptors, all_at_once.descriptors, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(two.descriptors, all_at_once.descriptors, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_pixel_and_no_parameter(dino: Tiny) -> None:
    _, folder = dino
    model = loaded(folder, 1, 3, images_at_once=1)
    pictures = images(2, 60, 90).requires_grad_()
    weights = torch.randn(model(pictures).descriptors.shape, generator=torch.Generator().manual_seed(1))
    (model(pictures).descriptors * weights).sum().backward()
    assert pictures.grad is not None
    assert bool((pictures.grad != 0).all())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_it_stays_as_it_is_inside_what_is_trained(dino: Tiny) -> None:
    model = loaded(dino[1], 3)
    before = model(images(1, 60, 90))
    torch.nn.Sequential(model).train()
    assert not any(module.training for module in model.modules())
    assert torch.equal(model(images(1, 60, 90)).descriptors, before.descriptors)


def test_the_gradient_is_that_of_differences(dinov2: Tiny) -> None:
    model = loaded(dinov2[1], 2, side=56).double()
    pictures = images(1, 42, 50).double().requires_grad_()
    direction = images(1, 42, 50, seed=1).double() - 0.5

    def value(x: Tensor) -> Tensor:
        return model(x).descriptors.square().sum()

    (slope,) = torch.autograd.grad(value(pictures), pictures)
    with torch.no_grad():
        difference = (value(pictures + 1e-5 * direction) - value(pictures - 1e-5 * direction)) / 2e-5
    assert float((slope * direction).sum()) == pytest.approx(float(difference), rel=1e-6)


def test_blocks_that_no_layer_needs_are_left_out(dino: Tiny) -> None:
    _, folder = dino
    pictures = images(1, 60, 90)
    short, whole = loaded(folder, 1), loaded(folder, 3, 1)
    assert whole.layers == (1, 3)
    assert not any(".layer.1." in name for name, _ in short.network.named_parameters())
    assert any(".layer.2." in name for name, _ in whole.network.named_parameters())
    assert torch.equal(short(pictures).layer(1), whole(pictures).layer(1))


def test_the_default_layers_are_inner_ones(dinov2: Tiny) -> None:
    assert loaded(dinov2[1]).layers == (2,)
    with pytest.raises(FormatError, match="real: tiny has the layers 1 to 3, and layer 4 is asked for"):
        loaded(dinov2[1], 2, 4)
    with pytest.raises(FormatError, match="layer 0 is asked for"):
        loaded(dinov2[1], 0)


def test_names_of_the_catalogue_say_what_is_real(dinov2: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = dinov2
    folder.rename(folder.with_name("dinov2-small"))
    monkeypatch.setenv("PHOTOREAL_WEIGHTS", str(folder.parent))
    model = DinoConfig("dinov2-small").load()
    assert model.name == "real: facebook/dinov2-small"
    assert isinstance(model, FeatureModel)


def test_half_precision_becomes_single(dinov2: Tiny) -> None:
    _, folder = dinov2
    state = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    before = loaded(folder, 3)(images(1, 60, 90))
    save_file(state, folder / "model.safetensors")
    after = loaded(folder, 3)(images(1, 60, 90))
    assert after.descriptors.dtype == torch.float32
    torch.testing.assert_close(after.descriptors, before.descriptors, rtol=0.05, atol=0.05)


def test_a_file_cannot_choose_kernels_types_or_outputs(dinov2: Tiny, rewrite: Callable[..., None]) -> None:
    _, folder = dinov2
    wanted = loaded(folder, 3)(images(1, 60, 90)).descriptors
    kernel = "someone/kernels"
    rewrite(folder, _attn_implementation=kernel, attn_implementation=kernel, dtype="float16", return_dict=False)
    rewrite(folder, output_hidden_states=False, _experts_implementation=kernel, auto_map={"AutoModel": "a.b"})
    model = loaded(folder, 3)
    assert model.network.config._attn_implementation == "sdpa"
    assert torch.equal(model(images(1, 60, 90)).descriptors, wanted)


def test_descriptors_for_matching_have_unit_length_and_weigh_layers_alike() -> None:
    features = Features(torch.randn(2, 3, 5, 4, 6) * torch.tensor([1.0, 30.0])[:, None, None, None, None], (1, 2))
    joined = matching_descriptors(features)
    assert joined.shape == (3, 10, 4, 6)
    torch.testing.assert_close(joined.norm(dim=1), torch.ones(3, 4, 6))
    torch.testing.assert_close(joined[:, :5].norm(dim=1), joined[:, 5:].norm(dim=1))
    cosine = torch.nn.functional.cosine_similarity(features.layer(2)[0], features.layer(2)[1], dim=0)
    torch.testing.assert_close(2 * (joined[0, 5:] * joined[1, 5:]).sum(0), cosine)


def test_other_networks_are_refused(dinov2: Tiny, rewrite: Callable[..., None]) -> None:
    _, folder = dinov2
    rewrite(folder, model_type="siglip")
    with pytest.raises(FormatError, match=r"config\.json is of a network 'siglip', not dinov2, dinov2_with_regis"):
        loaded(folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": "wide"},
        {"hidden_size": 25},
        {"num_attention_heads": 0},
        {"hidden_act": "no such"},
        {"patch_size": [14, 16]},
        {"patch_size": 0},
        {"image_size": [70, 70]},
        {"num_hidden_layers": 0},
        {"hidden_size": -24},
    ],
)
def test_configurations_that_make_no_sense_are_refused(dinov2: Tiny, rewrite: Callable[..., None], fields) -> None:
    _, folder = dinov2
    rewrite(folder, **fields)
    with pytest.raises(FormatError) as error:
        loaded(folder, 1)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_configuration_of_another_size_does_not_fit(dinov2: Tiny, rewrite: Callable[..., None]) -> None:
    _, folder = dinov2
    rewrite(folder, hidden_size=48)
    with pytest.raises(FormatError, match=r"model\.safetensors do not fit the network: 'embeddings\.cls_token' has"):
        loaded(folder)


def test_missing_and_left_over_tensors_are_named(dinov2: Tiny) -> None:
    _, folder = dinov2
    path = folder / "model.safetensors"
    state = load_file(path)
    save_file({name: x for name, x in state.items() if name != "layernorm.bias"}, path)
    with pytest.raises(FormatError, match=r"'layernorm\.bias' is .*\(1 of \d+ differ\)"):
        loaded(folder)
    save_file(state | {"classifier.weight": torch.zeros(2, 24)}, path)
    with pytest.raises(FormatError, match=r"'classifier\.weight' has shape \[2, 24\]"):
        loaded(folder)


def test_two_tensors_of_one_name_are_refused() -> None:
    state = {
        "encoder.layer.0.attention.attention.query.weight": torch.zeros(2, 2),
        "encoder.layer.0.attention.q_proj.weight": torch.zeros(2, 2),
    }
    with pytest.raises(FormatError, match=r"two tensors .* 'encoder\.layer\.0\.attention\.q_proj\.weight'"):
        own_names(state)


def test_damaged_and_missing_files_are_told(dinov2: Tiny, tmp_path: Path) -> None:
    _, folder = dinov2
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole, fields = weights.read_bytes(), config.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"model\.safetensors is damaged"):
        loaded(folder)
    weights.write_bytes(whole)
    for text, told in [(fields[:40], "is no JSON"), (b"[1]", "holds a list"), (b"\xff\xfe", "is no JSON")]:
        config.write_bytes(text)
        with pytest.raises(FormatError, match=rf"config\.json {told}"):
            loaded(folder)
    config.write_text(json.dumps({}))
    with pytest.raises(FormatError, match="of a network 'unknown'"):
        loaded(folder)
    config.unlink()
    with pytest.raises(MissingWeightsError, match=r"config\.json, which is not there"):
        loaded(folder)
    weights.unlink()
    with pytest.raises(MissingWeightsError, match=r"model\.safetensors, which is not there"):
        loaded(folder)
    with pytest.raises(
        MissingWeightsError,
        match=r"'no-such' is neither a folder .* of the names dinov2-small, dinov2-large, dinov3-large, clip",
    ):
        DinoConfig("no-such").load()
