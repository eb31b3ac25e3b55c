"""What a user gets for input that cannot be used: one plain line with numbers and advice, and no half-made folder."""

import json
import os
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from captures import BRIEF, Program, write_photos, write_posed, write_strangers
from PIL import Image

from photoreal.io import read_run


def test_an_empty_folder(program: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = program.fail("reconstruct", tmp_path / "empty", "-o", tmp_path / "out")
    assert re.search(r"0 photos among 0 files in .*empty; put JPEG, PNG, .* there", said)
    assert not (tmp_path / "out").exists(), "a run that could not begin leaves nothing"


def test_a_folder_that_is_not_there(program: Program, tmp_path: Path) -> None:
    said = program.fail("reconstruct", tmp_path / "photo", "-o", tmp_path / "out")
    assert "photo does not exist; give a folder of photographs" in said
    assert not (tmp_path / "out").exists()


def test_a_folder_of_text_files(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.md"):
        (folder / name).write_text("not a photo")
    said = program.fail("reconstruct", folder, "-o", tmp_path / "out")
    assert re.search(r"0 photos among 3 files in .*notes \(\.txt x2, \.md x1\); put JPEG", said)


def test_text_files_named_as_photos(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "renamed"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_text("not a photo")
    said = program.fail("reconstruct", folder, "-o", tmp_path / "out")
    assert re.search(r"0 of 2 photos in .*renamed can be used; a\.jpg: not a picture that can be read", said)


def test_all_photos_identical(program: Program, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", chosen=1)
    first = next(folder.iterdir())
    for name in ("copy.png", "again.png"):
        (folder / name).write_bytes(first.read_bytes())
    said = program.fail("reconstruct", folder, "-o", tmp_path / "out")
    assert re.search(r"all 3 photos in .* are the same picture; photograph the scene from different places", said)


def test_photos_without_overlap(program: Program, tmp_path: Path) -> None:
    said = program.fail("reconstruct", write_strangers(tmp_path / "photos", 12), "-o", tmp_path / "out")
    assert re.search(r"0 of 12 photos could be matched; .*: take photos so that each shows at least half", said)


def test_a_photo_of_one_pixel(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    said = program.fail("reconstruct", folder, "-o", tmp_path / "out")
    assert "dot.png: 1x1 pixels; a photo needs at least 32 on each side" in said


def test_a_single_photo(program: Program, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", chosen=1)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    said = program.fail("reconstruct", folder, "-o", tmp_path / "out")
    assert re.search(r"1 photo is not enough to find cameras \(1 more could not be used\); give at least 2", said)


@pytest.mark.slow
def test_photos_of_400_million_pixels_are_scaled_down_and_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for level in (0, 1):
        Image.new("1", (20_000, 20_000), level).save(folder / f"huge{level}.png")
    code = "from photoreal.cli.launch import launch; launch()"
    command = [sys.executable, "-c", code, "reconstruct", folder, "-o", tmp_path / "out", "--read.max-side", "640"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "note: huge0.png has 20000x20000 pixels; it is read at 640x640" in lines
    assert lines[-1].startswith("photoreal: 2 of 2 photos show hardly any texture")
    assert len([line for line in lines if line.startswith("photoreal")]) == 1


def test_photos_of_a_billion_pixels_are_refused(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    small = folder / "vast.png"
    Image.new("1", (64, 64)).save(small)
    data = bytearray(small.read_bytes())
    data[16:24] = (40_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    small.write_bytes(data)
    said = program.fail("reconstruct", folder, "-o", tmp_path / "out")
    assert "vast.png: 40000x40000 pixels, more than 500 million; scale it down" in said


def film(path: Path, *, frames: int) -> Path:
    """Of a camera that stands still."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("frames", "words"), [(0, r"film\.mkv (holds 0 frames|cannot be read as a video)"), (5, "5 frames .* same picture")]
)
def test_a_video_that_shows_nothing(program: Program, tmp_path: Path, frames: int, words: str) -> None:
    said = program.fail("reconstruct", film(tmp_path / "film.mkv", frames=frames), "-o", tmp_path / "out")
    assert re.search(words, said)


def test_a_video_that_is_none(program: Program, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no video at all")
    said = program.fail("reconstruct", tmp_path / "film.mp4", "-o", tmp_path / "out")
    assert re.search(r"film\.mp4 cannot be read as a video .*; give an MP4", said)


def set_frame(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda stated: stated["frames"][2].__setitem__(key, value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (set_frame("transform_matrix", [[float("nan")] * 4] * 4), "is not valid JSON: the number NaN is not allowed"),
        (lambda stated: stated.update(fl_x=float("inf")), "the number Infinity is not allowed"),
        (lambda stated: stated.update(frames=[]), "has 0 frames; add the photos' cameras"),
        (lambda stated: stated.pop("frames"), "has no list of frames"),
        (set_frame("file_path", "../secret.png"), r"names '\.\./secret\.png', which lies outside its folder"),
        (set_frame("file_path", "/etc/passwd"), r"names '/etc/passwd', which lies outside"),
        (set_frame("mask_path", "../../secret.png"), r"which lies outside its folder"),
        (lambda stated: stated.update(ply_file_path="../secret.ply"), r"which lies outside its folder"),
        (set_frame("transform_matrix", [[0.0] * 4] * 4), r"frame 2 of .* is not rigid"),
    ],
)
def test_a_transforms_json_that_is_wrong(
    program: Program, tmp_path: Path, damage: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = write_posed(tmp_path / "dataset") / "transforms.json"
    stated = json.loads(path.read_text())
    damage(stated)
    path.write_text(json.dumps(stated))
    (tmp_path / "secret.png").write_bytes((tmp_path / "dataset" / "images" / "toy_000.png").read_bytes())
    assert re.search(words, program.fail("reconstruct", path.parent, "-o", tmp_path / "out", *BRIEF))


def test_frames_without_a_file_are_passed_over_and_counted(program: Program, tmp_path: Path) -> None:
    dataset = write_posed(tmp_path / "dataset")
    (dataset / "images" / "toy_003.png").unlink()
    out = program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    assert "5 photos used, 1 left out\n  left out: images/toy_003.png: the file is not there" in out
    record = read_run(tmp_path / "out")
    assert [item["name"] for item in record.left_out] == ["images/toy_003.png"]
    assert record.stages[0].figures["photos"] == 6


def test_a_folder_that_holds_another_scene(program: Program, tmp_path: Path) -> None:
    first, second, out = write_posed(tmp_path / "first"), write_posed(tmp_path / "second"), tmp_path / "out"
    program.succeed("solve", first, "-o", out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    said = program.fail("reconstruct", second, "-o", out, *BRIEF)
    assert re.search(r"out already holds a scene of .*first \(solve done\): use --resume to go on, --overwrite", said)
    said = program.fail("reconstruct", second, "-o", out, "--resume", *BRIEF)
    assert re.search(r"out holds a scene of .*first, not of .*second: use --overwrite", said)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    program.succeed("reconstruct", second, "-o", out, "--overwrite", *BRIEF)
    assert read_run(out).source == str(second.resolve())


def test_a_folder_that_holds_other_files(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.docx").write_text("years of work")
    for option in ((), ("--overwrite",), ("--resume",)):
        said = program.fail(
            "reconstruct", write_posed(tmp_path / f"d{len(option)}{option}"), "-o", out, *option, *BRIEF
        )
        assert "holds thesis.docx and no run.json, so it is not a scene; choose an empty or new folder" in said
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]


def test_the_folder_of_the_photos_itself(program: Program, tmp_path: Path) -> None:
    dataset = write_posed(tmp_path / "dataset")
    said = program.fail("reconstruct", dataset, "-o", dataset, "--overwrite", *BRIEF)
    assert "is where the photos come from" in said


@contextmanager
def ordinary_user() -> Generator[None]:
    """The superuser may write anywhere; nobody else may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_written(program: Program) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        dataset, sealed = write_posed(base / "dataset"), base / "sealed"
        sealed.mkdir(0o555)
        with ordinary_user():
            said = [program.fail("reconstruct", dataset, "-o", out, *BRIEF) for out in (sealed, sealed / "new")]
        sealed.chmod(0o755)
    for line in said:
        assert re.search(r"cannot write .*sealed.*Permission denied.*; choose a folder that you may write to", line)


def test_what_the_system_refuses_is_told(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write_strangers(tmp_path / "photos", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    said = program.fail("reconstruct", photos, "-o", tmp_path / "out")
    assert re.search(r"the system refused: .*No such file or directory: '.*gone", said)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--fit.steps", "0"), "--fit.steps is 0; it must be at least 1"),
        (("--fit.report-every", "0"), "--fit.report-every is 0; it must be at least 1"),
        (("--fit.density.every", "0"), "--fit.density.every is 0; it must be at least 1"),
        (("--hold-out", "1"), "--hold-out 1 holds out every photo"),
        (("--hold-out", "-3"), "--hold-out is -3; it must be at least 0"),
        (("--film.frames", "-3"), "--film.frames is -3; it must be at least 0"),
        (("--film.fps", "0"), "--film.fps is 0; it must be at least 1"),
        (("--fit.plateau", "nan"), "--fit.plateau is nan; it must be a finite number"),
        (("--held-out", "nosuch.png"), "0 of the 6 photos used are named nosuch.png"),
        (("--resume", "--overwrite"), "--resume and --overwrite exclude each other; choose one"),
    ],
)
def test_options_that_cannot_be(program: Program, tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    said = program.fail("reconstruct", write_posed(tmp_path / "dataset"), "-o", tmp_path / "out", *BRIEF, *words)
    assert complaint in said


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("rebuild",),
        ("reconstruct",),
        ("reconstruct", "photos"),
        ("reconstruct", "photos", "-o", "out", "--preset", "worst"),
        ("reconstruct", "photos", "-o", "out", "--fit.steps", "many"),
        ("export", "scene", "--to", "stl"),
        ("splat", "scene", "--no-such-option"),
    ],
)
def test_wrong_usage_ends_with_2(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = program(*words)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["splat", "export", "eval", "view"])
def test_a_verb_that_needs_a_scene_says_so(program: Program, tmp_path: Path, verb: str) -> None:
    assert re.search(r"nowhere (is not a scene folder|holds no)", program.fail(verb, tmp_path / "nowhere"))


def test_debug_shows_the_trace(program: Program, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="does not exist"):
        program("reconstruct", tmp_path / "photo", "-o", tmp_path / "out", "--debug")


def test_photos_that_are_one_colour_beside_good_cameras(program: Program, tmp_path: Path) -> None:
    """A posed dataset with nothing to see is fitted all the same."""
    dataset = write_posed(tmp_path / "dataset")
    for path in (dataset / "images").iterdir():
        Image.new("RGB", (64, 48), "grey").save(path)
    program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
