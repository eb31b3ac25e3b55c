"""Films as H.264 in MP4, which every browser plays."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import av
import torch
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8
from torch import Tensor

from photoreal.core import FormatError, SceneError
from photoreal.io.files import atomic_path

_BT709 = 1
"""The number of ITU-R BT.709 for matrix, primaries and transfer (ITU-T H.273, tables 2 to 4)."""


def write_film(path: Path, frames: Iterable[UInt8[Tensor, "3 H W"]], fps: int = 24, *, quality: int = 20) -> None:
    """Write sRGB `frames` as `path`: H.264, yuv420p, BT.709, playable while it loads; whole or absent.

    The same frames give the same bytes. They are consumed one by one. An odd height or width loses its last row or
    column, which yuv420p cannot hold.
    `quality` is x264's constant rate factor: 18 looks like the original, 23 is plain, larger is smaller.

    Raises:
        SceneError: there is no frame, frames differ in size, one is smaller than 2x2, or the place cannot be written.
    """
    stream_of = iter(frames)
    first = next(stream_of, None)
    if first is None or min(first.shape[1:]) < 2:
        raise SceneError(f"{path.name} needs at least one frame of 2x2 pixels or more")
    with atomic_path(path) as partial, av.open(str(partial), "w", options={"movflags": "+faststart"}) as container:
        # With mbtree, x264 gives other bytes for the same frames now and then.
        options = {"crf": str(quality), "preset": "medium", "mbtree": "0"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = first.shape[1] // 2 * 2, first.shape[2] // 2 * 2, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        for frame in itertools.chain([first], stream_of):
            if frame.shape != first.shape:
                raise SceneError(f"{path.name}: a frame of {_size(frame)} among frames of {_size(first)}")
            container.mux(stream.encode(_encodable(frame)))
        container.mux(stream.encode(None))


def read_poster(path: Path) -> UInt8[Tensor, "3 H W"]:
    """The first frame of a film, sRGB.

    Raises:
        FormatError: the file is not a film with at least one frame.
    """
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                return torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1).contiguous()
    except (FFmpegError, IndexError) as error:
        raise FormatError(f"{path} is not a film that can be read: {error}") from error
    raise FormatError(f"{path} holds no frame")


def _encodable(frame: UInt8[Tensor, "3 H W"]) -> av.VideoFrame:
    height, width = frame.shape[1] // 2 * 2, frame.shape[2] // 2 * 2
    pixels = frame[:, :height, :width].permute(1, 2, 0).contiguous().cpu().numpy()
    picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    return picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)


def _size(frame: UInt8[Tensor, "3 H W"]) -> str:
    return f"{frame.shape[2]}x{frame.shape[1]}"
