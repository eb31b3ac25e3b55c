"""The whole network: images of one size in; encodings of cameras, depth, points and features out."""

from collections.abc import Generator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from photoreal.core import Features, Step
from photoreal.models.vggt.network.aggregator import Aggregator, Tokens
from photoreal.models.vggt.network.blocks import parts
from photoreal.models.vggt.network.camera_head import CameraHead
from photoreal.models.vggt.network.dense_head import DenseHead, depth_of, points_of
from photoreal.models.vggt.network.shape import VggtShape
from photoreal.models.vggt.network.track_head import TrackHead
from photoreal.models.vggt.raw import RawPrediction

_PHOTOS = 2
"""Photos whose maps are made at one time; more take memory and no less time."""


class VggtNetwork(nn.Module):
    """VGGT (Wang et al. 2025); its parameters have the names and shapes of the published checkpoint."""

    def __init__(self, shape: VggtShape) -> None:
        super().__init__()
        self.layers, self.patch = shape.layers, shape.patch
        dense = (shape.width, shape.pyramid, shape.fused)
        self.aggregator = Aggregator(shape)
        self.camera_head = CameraHead(shape)
        self.point_head = DenseHead(*dense, 4)
        self.depth_head = DenseHead(*dense, 2)
        self.track_head = TrackHead(shape)

    def predict(self, images: Float[Tensor, "V 3 H W"]) -> Generator[Step, None, RawPrediction]:
        """Yield steps; return what the network says of the photos, in the frame of the first and of no known scale.

        Attention is bfloat16 on CUDA (float16 on old GPUs) and float32 elsewhere; the heads are float32. Gradients do
        not pass.

        Args:
            images: sRGB in [0, 1]; the sides are multiples of `patch`.
        """
        tokens = yield from self.tokens(images, self.layers)
        size = (images.shape[2], images.shape[3])
        with _precisely(images):
            encoding = self.camera_head(tokens.camera)[-1]
        count = len(images)
        depth, depth_confidence, point_confidence = (images.new_empty(count, *size) for _ in range(3))
        points = images.new_empty(count, *size, 3)
        for part in parts(count, _PHOTOS):
            yield Step("drawing depth", part.start, count)
            layers = tokens.layers[:, part]
            with _precisely(images):
                numbers = self.depth_head.numbers(layers, tokens.grid, size)
                depth[part], depth_confidence[part] = depth_of(numbers)
                numbers = self.point_head.numbers(layers, tokens.grid, size)
                points[part], point_confidence[part] = points_of(numbers)
        yield Step("drawing depth", count, count)
        maps = tokens.layers.unflatten(2, tokens.grid).permute(0, 1, 4, 2, 3)
        return RawPrediction(
            encoding, depth, depth_confidence, points, point_confidence, Features(maps, tuple(self.layers))
        )

    def tokens(self, images: Float[Tensor, "V 3 H W"], kept: Sequence[int]) -> Generator[Step, None, Tokens]:
        """Yield steps; return the tokens after the pairs of blocks numbered `kept`."""
        steps, place = self.aggregator(images, kept), images.device.type
        while True:
            # Left at each step: whoever watches does not work in half precision.
            with torch.autocast(place, _half(place), enabled=place == "cuda"):
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
            yield step


def _precisely(images: Tensor) -> torch.autocast:
    """Float32, whatever the caller is at; cuDNN's convolutions round it to TF32, unless torch is told otherwise."""
    return torch.autocast(images.device.type, enabled=False)


def _half(place: str) -> torch.dtype:
    """The type of attention where there is a GPU; those before compute capability 8 know no bfloat16."""
    knows = place != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if knows else torch.float16
