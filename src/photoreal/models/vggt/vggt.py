"""VGGT behind our protocols: a config whose `load` makes a geometry model of any number of photographs."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from photoreal.core import (
    AlignmentError,
    Cameras,
    Capture,
    CaptureError,
    Depths,
    Geometry,
    MissingWeightsError,
    PhotorealError,
    Photos,
    Step,
    photo_sizes,
)
from photoreal.models.devices import Device, no_room
from photoreal.models.vggt.geometry.framing import Frame, cameras_over_canvas, frame, framed, over_canvas
from photoreal.models.vggt.geometry.known_lens import with_known_lenses
from photoreal.models.vggt.geometry.prediction import VggtPrediction, without_features
from photoreal.models.vggt.geometry.windows import predict_in_windows
from photoreal.models.vggt.network import VggtNetwork, VggtShape
from photoreal.models.vggt.pose_encoding import cameras_from_encoding
from photoreal.models.vggt.preparation import PATCH, SIDE, network_size
from photoreal.models.vggt.raw import RawNetwork, RawPrediction
from photoreal.models.weights import load_strictly, locate, read_state

_NAME = "vggt-1b"
# Memory beside the weights, in GiB: _FIXED + _A_PIXEL * pixels of one photo, for the heads, which see two photos at a
# time, + _A_TOKEN * tokens of all photos. Fitted to peaks on a CPU: ten of 2 to 48 photos, of 126x98 to 518x518 pixels,
# are estimated 4 % too low to 13 % too high, single photos 21 to 72 % too high.
_FIXED, _A_PIXEL, _A_TOKEN = 0.155, 2.6e-6, 5e-5
_SPECIAL_TOKENS = 5


@dataclass(frozen=True)
class VggtConfig:
    """VGGT-1B (Wang et al. 2025): cameras and depth in one pass, also of few photos that share little."""

    weights: Path | None = None
    """A checkpoint of one's own, .safetensors or .pt; none takes the weights "vggt-1b"."""
    side: int = SIDE
    """Photos are scaled to so many pixels on their longer side, rounded to a multiple of 14; at least 56."""
    photos_at_once: int = 0
    """How many photos the network sees together; the others come in overlapping windows. 0 means as many as
    `memory_gib` allows."""
    memory_gib: float = 4.0
    """Memory for what the network computes, beside the 4.7 GiB of its weights. For photos of 518x518 pixels it is
    estimated as 0.85 GiB and 0.07 GiB more for each of them."""
    overlap: int = 4
    """How many photos a window shares with the next, by which they are joined."""
    device: Device = "auto"
    """Where it runs in a reconstruction; auto takes a GPU where there is one."""

    def load(self, device: torch.device | str = "cpu") -> "Vggt":
        """The frozen network in float32.

        Raises:
            PhotorealError: an option is out of its range, or the GPU has too little memory.
            MissingWeightsError: the weights are not on this machine.
            FormatError: their file is damaged, or of another network.
        """
        _check(self)
        if self.weights is not None and not self.weights.is_file():
            raise MissingWeightsError(f"the weights of VGGT should be in {self.weights}, which is no file")
        path = locate(_NAME) if self.weights is None else self.weights
        # Without memory of its own, which would be filled with random numbers to no purpose.
        with torch.device("meta"):
            network = _network(_shape())
        load_strictly(network, read_state(path), f"the weights in {path}")
        assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
        network.requires_grad_(requires_grad=False).eval()
        try:
            network.to(device=device, dtype=torch.float32)
        except torch.OutOfMemoryError as error:
            raise no_room("VGGT's 4.7 GiB of weights", "--vggt.device cpu runs it on the processor") from error
        name = "real: VGGT-1B" if self.weights is None else f"real: VGGT of {path.name}"
        return Vggt(network, self, name, torch.device(device))


