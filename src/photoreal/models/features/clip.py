"""One vector for an image by CLIP (Radford et al. 2021)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from photoreal.core import FormatError
from photoreal.models.checkpoints import Checkpoint, built, open_checkpoint
from photoreal.models.features.patches import resized
from photoreal.models.weights import load_strictly, read_state

# Of the images that CLIP was trained with, in sRGB.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)

_OF_THE_TEXT = ("text_model.", "text_projection.")
_NO_WEIGHTS = ("logit_scale", "vision_model.embeddings.position_ids")


@dataclass(frozen=True)
class ClipConfig:
    """CLIP's encoder of images, as published for the library transformers, with or without that of texts."""

    weights: str = "clip-b32"
    """A name, or a folder with config.json and model.safetensors whose model_type is clip or clip_vision_model."""
    images_at_once: int = 16
    """More need more memory, and change nothing."""

    def load(self, device: torch.device | str = "cpu") -> "ClipEncoder":
        """The frozen network, differentiable with respect to its images.

        Raises:
            MissingWeightsError: the weights are not on this machine.
            FormatError: they are damaged, or of another kind of network.
        """
        import transformers

        checkpoint = open_checkpoint(self.weights)
        kind, config = transformers.CLIPVisionModelWithProjection, transformers.CLIPVisionConfig
        network: Any = built(kind, config, _fields(checkpoint), checkpoint.config_file)
        load_strictly(network, _of_images(read_state(checkpoint.weights)), f"the weights in {checkpoint.weights}")
        # The numbers of the positions are in no recent checkpoint, and on the device "meta" they have no values.
        embeddings = network.vision_model.embeddings
        embeddings.position_ids = torch.arange(embeddings.num_positions)[None]
        return ClipEncoder(network, self.images_at_once, checkpoint.name).to(device)


class ClipEncoder(nn.Module):
    """An image encoder: CLIP's vector of a whole image, which is squeezed into the square that the network sees."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, images_at_once: int, name: str) -> None:
        """Takes over CLIP's vision network of the library transformers.

        Args:
            name: says which weights these are.
        """
        super().__init__()
        self.name = name
        self.images_at_once = images_at_once
        shape: Any = network.config
        self.side = int(shape.image_size)
        self.network = network.requires_grad_(requires_grad=False).float()
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self.eval()

    def train(self, mode: bool = True) -> "ClipEncoder":  # noqa: FBT001, FBT002, ARG002 - as torch calls it
        """It stays as it is for evaluation, also inside a module that is trained."""
        return super().train(mode=False)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C"]:
        """One vector an image, not normalised; images are sRGB in [0, 1], of any size."""
        return torch.cat([self._encoded(chunk) for chunk in images.split(self.images_at_once)])

    def _encoded(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C"]:
        square = resized(images.to(self.mean), (self.side, self.side))
        return self.network((square - self.mean) / self.deviation).image_embeds


def _fields(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """What the configuration says of the images' side.

    Raises:
        FormatError: it is of another kind of network.
    """
    match checkpoint.config:
        case {"model_type": "clip_vision_model"}:
            return checkpoint.config
        case {"model_type": "clip", "vision_config": dict() as fields, "projection_dim": width}:
            return fields | {"projection_dim": width}
        case {"model_type": "clip", "vision_config": dict() as fields}:
            return fields
        case _:
            raise FormatError(
                f"{checkpoint.config_file} is of a network '{checkpoint.architecture}', not clip or clip_vision_model "
                "with the fields of the images' side"
            )


def _of_images(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors but those of the text's side, and those that hold no weights."""
    return {name: x for name, x in state.items() if not name.startswith(_OF_THE_TEXT) and name not in _NO_WEIGHTS}
