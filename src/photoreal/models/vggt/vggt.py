"""VGGT as a geometry model: photos of any size and number to cameras, depths, points and features."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core import AlignmentError, Capture, Depths, Geometry, PhotorealError, Photos, Step
from photoreal.models.vggt.known_lens import with_known_lens
from photoreal.models.vggt.network import VggtNetwork, VggtShape
from photoreal.models.vggt.pose_encoding import cameras_from_encoding
from photoreal.models.vggt.prediction import VggtPrediction
from photoreal.models.vggt.preparation import SIDE, network_size, prepare, shown
from photoreal.models.vggt.raw import RawNetwork, RawPrediction
from photoreal.models.vggt.windows import joined, windows
from photoreal.models.weights import load_strictly, locate, read_state

_NAME = "vggt-1b"
_GIB = 2**30
_FIXED = 1.0 * _GIB
"""Activation memory whatever the number of photos."""
_FOR_TOKEN = 80_000
"""Bytes of activations for each token of 1024 channels: eight times its channels are kept for the heads, and about as
much is at work at one time. Measured by `benchmarks vggt`."""
_FOR_PIXEL = 60
_COVERED = 0.99


@dataclass(frozen=True)
class VggtConfig:
    """VGGT-1B (Wang et al. 2025)."""

    weights: Path | None = None
    """A checkpoint of one's own (.safetensors or .pt) instead of the released one."""
    side: int = SIDE
    """Pixels of the longer side of what the network sees; at 518 it was trained most."""
    memory_gib: float = 6.0
    """Memory for activations, besides 5 GB of weights; more photos than fit are solved in windows that overlap."""
    photos_at_once: int = 0
    """Photos in a window; 0: as many as memory allows."""
    overlap: int = 4
    """Photos that neighbouring windows share."""

    def load(self, device: torch.device | str = "cpu") -> "Vggt":
        """The network with its weights.

        Raises:
            MissingWeightsError: they are not on this machine.
            FormatError: they do not fit the network.
            PhotorealError: an option cannot be.
        """
        network_size((SIDE, SIDE), self.side)
        if 0 < self.photos_at_once <= self.overlap:
            raise PhotorealError(
                f"windows of {self.photos_at_once} photos cannot share {self.overlap}; "
                "--vggt.photos-at-once must be more than --vggt.overlap"
            )
        path = locate(_NAME) if self.weights is None else self.weights
        with torch.device("meta"):
            network = VggtNetwork(_SHAPE)
        load_strictly(network, read_state(path), f"the weights of VGGT in {path.name}")
        name = "real: VGGT-1B" if self.weights is None else f"real: VGGT ({self.weights.name})"
        network = network.float().eval().requires_grad_(requires_grad=False).to(device)
        return Vggt(network, torch.device(device), self, name)


_SHAPE = VggtShape()


@dataclass(frozen=True)
class Vggt:
    """A loaded VGGT."""

    network: RawNetwork
    device: torch.device
    config: VggtConfig
    name: str

    def __call__(self, photos: Photos) -> Generator[Step, None, Geometry]:
        """Yield steps; return cameras and depth of all photos, scale-invariant; depth's confidence is at least 0.

        Raises:
            AlignmentError: there is no photo.
        """
        found = yield from self.predict(photos)
        return Geometry(Capture(photos, found.cameras), found.depths, "scale_invariant", self.name)

    def predict(
        self, photos: Photos, intrinsics: Float[Tensor, "V 3 3"] | None = None
    ) -> Generator[Step, None, VggtPrediction]:
        """Yield steps; return all that the network says, on the processor.

        Args:
            intrinsics: of the photos, where they are known: the cameras then have exactly these.

        Raises:
            AlignmentError: there is no photo.
        """
        if not len(photos):
            raise AlignmentError("VGGT needs at least 1 photo")
        spans = windows(len(photos), self.photos_at_once(photos.size), self.config.overlap)
        parts: list[VggtPrediction] = []
        for span in spans:
            parts.append((yield from self._window(photos.take(span))))
        found = joined(parts, spans)
        return found if intrinsics is None else with_known_lens(found, intrinsics)

    def photos_at_once(self, size: tuple[int, int]) -> int:
        """How many photos of this size fit into the memory that is allowed; never fewer than a window needs."""
        if self.config.photos_at_once:
            return self.config.photos_at_once
        height, width = network_size(size, self.config.side, self.network.patch)
        each = _FOR_TOKEN * (height * width / self.network.patch**2 + 5) + _FOR_PIXEL * height * width
        return max(int((self.config.memory_gib * _GIB - _FIXED) / each), 2 * self.config.overlap)

    def _window(self, photos: Photos) -> Generator[Step, None, VggtPrediction]:
        images = prepare(photos, self.config.side, self.network.patch)
        raw = yield from self.network.predict(images.to(self.device))
        return _in_our_terms(raw.to("cpu"), photos)


def _in_our_terms(raw: RawPrediction, photos: Photos) -> VggtPrediction:
    size = (raw.depth.shape[1], raw.depth.shape[2])
    seen: Bool[Tensor, "V h w"] = shown(photos.map(lambda tensor: tensor.cpu()), size) > _COVERED
    return VggtPrediction(
        cameras_from_encoding(raw.pose_encoding, size).resized(photos.size),
        Depths(raw.depth, (raw.depth_confidence - 1) * seen),
        raw.points,
        (raw.point_confidence - 1) * seen,
        raw.features,
    )
