"""Learned perceptual image patch similarity on AlexNet (Zhang et al. 2018, version 0.1 of its linear heads)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from photoreal.core import CaptureError, FormatError
from photoreal.models.protocols import PerceptualNetwork
from photoreal.models.weights import Array, load_strictly, locate, read_arrays

SMALLEST = 31
"""Side in pixels below which AlexNet's last layers would be empty."""
_CHANNELS = (64, 192, 384, 256, 256)
_KERNELS = (11, 5, 3, 3, 3)
# In [-1, 1], as the network was trained; ImageNet's mean and deviation.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


@dataclass(frozen=True)
class LpipsAlex:
    """LPIPS on AlexNet, the variant that papers of view synthesis report as LPIPS (Alex)."""

    def load(self, device: torch.device | str = "cpu") -> PerceptualNetwork:
        """The frozen network, differentiable with respect to its images.

        Raises:
            MissingWeightsError: its weights are not on this machine.
        """
        path = locate("lpips-alex")
        network = _AlexDistance()
        load_strictly(network, _state(read_arrays(path)), "the weights of LPIPS")
        return network.requires_grad_(requires_grad=False).eval().to(device)


class _AlexDistance(nn.Module):
    """AlexNet's five convolutions, and for each the weights of its channels' squared differences."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *_CHANNELS[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel, stride=4 if kernel == 11 else 1, padding=min(kernel // 2, 2))
            for before, after, kernel in zip(inputs, _CHANNELS, _KERNELS, strict=True)
        )
        self.heads = nn.ParameterList(nn.Parameter(torch.zeros(channels)) for channels in _CHANNELS)
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None], persistent=False)

    def forward(self, image: Float[Tensor, "3 H W"], reference: Float[Tensor, "3 H W"]) -> tuple[Tensor, ...]:
        height, width = image.shape[1:]
        if min(height, width) < SMALLEST:
            raise CaptureError(f"LPIPS needs images of at least {SMALLEST}x{SMALLEST} pixels, not {width}x{height}")
        pairs = self._features(torch.stack([image, reference]))
        return tuple(
            torch.einsum("chw,c->hw", (both[0] - both[1]).square(), head)
            for both, head in zip(pairs, self.heads, strict=True)
        )

    def _features(self, images: Float[Tensor, "2 3 H W"]) -> list[Tensor]:
        """Each layer's activations, of unit length at each cell."""
        x = (2 * images.to(self.shift) - 1 - self.shift) / self.scale
        found: list[Tensor] = []
        for index, convolution in enumerate(self.convolutions):
            if index in (1, 2):
                x = functional.max_pool2d(x, kernel_size=3, stride=2)
            x = functional.relu(convolution(x))
            # Not functional.normalize: the gradient of a norm at 0 is not finite.
            found.append(x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt())
        return found


def _state(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """The arrays under our names and in our layout (convolution kernels there are H W I O).

    Raises:
        FormatError: there is one of an unknown name.
    """
    state: dict[str, Tensor] = {}
    for name, array in arrays.items():
        match name.split("/"):
            case ["AlexNet_0", layer, "kernel"]:
                kernel = np.ascontiguousarray(np.moveaxis(array, (3, 2), (0, 1)))
                state[f"convolutions.{_number(layer)}.weight"] = torch.from_numpy(kernel)
            case ["AlexNet_0", layer, "bias"]:
                state[f"convolutions.{_number(layer)}.bias"] = torch.from_numpy(array)
            case [head, "Conv_0", "kernel"]:
                state[f"heads.{_number(head)}"] = torch.from_numpy(array.reshape(-1))
            case _:
                raise FormatError(f"the weights of LPIPS hold an unknown array '{name}'")
    return state


def _number(name: str) -> str:
    return name.rpartition("_")[2]
