"""Everything that VGGT says of photographs, in our conventions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import (
    Cameras,
    Depths,
    Features,
    Value,
    similarity_scale,
    transform_points,
    turned_cameras,
    unproject,
)


@dataclass(frozen=True)
class VggtPrediction(Value):
    """Cameras, depth, points and features of V photos in one world of no known scale."""

    cameras: Cameras
    """Of the photos at their own size."""
    depths: Depths
    """At the network's resolution, `h w`, covering the photos."""
    point_map: Float[Tensor, "V h w 3"]
    """Where in the world each pixel's thing lies, as a second opinion: said without cameras or depth."""
    point_confidence: Float[Tensor, "V h w"]
    """At least 0; 0 where masked."""
    features: Features
    """One cell a patch."""

    def __post_init__(self) -> None:
        counts = (len(self.cameras), len(self.depths), len(self.point_map), len(self.point_confidence))
        if len(set(counts)) > 1 or len(self.features) != len(self.cameras):
            raise ValueError(f"of {counts} photos and features of {len(self.features)}, not all of the same")

    def __len__(self) -> int:
        return len(self.cameras)

    def take(self, indices: Sequence[int]) -> "VggtPrediction":
        """What is said of the photos at `indices`, in that order."""
        index = torch.as_tensor(list(indices), dtype=torch.long, device=self.point_map.device)
        features = self.features.replace(descriptors=self.features.descriptors[:, index])
        return VggtPrediction(
            self.cameras.take(indices),
            self.depths.take(indices),
            self.point_map[index],
            self.point_confidence[index],
            features,
        )


def moved(prediction: VggtPrediction, new_from_old: Float[Tensor, "4 4"]) -> VggtPrediction:
    """The same seen from another world: lengths, depths among them, grow by the similarity's scale."""
    like = prediction.point_map
    scale, similarity = similarity_scale(new_from_old), new_from_old.to(like)
    cam_from_new = turned_cameras(prediction.cameras.cam_from_world, similarity)
    return prediction.replace(
        cameras=prediction.cameras.replace(cam_from_world=cam_from_new),
        depths=prediction.depths.replace(depth=scale * prediction.depths.depth),
        point_map=transform_points(similarity, like),
    )


def joined(parts: Sequence[VggtPrediction]) -> VggtPrediction:
    """All photos of several predictions in one world, in their order."""
    first = parts[0]
    cameras = Cameras(
        torch.cat([part.cameras.cam_from_world for part in parts]),
        torch.cat([part.cameras.intrinsics for part in parts]),
        first.cameras.size,
    )
    depths = Depths(
        torch.cat([part.depths.depth for part in parts]), torch.cat([part.depths.confidence for part in parts])
    )
    descriptors = torch.cat([part.features.descriptors for part in parts], dim=1)
    return VggtPrediction(
        cameras,
        depths,
        torch.cat([part.point_map for part in parts]),
        torch.cat([part.point_confidence for part in parts]),
        first.features.replace(descriptors=descriptors),
    )


def without_features(prediction: VggtPrediction) -> VggtPrediction:
    """The same without any layer of features, which are most of its memory: 45 MB a photo of 518x518 pixels."""
    features = prediction.features
    return prediction.replace(features=features.replace(descriptors=features.descriptors[:0], layers=()))


def world_points(cameras: Cameras, depths: Depths) -> Float[Tensor, "V h w 3"]:
    """Where in the world cameras and depth put each pixel of the depth maps; cameras may be of another size."""
    return unproject(cameras.resized(depths.size), depths.depth)


def bounded(confidence: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Confidence in [0, 1]: 1 in the tenth of the known pixels of which the network is surest, in proportion below.

    A network that is exp(c) sure may be a thousand times surer of one corner than of all else, and one corner must
    not decide alone.
    """
    known = confidence[confidence > 0]
    if known.numel() == 0:
        return confidence
    # Not torch.quantile, which takes 16 million numbers at most.
    high = known.kthvalue(1 + (9 * (len(known) - 1)) // 10).values
    return (confidence / high).clamp(max=1)
