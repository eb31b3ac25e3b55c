"""Features of DINOv2 (Oquab et al. 2023), with or without registers (Darcet et al. 2023), and DINOv3 (Siméoni 2025)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from photoreal.core import FormatError
from photoreal.models.checkpoints import Checkpoint, built, open_checkpoint
from photoreal.models.features.patches import PatchConfig, PatchFeatures
from photoreal.models.weights import load_strictly, read_state

_RENAMED = (
    (r"\.attention\.attention\.query\.", ".attention.q_proj."),
    (r"\.attention\.attention\.key\.", ".attention.k_proj."),
    (r"\.attention\.attention\.value\.", ".attention.v_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.mlp\.weights_out\.", ".mlp.down_proj."),
    (r"^layer\.", "model.layer."),
)
"""Names in published checkpoints, and those by which the library's modules go."""


@dataclass(frozen=True)
class DinoConfig:
    """DINOv2 or DINOv3, as published for the library transformers."""

    weights: str = "dinov2-large"
    """A name, such as dinov2-small, dinov2-large or dinov3-large, or a folder with config.json and model.safetensors
    whose model_type is dinov2, dinov2_with_registers or dinov3_vit."""
    patches: PatchConfig = field(default_factory=PatchConfig)
    """Size of the images, and the layers."""

    def load(self, device: torch.device | str = "cpu") -> PatchFeatures:
        """The frozen network, differentiable with respect to its images.

        Raises:
            MissingWeightsError: the weights are not on this machine.
            FormatError: they are damaged, of another kind of network, or the network has no such layer.
        """
        checkpoint = open_checkpoint(self.weights)
        network, blocks = _built(checkpoint)
        load_strictly(network, own_names(read_state(checkpoint.weights)), f"the weights in {checkpoint.weights}")
        return PatchFeatures(network, blocks, self.patches, checkpoint.name).to(device)


def own_names(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a published checkpoint under the names of the library's modules.

    Raises:
        FormatError: two of them would go by one name.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in published.items():
        for old, new in _RENAMED:
            name = re.sub(old, new, name)
        # SwiGLU's two projections are published as one.
        split = re.sub(r"\.mlp\.weights_in\.", ".mlp.{}_proj.", name) if tensor.ndim else name
        parts = [("", tensor)] if split == name else zip(("gate", "up"), tensor.tensor_split(2), strict=True)
        for part, values in parts:
            if (own := split.replace("{}", part)) in state:
                raise FormatError(f"two tensors of the checkpoint are called '{own}'")
            state[own] = values
    return state


def _built(checkpoint: Checkpoint) -> tuple[nn.Module, nn.ModuleList]:
    """The network without weights, and its blocks.

    Raises:
        FormatError: it is of another kind.
    """
    import transformers

    where = checkpoint.config_file
    network: Any
    match checkpoint.architecture:
        case "dinov2":
            network = built(transformers.Dinov2Model, transformers.Dinov2Config, checkpoint.config, where)
            return network, network.encoder.layer
        case "dinov2_with_registers":
            kind = transformers.Dinov2WithRegistersModel
            network = built(kind, transformers.Dinov2WithRegistersConfig, checkpoint.config, where)
            return network, network.encoder.layer
        case "dinov3_vit":
            network = built(transformers.DINOv3ViTModel, transformers.DINOv3ViTConfig, checkpoint.config, where)
            # Its frequencies are in no checkpoint: they follow from the configuration, once off the device "meta".
            network.rope_embeddings = type(network.rope_embeddings)(network.config)
            return network, network.model.layer
        case other:
            raise FormatError(f"{where} is of a network '{other}', not dinov2, dinov2_with_registers or dinov3_vit")
