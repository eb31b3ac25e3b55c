from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import CaptureError
from photoreal.io.source import detect, image_files, inside, mask_files, natural_key, unique_names


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.jpg"], "photos"),
        (["images/a.HEIC"], "photos"),
        (["a.png", "b.mp4"], "photos"),
        (["clip.MOV"], "video"),
        (["transforms.json", "images/a.png"], "nerfstudio"),
        (["transforms_train.json", "transforms_test.json"], "nerfstudio"),
        (["sparse/0/cameras.bin", "sparse/0/images.bin", "images/a.jpg"], "colmap"),
        (["sparse/cameras.txt", "sparse/images.txt"], "colmap"),
        (["cameras.bin", "images.bin", "points3D.bin"], "colmap"),
        (["sparse/0/cameras.bin", "sparse/0/images.bin", "transforms.json"], "colmap"),
        (["cameras.txt", "a.jpg"], "photos"),
    ],
)
def test_detect_folders(tmp_path: Path, names: list[str], kind: str):
    assert detect(touch(tmp_path, *names)) == kind


@pytest.mark.parametrize(("name", "kind"), [("a.JPEG", "photos"), ("b.webm", "video"), ("c.json", "nerfstudio")])
def test_detect_files(tmp_path: Path, name: str, kind: str):
    assert detect(touch(tmp_path, name) / name) == kind


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "0 photos among 0 files"),
        (["a.txt", "b.TXT", "c.doc", "noend"], r"4 files in .*\(\.txt x2, \.doc x1, no suffix x1\); put JPEG"),
        (["day1/a.jpg", "day1/b.jpg"], r"its subfolder day1 holds 2: give that one"),
        (["a.mp4", "b.mp4"], "give one of its videos"),
        ([".a.jpg"], "0 photos among 0 files"),
    ],
)
def test_detect_says_what_was_found(tmp_path: Path, names: list[str], text: str):
    with pytest.raises(CaptureError, match=text):
        detect(touch(tmp_path, *names))


def test_detect_other_things(tmp_path: Path):
    with pytest.raises(CaptureError, match="does not exist"):
        detect(tmp_path / "x")
    with pytest.raises(CaptureError, match=r"a file of kind \.pdf"):
        detect(touch(tmp_path, "a.pdf") / "a.pdf")


@pytest.mark.parametrize("stated", ["a.png", "./images/../b.png", "images\\c.png", "deep/er/d.png", "/HERE/a.png"])
def test_paths_inside_are_accepted(tmp_path: Path, stated: str):
    path = inside(tmp_path, stated.replace("/HERE", str(tmp_path)))
    assert path.is_relative_to(tmp_path)
    assert ".." not in path.parts


@pytest.mark.parametrize(
    "stated", ["../a.png", "/etc/passwd", "images/../../a.png", "..\\a.png", "a\0.png", "/HERE2/a"]
)
def test_paths_that_leave_are_refused(tmp_path: Path, stated: str):
    with pytest.raises(CaptureError, match="outside its folder"):
        inside(tmp_path, stated.replace("/HERE", str(tmp_path)))


def test_links_of_the_owner_are_followed(tmp_path: Path):
    touch(tmp_path, "disk/a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").symlink_to(tmp_path / "disk")
    assert inside(tmp_path / "set", "images/a.png").is_file()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    assert inside(tmp_path / "link", str(tmp_path / "set" / "images" / "a.png")).is_file()


def test_own_name_with_both_suffixes_wins(tmp_path: Path):
    touch(tmp_path, "p/a.jpg", "p/a.png", "masks/a.jpg.png", "masks/a.png")
    paths = image_files(tmp_path / "p")
    assert {path.name: mask.name for path, mask in mask_files(paths, None).items()} == {
        "a.jpg": "a.jpg.png",
        "a.png": "a.png",
    }
    assert mask_files([], None) == {}


def test_natural_order():
    names = ["a10b2", "a2", "a10b10", "A1", "b", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "A1", "a2", "a10b2", "a10b10", "b"]


@given(st.lists(st.sampled_from(["a", "A", "a_2", "a_3", "b.c", ""]).flatmap(
    lambda stem: st.sampled_from(["", ".jpg", ".PNG"]).map(lambda suffix: stem + suffix)
), max_size=12))  # fmt: skip
def test_unique_names_are_unique_and_keep_their_suffix(names: list[str]):
    result = unique_names(names)

    assert len(result) == len(names)
    assert len(set(result)) == len(result)
    assert len({name.casefold() for name in result}) == len(result)

    assert unique_names(["x.jpg", "y.jpg"]) == ["x.jpg", "y.jpg"]
