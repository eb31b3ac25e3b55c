"""CLIP's images from files: the library's own reading is the oracle; only the text's side is passed over."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from photoreal.core import FormatError, MissingWeightsError
from photoreal.models import ClipConfig, ImageEncoder

TINY = {"hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 32, "projection_dim": 20}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CLIP for images and texts."""
    config = transformers.CLIPConfig(
        projection_dim=20,
        vision_config=TINY | {"num_hidden_layers": 2, "image_size": 32, "patch_size": 8},
        text_config=TINY | {"num_hidden_layers": 1, "vocab_size": 50},
    )
    torch.manual_seed(0)
    network = transformers.CLIPModel(config)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    network.save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


def images(count: int, height: int, width: int) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_vectors_are_those_of_the_library(folder: Path) -> None:
    whole = transformers.CLIPModel.from_pretrained(folder).eval()
    part = transformers.CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    encoder = ClipConfig(str(folder)).load()
    assert isinstance(encoder, ImageEncoder)
    assert encoder.name == "real: clip"
    pictures = images(3, 32, 32)
    with torch.no_grad():
        inputs = (pictures - MEAN) / DEVIATION
        torch.testing.assert_close(encoder(pictures), part(inputs).image_embeds)
        torch.testing.assert_close(encoder(pictures), whole.visual_projection(whole.vision_model(inputs).pooler_output))
    assert encoder(pictures).shape == (3, 20)
    assert float(encoder(pictures).std(0).mean()) > 1e-3


def test_one_that_only_knows_images_is_the_same(folder: Path, tmp_path: Path) -> None:
    part = transformers.CLIPVisionModelWithProjection.from_pretrained(folder)
    part.save_pretrained(tmp_path / "vision")
    assert json.loads((tmp_path / "vision" / "config.json").read_text())["model_type"] == "clip_vision_model"
    both = [ClipConfig(str(path)).load()(images(2, 32, 32)) for path in (folder, tmp_path / "vision")]
    assert torch.equal(*both)


def test_images_of_any_size_are_seen_whole(folder: Path) -> None:
    encoder = ClipConfig(str(folder), images_at_once=2).load()
    pictures = images(3, 50, 90).requires_grad_()
    encoder(pictures)[:, :3].sum().backward()
    assert pictures.grad is not None
    assert bool((pictures.grad != 0).all())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.train().modules())
    small = torch.nn.functional.interpolate(images(1, 4, 4), size=(32, 32), mode="bicubic")
    large = torch.nn.functional.interpolate(small, size=(160, 128), mode="bicubic")
    assert float(torch.cosine_similarity(encoder(small), encoder(large))) > 0.999


def test_chunks_change_nothing(folder: Path) -> None:
    one, many = (ClipConfig(str(folder), images_at_once=count).load() for count in (1, 16))
    torch.testing.assert_close(one(images(5, 40, 40)), many(images(5, 40, 40)), rtol=1e-4, atol=1e-5)


def test_older_files_with_numbers_of_positions_are_read(folder: Path) -> None:
    path = folder / "model.safetensors"
    wanted = ClipConfig(str(folder)).load()(images(1, 32, 32))
    numbers = {
        "vision_model.embeddings.position_ids": torch.arange(17)[None],
        "text_model.embeddings.position_ids": torch.arange(77)[None],
    }
    save_file(load_file(path) | numbers, path)
    assert torch.equal(ClipConfig(str(folder)).load()(images(1, 32, 32)), wanted)


@pytest.mark.parametrize("name", ["visual_projection.weight", "vision_model.encoder.layers.1.mlp.fc2.bias"])
def test_missing_tensors_are_named(folder: Path, name: str) -> None:
    path = folder / "model.safetensors"
    save_file({key: x for key, x in load_file(path).items() if key != name}, path)
    with pytest.raises(FormatError, match=rf"'{name}' is .*\(1 of \d+ differ\)"):
        ClipConfig(str(folder)).load()


@pytest.mark.parametrize("name", ["vision_model.extra", "visual_projection.bias", "logit_bias", "textual.weight"])
def test_left_over_tensors_are_named(folder: Path, name: str) -> None:
    path = folder / "model.safetensors"
    save_file(load_file(path) | {name: torch.zeros(3)}, path)
    with pytest.raises(FormatError, match=rf"'{name}' has shape \[3\]"):
        ClipConfig(str(folder)).load()


def test_other_networks_and_damaged_files_are_told(folder: Path) -> None:
    path, config = folder / "model.safetensors", folder / "config.json"
    fields = json.loads(config.read_text())
    for changed in (fields | {"model_type": "siglip"}, fields | {"vision_config": None}, {}):
        config.write_text(json.dumps(changed))
        with pytest.raises(FormatError, match=r"config\.json is of a network '\w+', not clip or clip_vision_model"):
            ClipConfig(str(folder)).load()
    config.write_text(json.dumps(fields | {"vision_config": fields["vision_config"] | {"hidden_size": 25}}))
    with pytest.raises(FormatError, match=r"config\.json describes no network that can be built: .*[^\n]$"):
        ClipConfig(str(folder)).load()
    config.write_text(json.dumps(fields))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FormatError, match=r"model\.safetensors is damaged"):
        ClipConfig(str(folder)).load()
    config.unlink()
    with pytest.raises(MissingWeightsError, match=r"config\.json, which is not there"):
        ClipConfig(str(folder)).load()


def test_the_width_is_that_of_the_whole_network(folder: Path, rewrite: Callable[..., None]) -> None:
    fields = json.loads((folder / "config.json").read_text())["vision_config"]
    del fields["projection_dim"]
    rewrite(folder, vision_config=fields)
    assert ClipConfig(str(folder)).load()(images(1, 32, 32)).shape == (1, 20)


def test_the_older_file_is_read_where_there_is_no_newer(folder: Path) -> None:
    before = ClipConfig(str(folder)).load()(images(2, 32, 32))
    state = load_file(folder / "model.safetensors")
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    torch.testing.assert_close(ClipConfig(str(folder)).load()(images(2, 32, 32)), before, rtol=0, atol=0)