@dataclass(frozen=True)
class Vggt:
    """A loaded network; a `GeometryModel`."""

    network: RawNetwork
    config: VggtConfig
    name: str
    """What `Geometry.model` says."""
    device: torch.device
    """Where the network is; results are where the photos are."""

    def __call__(self, photos: Photos) -> Generator[Step, None, Geometry]:
        """Yield steps; return the geometry of all photos, in about the first one's frame and of no known scale.

        Depth is at the network's resolution. Its confidence is what the network says less the 1 with which that
        begins, and 0 in pixels that are masked by more than half.

        Raises:
            AlignmentError: there is no photo, or what the network says is no geometry.
            PhotorealError: the memory allows fewer photos at once than windows share, or does not suffice.
        """
        said = yield from _predicted(self, photos, without_features)
        return Geometry(Capture(photos, said.cameras), said.depths, "scale_invariant", self.name)

    def predict(
        self, photos: Photos, intrinsics: Float[Tensor, "V 3 3"] | None = None
    ) -> Generator[Step, None, VggtPrediction]:
        """Yield steps; return all that the network says of the photos.

        Args:
            photos: undistorted.
            intrinsics: what is known of the lenses, in the photos' pixels; the cameras have exactly these then, and
                places and depth are made to fit (`with_known_lenses`).

        Raises:
            AlignmentError: as when called.
            CaptureError: there are not as many intrinsics as photos, or their focal lengths are not positive.
            PhotorealError: as when called.
        """
        if intrinsics is not None:
            _check_intrinsics(intrinsics, len(photos))
        said = yield from _predicted(self, photos, lambda prediction: prediction)
        return said if intrinsics is None else _with_lenses(said, intrinsics)


def memory_gib(count: int, size: tuple[int, int], patch: int = PATCH) -> float:
    """About what so many images of `size` (height, width) pixels take beside the network's weights, in GiB."""
    return _FIXED + _A_PIXEL * size[0] * size[1] + count * _of_an_image(size, patch)


def photos_that_fit(size: tuple[int, int], memory: float, patch: int = PATCH) -> int:
    """How many images of `size` (height, width) pixels the network sees at once within so many GiB; may be 0."""
    return max(0, int((memory - memory_gib(0, size, patch)) / _of_an_image(size, patch)))


