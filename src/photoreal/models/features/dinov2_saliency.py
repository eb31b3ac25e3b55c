"""Features of a DINOv2-S/14 that a package carries: the trunk of a network for saliency, published as ONNX.

It was fine-tuned from DINOv2, which its middle layers have survived better than its last.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photoreal.core import FormatError
from photoreal.models.checkpoints import built
from photoreal.models.features.dino import own_names
from photoreal.models.features.patches import PatchConfig, PatchFeatures
from photoreal.models.weights import load_strictly, locate

NAME = "embedded: DINOv2-S/14 (saliency)"
_SHAPE = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "patch_size": 14,
    "image_size": 518,
    "use_mask_token": False,
}
_TRUNK = "backbone."


@dataclass(frozen=True)
class Dinov2SaliencyConfig:
    """The embedded DINOv2-S/14; use its layers 6 to 10."""

    patches: PatchConfig = field(default_factory=PatchConfig)
    """Size of the images, and the layers."""

    def load(self, device: torch.device | str = "cpu") -> PatchFeatures:
        """The frozen network, differentiable with respect to its images.

        Raises:
            MissingWeightsError: its weights are not on this machine.
            FormatError: it has no such layer.
        """
        from transformers import Dinov2Config, Dinov2Model

        network: Any = built(Dinov2Model, Dinov2Config, _SHAPE, NAME)
        load_strictly(network, own_names(_trunk(locate("dinov2-small-saliency"))), f"the weights of {NAME}")
        return PatchFeatures(network, network.encoder.layer, self.patches, NAME).to(device)


def _trunk(path: Path) -> dict[str, Tensor]:
    """The trunk's tensors by the names that DINOv2 is published with.

    The export kept the names of all but the matrices, which are known by the multiplications that read them, and the
    position embedding, which is known by its shape.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path), load_external_data=False).graph
    arrays = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    state = {name.removeprefix(_TRUNK): value for name, value in arrays.items() if name.startswith(_TRUNK)}
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/") and node.input[1] in arrays:
            layer = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            state[f"{layer}.weight"] = arrays[node.input[1]].T.contiguous()
    anonymous = {tuple(value.shape): value for name, value in arrays.items() if name.startswith("onnx::")}
    try:
        places = [anonymous[1, 1, 384], anonymous[1, 37 * 37, 384]]
    except KeyError as error:
        raise FormatError(f"{path} holds no position embedding of 37 x 37 patches") from error
    state["embeddings.position_embeddings"] = torch.cat(places, dim=1)
    return state
