"""Films: what browsers need, colours that come back, and nothing half written."""

from pathlib import Path

import av
import pytest
import torch
from torch import Tensor

from photoreal.core import FormatError, SceneError
from photoreal.view.film import read_poster, write_film


def plain(colour: tuple[int, int, int], height: int = 48, width: int = 64) -> Tensor:
    return torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, height, width).clone()


def test_a_film_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_film(path, (plain((i, 100, 50)) for i in range(30)), 15)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.frames, float(stream.average_rate or 0)) == (30, 15.0)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # the index comes first, so it plays while it loads


@pytest.mark.parametrize("colour", [(200, 30, 60), (20, 160, 90), (128, 128, 128), (250, 240, 10)])
def test_colours_come_back(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    write_film(tmp_path / "film.mp4", [plain(colour)] * 3, quality=10)
    difference = (read_poster(tmp_path / "film.mp4").int() - plain(colour).int()).abs()
    assert int(difference.max()) <= 4


def test_a_decoder_that_honours_the_tags_sees_the_same_colours(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_film(path, [plain((200, 30, 60))] * 3)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, limited


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    chance = torch.Generator().manual_seed(0)
    cells = torch.rand(4, 3, 6, 8, generator=chance)
    frames = (torch.nn.functional.interpolate(cells, (48, 64), mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)
    made: set[bytes] = set()
    for _ in range(100):
        # So that the encoder finds other memory each time.
        rest = [torch.randn(int(torch.randint(1, 5000, (1,), generator=chance)), generator=chance) for _ in range(3)]
        write_film(tmp_path / "film.mp4", list(frames))
        made.add((tmp_path / "film.mp4").read_bytes())
        del rest
    assert len(made) == 1


def test_odd_sides_lose_a_pixel(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", [plain((9, 9, 9), 49, 65)])
    assert read_poster(tmp_path / "film.mp4").shape == (3, 48, 64)


def test_no_frame_no_file(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="at least one frame"):
        write_film(tmp_path / "film.mp4", [])
    with pytest.raises(SceneError, match="66x48 among frames of 64x48"):
        write_film(tmp_path / "film.mp4", [plain((0, 0, 0)), plain((0, 0, 0), 48, 66)])
    assert list(tmp_path.iterdir()) == []


def test_a_poster_of_no_film(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film at all")
    with pytest.raises(FormatError, match=r"film\.mp4"):
        read_poster(tmp_path / "film.mp4")