def _of_an_image(size: tuple[int, int], patch: int) -> float:
    return _A_TOKEN * ((size[0] // patch) * (size[1] // patch) + _SPECIAL_TOKENS)


def _shape() -> VggtShape:
    return VggtShape()


def _network(shape: VggtShape) -> VggtNetwork:
    return VggtNetwork(shape)


def _check(config: VggtConfig) -> None:
    network_size((1, 1), config.side)
    if config.photos_at_once < 0 or config.overlap < 1:
        raise PhotorealError(
            f"VGGT takes {config.photos_at_once} photos at once and lets windows share {config.overlap}; "
            f"these must be at least 0 and at least 1"
        )
    if 0 < config.photos_at_once <= config.overlap:
        raise PhotorealError(
            f"VGGT takes {config.photos_at_once} photos at once, of which windows share {config.overlap}; "
            f"take more at once or share fewer"
        )
    if not 0 < config.memory_gib < float("inf"):
        raise PhotorealError(f"VGGT is given {config.memory_gib} GiB of memory; it must be a positive number")


def _check_intrinsics(intrinsics: Float[Tensor, "N 3 3"], count: int) -> None:
    if len(intrinsics) != count:
        raise CaptureError(f"there are {len(intrinsics)} intrinsics for {count} photos; give one for each")
    if not bool(intrinsics.isfinite().all()):
        raise CaptureError("some of the intrinsics given are no finite numbers")
    focal = torch.diagonal(intrinsics, dim1=1, dim2=2)[:, :2]
    if not bool((focal > 0).all()):
        raise CaptureError(f"the least focal length given is {float(focal.min())} pixels; all must be positive numbers")


def _at_once(model: Vggt, photos: Photos) -> int:
    """Raises a PhotorealError where windows of what fits could not overlap."""
    config = model.config
    if config.photos_at_once:
        return config.photos_at_once
    height, width = size = network_size(photos.size, config.side, model.network.patch)
    fitting = photos_that_fit(size, config.memory_gib, model.network.patch)
    if fitting < min(len(photos), config.overlap + 1):
        raise PhotorealError(
            f"{config.memory_gib:g} GiB let VGGT see {fitting} photos of {width}x{height} pixels at once, and windows "
            f"that share {config.overlap} need {min(len(photos), config.overlap + 1)}; allow more memory or take a "
            f"smaller side"
        )
    return fitting


def _predicted(
    model: Vggt, photos: Photos, kept: Callable[[VggtPrediction], VggtPrediction]
) -> Generator[Step, None, VggtPrediction]:
    if len(photos) == 0:
        raise AlignmentError("VGGT needs at least 1 photo, and here are 0")
    return (
        yield from predict_in_windows(
            partial(_window, model, photos, photo_sizes(photos), kept),
            len(photos),
            photos_at_once=_at_once(model, photos),
            overlap=model.config.overlap,
        )
    )


def _window(
    model: Vggt,
    photos: Photos,
    sizes: Int64[Tensor, "V 2"],
    kept: Callable[[VggtPrediction], VggtPrediction],
    rows: Sequence[int],
) -> Generator[Step, None, VggtPrediction]:
    chosen, patch = photos.take(rows), model.network.patch
    within = frame(sizes[list(rows)], photos.size, network_size(photos.size, model.config.side, patch), patch)
    images, shown = framed(chosen, within)
    try:
        raw = yield from model.network.predict(images.to(model.device))
    except torch.OutOfMemoryError as error:
        what = f"{len(rows)} photos of {within.size[1]}x{within.size[0]} pixels at once"
        raise no_room(what, "lower --vggt.photos-at-once, --vggt.memory-gib or --vggt.side") from error
    return kept(_ours(raw.to(photos.images.device), shown, within))


def _ours(raw: RawPrediction, shown: Bool[Tensor, "V h w"], within: Frame) -> VggtPrediction:
    """In our conventions; raises an AlignmentError where a camera is not finite."""
    astray = int((~raw.pose_encoding.isfinite().all(-1)).sum())
    if astray:
        raise AlignmentError(
            f"VGGT gave {astray} of {len(shown)} photos a camera that is not finite; are its weights whole?"
        )
    cameras = cameras_over_canvas(cameras_from_encoding(raw.pose_encoding, within.size), within)
    sane, point_sane = raw.depth.isfinite() & (raw.depth > 0) & shown, raw.points.isfinite().all(-1) & shown
    depths = Depths(
        over_canvas(raw.depth.nan_to_num(0.0, 0.0, 0.0), within),
        over_canvas(_beyond_one(raw.depth_confidence) * sane, within),
    )
    points = over_canvas(raw.points.nan_to_num(0.0, 0.0, 0.0).movedim(-1, 1), within).movedim(1, -1)
    descriptors = over_canvas(raw.features.descriptors.movedim(1, 0), within).movedim(0, 1)
    return VggtPrediction(
        cameras,
        depths,
        points,
        over_canvas(_beyond_one(raw.point_confidence) * point_sane, within),
        raw.features.replace(descriptors=descriptors),
    )


def _beyond_one(confidence: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """From 0 upwards; where it is no number there is no confidence, and infinite is the largest of all."""
    return (confidence - 1).clamp_min(0).nan_to_num(0.0)


def _with_lenses(said: VggtPrediction, intrinsics: Float[Tensor, "V 3 3"]) -> VggtPrediction:
    exact = intrinsics.to(said.cameras.intrinsics)
    known = said.cameras.replace(intrinsics=exact)
    size = said.depths.size
    fitted, depths = with_known_lenses(said.cameras.resized(size), said.depths, known.resized(size).intrinsics)
    return said.replace(cameras=Cameras(fitted.cam_from_world, exact, said.cameras.size), depths=depths)
