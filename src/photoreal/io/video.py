"""Photos from a video: the sharpest frame of each stretch of time, without repetitions."""

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import torch
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from jaxtyping import Float32, UInt8

from photoreal.core import CaptureError, Photos
from photoreal.io.photos import MIN_SIDE, PhotoReading, Skipped
from photoreal.io.source import VIDEO_SUFFIXES, video_files

_HD_ROWS = 720
_UNSPECIFIED = 2
_JUDGED_SIDE = 960
_QUALITY = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoConfig:
    """Which frames of a video become photos."""

    frames: int = 60
    """The video is cut into this many stretches of equal time; the sharpest frame of each is taken."""
    candidates: int = 16
    """At most about this many frames of each stretch are compared."""
    least_change: float = 1.0
    """A frame whose grey levels, averaged over 64 x 64 cells, differ by less (0..255) from the last's repeats it."""


USUAL_FRAMES = VideoConfig()
"""Which frames are taken unless told otherwise."""


@dataclass(frozen=True)
class _Candidate:
    """A decoded frame, its number in the video and how sharp it is."""

    frame: VideoFrame
    number: int
    sharpness: float


@dataclass(frozen=True)
class _Clock:
    """The span of a stream in its own ticks, and its number of packets."""

    first: int
    last: int
    count: int

    def window(self, frame: VideoFrame, number: int, windows: int) -> int:
        """Which of so many stretches of equal time a frame belongs to."""
        guess = self.first + (self.last - self.first) * number // self.count
        tick = next((t for t in (frame.pts, frame.dts) if t is not None), guess)
        return min(max((tick - self.first) * windows // (self.last - self.first + 1), 0), windows - 1)


def read_video(path: Path, config: VideoConfig = USUAL_FRAMES, *, max_side: int = 1600) -> PhotoReading:
    """The sharpest frame of each stretch of a video, upright, its longer side at most `max_side` pixels.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000). Frames are named by their number in the video
    and share one lens of unknown focal length. The file is decoded once, from front to back; memory is the photos and a
    few decoded frames. A folder that holds one video stands for it.

    Raises:
        CaptureError: it is no video, holds no frame, or its camera does not move.
    """
    if config.frames < 1 or config.candidates < 1 or max_side < MIN_SIDE:
        raise CaptureError(f"{config.frames} frames of at most {max_side} pixels cannot be taken from a video")
    path = _only_video(path)
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            return _read(container, path, config, max_side)
    except (av.error.FFmpegError, OSError) as error:
        raise CaptureError(f"{path} cannot be read as a video ({error}); give an MP4, MOV, MKV or WebM file") from error


def _only_video(path: Path) -> Path:
    videos = video_files(path) if path.is_dir() else [path]
    if len(videos) != 1:
        raise CaptureError(f"{path} holds {len(videos)} videos ({', '.join(sorted(VIDEO_SUFFIXES))}); give one of them")
    return videos[0]


def _read(container: InputContainer, path: Path, config: VideoConfig, max_side: int) -> PhotoReading:
    if not container.streams.video:
        raise CaptureError(f"{path} has no video stream; give a video or a folder of photographs")
    stream = container.streams.video[0]
    clock = _clock(container, stream)
    if clock.count == 0:
        raise CaptureError(f"{path} holds 0 frames; record it anew or give a folder of photographs")
    windows = min(config.frames, clock.count)
    stream.thread_type = "AUTO"
    stride = math.ceil(clock.count / (windows * config.candidates))
    frames = _numbered_frames(container, stream, path)
    chosen = _sharpest((c for c in frames if c[0] % stride == 0), clock, windows)
    pixel_aspect = float(stream.sample_aspect_ratio or 1)
    return _collected(chosen, path, config, lambda frame: _upright_rgb(frame, max_side, pixel_aspect))


def _clock(container: InputContainer, stream: VideoStream) -> _Clock:
    """Read from the packets, since what a container states of its length is often missing or wrong."""
    stamps = [(packet.pts, packet.dts) for packet in container.demux(stream) if packet.size]
    ticks = [presented if presented is not None else decoded for presented, decoded in stamps]
    known = [tick for tick in ticks if tick is not None] or [0]
    container.seek(0)
    return _Clock(min(known), max(known), len(stamps))


def _numbered_frames(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[tuple[int, VideoFrame]]:
    """All frames that can be decoded."""
    numbers, damaged = itertools.count(), 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            continue
        yield from ((next(numbers), frame) for frame in frames)
    if damaged:
        log.warning("%d packets of %s cannot be decoded and are passed over", damaged, path.name)


def _sharpest(frames: Iterable[tuple[int, VideoFrame]], clock: _Clock, windows: int) -> Iterator[_Candidate]:
    """The best frame of each stretch, as soon as the stretch is over."""
    for _, group in itertools.groupby(frames, key=lambda pair: clock.window(pair[1], pair[0], windows)):
        candidates = (_Candidate(frame, number, _sharpness(frame)) for number, frame in group)
        yield max(candidates, key=lambda candidate: candidate.sharpness)


def _collected(
    chosen: Iterator[_Candidate],
    path: Path,
    config: VideoConfig,
    upright: Callable[[VideoFrame], UInt8[np.ndarray, "H W 3"]],
) -> PhotoReading:
    """The chosen frames that differ from the last one kept, as photos."""
    images = torch.zeros((0, 3, 1, 1), dtype=torch.uint8)
    names: list[str] = []
    skipped: list[Skipped] = []
    last = np.full((64, 64), np.inf, np.float32)
    for candidate in chosen:
        name = f"{path.stem}_{candidate.number:05d}.png"
        small = _grey(candidate.frame, (64, 64))
        if np.abs(small - last).mean() < config.least_change:
            skipped.append(Skipped(name, f"shows the same as {names[-1]}"))
            continue
        pixels = upright(candidate.frame)
        if not names:
            images = torch.zeros((config.frames, 3, *pixels.shape[:2]), dtype=torch.uint8)
        if pixels.shape[:2] != images.shape[2:]:
            skipped.append(Skipped(name, f"has {pixels.shape[1]}x{pixels.shape[0]} pixels, unlike the frames before"))
            continue
        images[len(names)] = torch.from_numpy(pixels).permute(2, 0, 1)
        names.append(name)
        last = small
    _check_kept(path, names, skipped, images.shape[2:])
    images = images[: len(names)]
    masks = torch.ones((len(names), *images.shape[2:]), dtype=torch.bool)
    unknown = torch.zeros(len(names))
    photos = Photos(images, masks, tuple(names), unknown, torch.zeros(len(names), dtype=torch.int64))
    return PhotoReading(photos, tuple(skipped))


def _check_kept(path: Path, names: list[str], skipped: list[Skipped], size: tuple[int, ...]) -> None:
    if not names:
        raise CaptureError(f"{path} holds 0 frames that can be decoded; record it anew or convert it to MP4")
    if min(size) < MIN_SIDE:
        raise CaptureError(
            f"the frames of {path} have {size[1]}x{size[0]} pixels; at least {MIN_SIDE} a side are needed"
        )
    if len(names) == 1 and skipped:
        raise CaptureError(
            f"all {1 + len(skipped)} frames taken from {path} show the same picture; move the camera while filming"
        )


def _sharpness(frame: VideoFrame) -> float:
    """Variance of the Laplacian of the grey levels, the longer side at most 960 pixels."""
    scale = min(1.0, _JUDGED_SIDE / max(frame.width, frame.height))
    grey = _grey(frame, (max(3, round(frame.height * scale)), max(3, round(frame.width * scale))))
    across = grey[1:-1, :-2] + grey[1:-1, 2:]
    along = grey[:-2, 1:-1] + grey[2:, 1:-1]
    return float((across + along - 4 * grey[1:-1, 1:-1]).var())


def _grey(frame: VideoFrame, size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    small = frame.reformat(width=size[1], height=size[0], format="gray", interpolation=Interpolation.AREA)
    return small.to_ndarray().astype(np.float32)


def _upright_rgb(frame: VideoFrame, max_side: int, pixel_aspect: float) -> UInt8[np.ndarray, "H W 3"]:
    """sRGB bytes, turned by the display matrix, with square pixels."""
    wide = frame.width * pixel_aspect
    scale = min(1.0, max_side / max(wide, frame.height))
    unstated = Colorspace.ITU709 if frame.height >= _HD_ROWS else Colorspace.ITU601
    rgb = frame.reformat(
        width=max(1, round(wide * scale)),
        height=max(1, round(frame.height * scale)),
        format="rgb24",
        src_colorspace=unstated if frame.colorspace == _UNSPECIFIED else frame.colorspace,
        interpolation=_QUALITY,
    )
    return np.rot90(rgb.to_ndarray(), round(frame.rotation / 90)).copy()
