import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from photoreal.core import CaptureError
from photoreal.io.video import VideoConfig, read_video


def scenery(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def film(
    path: Path,
    frame: Callable[[int], np.ndarray],
    count: int = 40,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=20)
        stream.height, stream.width = frame(0).shape[:2]
        stream.pix_fmt = pixels
        stream.bit_rate = 6_000_000
        if codec == "libx264":
            stream.options = {"crf": "5", "preset": "ultrafast"}
        for k in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(k), format="rgb24")))
        container.mux(stream.encode())
    return path


def pan(sharp: Callable[[int], bool] = lambda k: True, step: int = 4) -> Callable[[int], np.ndarray]:
    """A camera that moves to the right; frames that are not sharp are smeared."""
    wide = scenery(480, 96)

    def frame(k: int) -> np.ndarray:
        window = Image.fromarray(wide[:, k * step : k * step + 128])
        return np.array(window if sharp(k) else window.filter(ImageFilter.GaussianBlur(2)))

    return frame


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "mpeg4"), (".avi", "mpeg4"), (".mov", "mjpeg")]
)
def test_the_sharpest_of_each_stretch_is_taken(tmp_path: Path, suffix: str, codec: str):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / f"walk{suffix}", pan(lambda k: k % 8 == 5), codec=codec, pixels=pixels)
    reading = read_video(path, VideoConfig(frames=5))
    assert reading.photos.names == tuple(f"walk_{k:05d}.png" for k in (5, 13, 21, 29, 37))
    assert reading.skipped == ()
    assert reading.photos.images.shape == (5, 3, 96, 128)
    grey = reading.photos.images[1].float().mean(0).numpy()
    assert np.abs(grey - pan()(13).mean(-1)).mean() < 8
    assert reading.photos.masks.all()
    assert reading.photos.focal_hints.tolist() == [0] * 5
    assert reading.photos.lens_ids.tolist() == [0] * 5


def test_a_pause_gives_one_photo(tmp_path: Path):
    moving = pan()
    path = film(tmp_path / "a.mp4", lambda k: moving(min(k, 20)))
    reading = read_video(path, VideoConfig(frames=8))
    assert len(reading.photos) in (5, 6)
    assert len(reading.photos) + len(reading.skipped) == 8
    assert all(s.reason == f"shows the same as {reading.photos.names[-1]}" for s in reading.skipped)


def test_a_camera_that_stands_still_is_refused(tmp_path: Path):
    path = film(tmp_path / "a.mp4", lambda k: pan()(0), 20)
    with pytest.raises(CaptureError, match=r"all 10 frames taken from .* show the same picture"):
        read_video(path, VideoConfig(frames=10))


def test_few_frames_and_few_candidates(tmp_path: Path):
    path = film(tmp_path / "a.mp4", pan(), 3)
    assert len(read_video(path).photos) == 3
    path = film(tmp_path / "b.mp4", pan(), 40)
    assert read_video(path, VideoConfig(frames=4, candidates=1)).photos.names == tuple(
        f"b_{k:05d}.png" for k in (0, 10, 20, 30)
    )
    assert len(read_video(film(tmp_path / "c.mp4", pan(), 1)).photos) == 1


def test_max_side_and_folder(tmp_path: Path):
    film(tmp_path / "a.mp4", pan())
    photos = read_video(tmp_path, VideoConfig(frames=2), max_side=64).photos
    assert photos.size == (48, 64)
    film(tmp_path / "b.mp4", pan(), 2)
    with pytest.raises(CaptureError, match="holds 2 videos"):
        read_video(tmp_path)


@pytest.mark.parametrize(("degrees", "quarter_turns"), [(90, -1), (180, 2), (270, 1)])
def test_display_matrix_is_honoured(tmp_path: Path, degrees: int, quarter_turns: int):
    """The matrix of the track header (ISO 14496-12, 8.3.2) that turns the picture clockwise by so many degrees."""
    path = film(tmp_path / "a.mp4", pan())
    plain = read_video(path, VideoConfig(frames=3)).photos
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = struct.pack(">9i", *(v << 16 for v in (cosine, sine, 0, -sine, cosine, 0, 0, 0)), 1 << 30)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", data[start : start + 36]) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data[start : start + 36] = matrix
    path.write_bytes(data)
    turned = read_video(path, VideoConfig(frames=3)).photos
    assert torch.equal(turned.images, torch.rot90(plain.images, quarter_turns, (2, 3)))


def test_pixels_that_are_not_square_become_so(tmp_path: Path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for k in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pan()(k), format="rgb24")))
        container.mux(stream.encode())
    assert read_video(path).photos.size == (96, 256)


@pytest.mark.parametrize("height", [96, 736])
def test_colours_survive(tmp_path: Path, height: int):
    """Untagged high definition video is ITU-R BT.709, smaller video is BT.601."""
    standard = 1 if height >= 720 else 5
    colour = np.array([200, 60, 30])
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 128, height, "yuv420p"
        for k in range(2):
            image = np.full((height, 128, 3), colour + 20 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=standard)))
        container.mux(stream.encode())
    image = read_video(path).photos.images[0]
    assert (image.float().mean((1, 2)) - torch.from_numpy(colour)).abs().max() < 4


def test_bad_videos_are_refused_in_one_line(tmp_path: Path):
    whole = film(tmp_path / "good.mp4", pan()).read_bytes()
    cases = {
        "empty.mp4": (b"", "cannot be read as a video"),
        "text.mp4": (b"no video at all " * 99, "cannot be read as a video"),
        "cut.mp4": (whole[: len(whole) // 2], "cannot be read as a video"),
    }
    for name, (data, text) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CaptureError, match=text) as caught:
            read_video(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(CaptureError, match="cannot be read as a video"):
        read_video(tmp_path / "nowhere.mp4")


def test_videos_without_frames_are_refused(tmp_path: Path):
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    with pytest.raises(CaptureError, match="has no video stream"):
        read_video(tmp_path / "sound.mkv")
    film(tmp_path / "none.mkv", pan(), 0, codec="mpeg4")
    with pytest.raises(CaptureError, match=r"0 frames|cannot be read"):
        read_video(tmp_path / "none.mkv")
    film(tmp_path / "tiny.mkv", lambda k: pan()(k)[:16, :16], 2, codec="mpeg4")
    with pytest.raises(CaptureError, match="16x16 pixels"):
        read_video(tmp_path / "tiny.mkv")


def test_a_video_cut_short_gives_what_it_has(tmp_path: Path):
    path = film(tmp_path / "a.mkv", pan(), codec="mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(read_video(path).photos) < 40


@pytest.mark.parametrize("config", [VideoConfig(frames=0), VideoConfig(candidates=0)])
def test_impossible_wishes(tmp_path: Path, config: VideoConfig):
    with pytest.raises(CaptureError):
        read_video(tmp_path / "a.mp4", config)
