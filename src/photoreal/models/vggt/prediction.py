"""What VGGT says of photos, in the house's terms."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Depths, Features, Value


@dataclass(frozen=True)
class VggtPrediction(Value):
    """Of V photos; the world is the first camera's frame, of no known scale."""

    cameras: Cameras
    """At the photos' own size."""
    depths: Depths
    """At the network's size, which covers the photos; confidence is 0 where a mask hides the photo."""
    point_map: Float[Tensor, "V h w 3"]
    """Where the network's other head sees each pixel in the world; depth and camera together are more exact."""
    point_confidence: Float[Tensor, "V h w"]
    """At least 0."""
    features: Features
    """The tokens of layers 4, 11, 17 and 23, within the photo and across all: what adapters read."""

    def __len__(self) -> int:
        return len(self.cameras)

    def take(self, indices: Sequence[int]) -> "VggtPrediction":
        """What is said of the photos at `indices`, in that order."""
        index = torch.as_tensor(list(indices), dtype=torch.long, device=self.point_map.device)
        features = Features(self.features.descriptors[:, index], self.features.layers)
        return VggtPrediction(
            self.cameras.take(indices),
            self.depths.take(indices),
            self.point_map[index],
            self.point_confidence[index],
            features,
        )
