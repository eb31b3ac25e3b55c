"""From a vision transformer to maps: images of any size go in, the tokens of their patches come out as grids."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from photoreal.core import Features, FormatError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PatchConfig:
    """How images are cut into patches, and which layers' maps are kept."""

    layers: tuple[int, ...] = ()
    """Numbers of hidden states, of which n is what the n-th block leaves, before the last normalisation; none: those at
    1/2, 2/3 and 5/6 of the depth, which of 12 are 6, 8 and 10."""
    side: int = 518
    """Pixels of an image's longer side as the network sees it, rounded to whole patches; the whole image is scaled to
    it, up or down, and its shape is kept to within half a patch."""
    images_at_once: int = 4
    """More need more memory, and change nothing."""


class PatchFeatures(nn.Module):
    """A feature model: descriptors of patches by several layers of a frozen vision transformer (Oquab et al. 2023)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, blocks: nn.ModuleList, config: PatchConfig, name: str) -> None:
        """Takes over a network of the library transformers, and cuts off the blocks that no wanted layer needs.

        Args:
            blocks: the network's own, first to last.
            name: says which weights these are, and whether they are embedded or real.

        Raises:
            FormatError: the network has no such layer.
        """
        super().__init__()
        self.name = name
        self.config = config
        self.layers = _chosen(config.layers, len(blocks), name)
        del blocks[max(self.layers) :]
        shape: Any = network.config
        self.patch = int(shape.patch_size)
        # Before the patches come the class token and the registers.
        self.prefix = 1 + int(getattr(shape, "num_register_tokens", 0))
        self.network = network.requires_grad_(requires_grad=False).float()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION)[:, None, None], persistent=False)
        self.eval()

    def train(self, mode: bool = True) -> "PatchFeatures":  # noqa: FBT001, FBT002, ARG002 - as torch calls it
        """It stays as it is for evaluation, also inside a module that is trained: DINOv3 would scale at random."""
        return super().train(mode=False)

    def forward(self, images: Float[Tensor, "V 3 H W"]) -> Features:
        """The maps of all images by the layers of the config; images are sRGB in [0, 1], of any size."""
        chunks = [self._maps(chunk) for chunk in images.split(self.config.images_at_once)]
        return Features(torch.cat(chunks, dim=1), self.layers)

    def _maps(self, images: Float[Tensor, "V 3 H W"]) -> Float[Tensor, "L V C h w"]:
        rows, columns = self.grid((images.shape[2], images.shape[3]))
        scaled = resized(images.to(self.mean), (rows * self.patch, columns * self.patch))
        states = self.network((scaled - self.mean) / self.deviation, output_hidden_states=True).hidden_states
        tokens = torch.stack([states[layer] for layer in self.layers])[:, :, self.prefix :]
        return tokens.unflatten(2, (rows, columns)).movedim(-1, 2)

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of patches that an image of this height and width becomes."""
        scale = self.config.side / max(size) / self.patch
        rows, columns = (max(1, round(length * scale)) for length in size)
        return rows, columns


def resized(images: Float[Tensor, "V 3 H W"], size: tuple[int, int]) -> Float[Tensor, "V 3 h w"]:
    """The whole images at this height and width, by bicubic interpolation that does not alias; differentiable.

    Where colours change abruptly the result may leave [0, 1] a little: clipping it would take those pixels' gradient.
    """
    if images.shape[2:] == size:
        return images
    return functional.interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)


def matching_descriptors(features: Features) -> Float[Tensor, "V C h w"]:
    """One descriptor of unit length a patch, for matching by cosine: every layer's own of equal length, side by side.

    On the Oxford graffiti pair the embedded network's three default layers together find more patches again than any
    one of them (`python -m benchmarks models`); taken through its last normalisation, they would find fewer.
    """
    each = functional.normalize(features.descriptors, dim=2) / len(features.layers) ** 0.5
    return each.movedim(0, 1).flatten(1, 2)


def _chosen(layers: tuple[int, ...], depth: int, name: str) -> tuple[int, ...]:
    """The layers asked for, or those of the default, in rising order without repetition.

    Raises:
        FormatError: there is no such layer.
    """
    chosen = layers or tuple(max(1, round(depth * share)) for share in (1 / 2, 2 / 3, 5 / 6))
    for layer in chosen:
        if not 1 <= layer <= depth:
            raise FormatError(f"{name} has the layers 1 to {depth}, and layer {layer} is asked for")
    return tuple(sorted(set(chosen)))
