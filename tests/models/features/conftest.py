"""Tiny networks of random weights, written as published ones are. Nothing here imports photoreal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import PreTrainedModel

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

TINY = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2}
DINOS: dict[str, Callable[[], PreTrainedModel]] = {
    "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**TINY, image_size=70, patch_size=14)),
    "dinov2 with SwiGLU": lambda: transformers.Dinov2Model(
        transformers.Dinov2Config(**TINY, image_size=70, patch_size=14, use_swiglu_ffn=True)
    ),
    "dinov2 with registers": lambda: transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(**TINY, image_size=70, patch_size=14, num_register_tokens=4)
    ),
    "dinov3": lambda: transformers.DINOv3ViTModel(
        transformers.DINOv3ViTConfig(**TINY, intermediate_size=40, patch_size=16, num_register_tokens=3)
    ),
}


def lively(network: PreTrainedModel) -> PreTrainedModel:
    """With weights large enough that every layer and every token tells."""
    generator = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


@pytest.fixture(params=DINOS)
def dino(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[PreTrainedModel, Path]:
    """A network of each kind, and the folder it was written to."""
    network = lively(DINOS[request.param]())
    network.save_pretrained(tmp_path / "tiny")
    return network, tmp_path / "tiny"


@pytest.fixture
def dinov2(tmp_path: Path) -> tuple[PreTrainedModel, Path]:
    """A plain DINOv2, and the folder it was written to."""
    network = lively(DINOS["dinov2"]())
    network.save_pretrained(tmp_path / "tiny")
    return network, tmp_path / "tiny"


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Changes fields of a config.json."""

    def change(folder: Path, **fields: Any) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change
