"""The scene folder gives back what was put in, is whole or refused, and is a dataset that others read."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from photoreal.core import Cameras, Capture, Depths, FormatError, Gaussians, Photos, Points, SceneError, Tracks, rigid
from photoreal.core import rotation_from_vector as rotation
from photoreal.io.run import SCENE_ENTRIES
from photoreal.io.scene import (
    SceneCapture,
    gaussians_path,
    image_names,
    image_paths,
    read_capture,
    read_depths,
    read_gaussians,
    read_tensors,
    write_capture,
    write_depths,
    write_gaussians,
    write_tensors,
)

NAMES = ("IMG 1.JPG", "img 1.png", "Größe.webp")


def smooth(*shape: int) -> Tensor:
    """Random pictures as smooth as photographs."""
    coarse = torch.rand(*shape[:-2], 4, 5, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, shape[-2:], mode="bicubic").clamp(0, 1)


def some_capture(*, masked: bool = False, precision: torch.dtype = torch.float32) -> tuple[Capture, Points, Tracks]:
    generator = torch.Generator().manual_seed(2)
    images = (255 * smooth(3, 3, 40, 60)).to(torch.uint8)
    masks = torch.ones(3, 40, 60, dtype=torch.bool)
    if masked:
        masks[1, 5:9, 7:30] = False
    vectors, shifts = torch.randn(2, 3, 3, generator=generator, dtype=precision)
    focal = torch.tensor([51.1, 52.2, 51.1], dtype=precision)
    intrinsics = torch.diag_embed(torch.stack([focal, focal, torch.ones_like(focal)], -1))
    intrinsics[:, :2, 2] = torch.tensor([30.3, 19.9], dtype=precision)
    photos = Photos(images, masks, NAMES, torch.tensor([50.0, 0.0, 50.0]), torch.tensor([4, 5, 4]))
    cameras = Cameras(rigid(rotation(vectors), shifts), intrinsics, (40, 60))
    colours = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8)
    points = Points(torch.randn(2, 3, generator=generator), colours, torch.tensor([2.0, 2.0]))
    sightings = torch.tensor([[0, 0], [1, 0], [1, 1], [2, 1]])
    tracks = Tracks(sightings[:, 0], sightings[:, 1], 30 * torch.rand(4, 2, generator=generator))
    return Capture(photos, cameras), points, tracks


def assert_same(back: SceneCapture, capture: Capture, points: Points) -> None:
    pairs = [
        (back.capture.photos.images, capture.photos.images),
        (back.capture.photos.masks, capture.photos.masks),
        (back.capture.photos.focal_hints, capture.photos.focal_hints),
        (back.capture.photos.lens_ids, capture.photos.lens_ids),
        (back.capture.cameras.cam_from_world, capture.cameras.cam_from_world),
        (back.capture.cameras.intrinsics, capture.cameras.intrinsics),
        (back.points.positions, points.positions),
        (back.points.colours, points.colours),
        (back.points.confidence, points.confidence),
    ]
    for first, second in pairs:
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    assert back.capture.photos.names == capture.photos.names
    assert back.capture.cameras.size == capture.cameras.size


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_capture_comes_back_bit_by_bit(tmp_path: Path, masked: bool, precision: torch.dtype) -> None:
    capture, points, tracks = some_capture(masked=masked, precision=precision)
    write_capture(tmp_path, capture, points, tracks, image_format="png")
    assert_same(read_capture(tmp_path), capture, points)
    assert (tmp_path / "masks").exists() == masked


def test_jpeg_is_close_and_the_same_on_every_reading(tmp_path: Path) -> None:
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks)
    first, second = read_capture(tmp_path), read_capture(tmp_path)
    assert torch.equal(first.capture.photos.images, second.capture.photos.images)
    difference = (first.capture.photos.images.float() - capture.photos.images.float()).abs()
    assert difference.mean() < 1
    assert torch.equal(first.capture.photos.masks, capture.photos.masks)
    assert torch.equal(first.capture.cameras.cam_from_world, capture.cameras.cam_from_world)
    with Image.open(image_paths(tmp_path)["IMG 1.JPG"]) as picture:
        assert picture.format == "JPEG"
        assert [sampling[1:3] for sampling in picture.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


def test_what_is_written_again_is_what_was_read(tmp_path: Path) -> None:
    """Resuming re-writes nothing, but a copy of a copy must not fade in anything except a JPEG's pixels."""
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks, image_format="png")
    once = read_capture(tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_capture(tmp_path, once.capture, once.points, tracks, image_format="png")
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_the_folder_holds_only_what_a_scene_is_known_to_contain(tmp_path: Path) -> None:
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks)
    write_gaussians(tmp_path, some_gaussians())
    write_depths(tmp_path, Depths(torch.ones(1, 2, 3), torch.ones(1, 2, 3)))
    assert {path.name for path in tmp_path.iterdir()} <= set(SCENE_ENTRIES)


def test_masks_of_an_earlier_capture_do_not_stay(tmp_path: Path) -> None:
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks)
    capture, points, tracks = some_capture()
    write_capture(tmp_path, capture, points, tracks)
    assert not (tmp_path / "masks").exists()
    assert read_capture(tmp_path).capture.photos.masks.all()


def test_colmap_opens_the_folder(tmp_path: Path) -> None:
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks)
    model = pycolmap.Reconstruction(tmp_path / "sparse" / "0")
    poses = {image.name: image.cam_from_world().matrix() for image in model.images.values()}
    assert set(poses) == {path.name for path in (tmp_path / "images").iterdir()}
    for i, path in enumerate(image_paths(tmp_path).values()):
        np.testing.assert_allclose(poses[path.name], capture.cameras.cam_from_world[i, :3].numpy(), atol=1e-6)
        assert (tmp_path / "masks" / f"{path.name}.png").exists()
    assert len(model.points3D) == len(points)


def test_transforms_name_files_that_exist(tmp_path: Path) -> None:
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks)
    transforms = json.loads((tmp_path / "transforms.json").read_text())
    for frame in transforms["frames"]:
        assert (tmp_path / frame["file_path"]).is_file()
        assert (tmp_path / frame["mask_path"]).is_file()
    assert (tmp_path / transforms["ply_file_path"]).is_file()


@given(names=st.lists(st.sampled_from(["a.jpg", "A.png", "a_1.jpg", "a", "b.c.jpg", ".hidden", "a_1"]), max_size=7))
def test_image_names_differ_even_where_case_does_not_count(names: list[str]) -> None:
    files = image_names(names, "jpeg")
    assert len({file.casefold() for file in files}) == len(names)
    assert all(file.endswith(".jpg") and Path(file).name == file for file in files)
    assert image_names(names[:1], "png") == tuple(Path(name).stem + ".png" for name in names[:1])


def test_an_unfinished_capture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture, points, tracks = some_capture()
    write_capture(tmp_path, capture, points, tracks)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    for step in ("_write_image", "_write_masks", "write_colmap", "write_nerfstudio", "write_points", "write_json"):
        with monkeypatch.context() as patch:
            patch.setattr(
                f"photoreal.io.scene.{step}", killed if step != "write_nerfstudio" else lambda *a, **k: killed()
            )
            with pytest.raises(KeyboardInterrupt):
                write_capture(tmp_path, capture, points, tracks)
        with pytest.raises(SceneError, match="holds no finished cameras"):
            read_capture(tmp_path)
    write_capture(tmp_path, capture, points, tracks)
    read_capture(tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("room", [0, 100, 300, 500, 700, 1000, 2000])
def test_a_disk_that_fills_up_at_any_point_is_told(tmp_path: Path, room: int) -> None:
    """The kernel lets no file grow beyond `room` bytes; some of the files fit, some do not."""
    capture, points, tracks = some_capture(masked=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(SceneError, match=r"no room to write .* bytes are free"):
            write_capture(tmp_path, capture, points, tracks, image_format="png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    write_capture(tmp_path, capture, points, tracks, image_format="png")
    assert_same(read_capture(tmp_path), capture, points)


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        value = json.loads((folder / "capture.json").read_text())
        change(value)
        (folder / "capture.json").write_text(json.dumps(value))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "images" / "Größe.png").unlink(), r"cannot read .*Größe\.png"),
        (lambda folder: (folder / "images" / "Größe.png").write_bytes(b"\x89PNG"), r"cannot read .*Größe\.png"),
        (lambda folder: Image.new("RGB", (3, 4)).save(folder / "images" / "Größe.png"), "is 3x4 pixels, not 60x40"),
        (lambda folder: (folder / "masks" / "Größe.png.png").unlink(), r"cannot read .*Größe\.png\.png"),
        (lambda folder: (folder / "points.ply").unlink(), r"cannot read .*points\.ply"),
        (lambda folder: (folder / "capture.json").write_text("{"), "not valid JSON"),
        (edit(lambda value: value.update(format=2)), "has format 2"),
        (edit(lambda value: value.pop("size")), "KeyError: 'size'"),
        (edit(lambda value: value.update(size=[40])), "not as write_capture leaves it"),
        (edit(lambda value: value.update(precision="float8")), "KeyError: 'float8'"),
        (edit(lambda value: value["photos"][0].update(file="../../secret.png")), "is not in the folder images"),
        (edit(lambda value: value["photos"][0].update(name="img 1.png")), "two photos have one name"),
        (edit(lambda value: value["photos"][0].update(intrinsics=[[1, 2], [3, 4]])), "not as write_capture leaves it"),
        (edit(lambda value: value["photos"][0].update(cam_from_world="here")), "not as write_capture leaves it"),
    ],
)
def test_a_damaged_folder_is_told(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    capture, points, tracks = some_capture(masked=True)
    write_capture(tmp_path, capture, points, tracks, image_format="png")
    damage(tmp_path)
    with pytest.raises(FormatError, match=message):
        read_capture(tmp_path)


def some_gaussians() -> Gaussians:
    return Gaussians(torch.randn(9, 3), torch.randn(9, 4), torch.randn(9, 3), torch.randn(9, 4), torch.randn(9, 9, 3))


def test_gaussians_come_back(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"holds no gaussians\.ply yet"):
        read_gaussians(tmp_path)
    gaussians = some_gaussians()
    write_gaussians(tmp_path, gaussians)
    back = read_gaussians(tmp_path)
    assert torch.equal(back.means, gaussians.means)
    assert torch.equal(back.colour_harmonics, gaussians.colour_harmonics)
    torch.testing.assert_close(back.opacity_harmonics, gaussians.opacity_harmonics, rtol=1.2e-7, atol=0)
    assert gaussians_path(tmp_path).exists()
    assert (tmp_path / "gaussians.spz").exists()


def test_depths_come_back(tmp_path: Path) -> None:
    depths = Depths(torch.rand(2, 3, 4), torch.rand(2, 3, 4))
    write_depths(tmp_path, depths)
    back = read_depths(tmp_path)
    assert torch.equal(back.depth, depths.depth)
    assert torch.equal(back.confidence, depths.confidence)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"depth": torch.ones(1, 2, 3)}, "must hold depth and confidence"),
        ({"depth": torch.ones(1, 2, 3), "confidence": torch.ones(1, 2, 4)}, "of one shape"),
        ({"depth": torch.ones(2, 3), "confidence": torch.ones(2, 3)}, "one for each view"),
        ({"depth": torch.full((1, 2, 3), torch.nan), "confidence": torch.ones(1, 2, 3)}, "must hold finite maps"),
    ],
)
def test_strange_depths_are_refused(tmp_path: Path, tensors: dict[str, Tensor], message: str) -> None:
    write_tensors(tmp_path / "depths.safetensors", tensors)
    with pytest.raises(FormatError, match=message):
        read_depths(tmp_path)


def test_damaged_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(FormatError, match="No such file"):
        read_tensors(path)
    write_tensors(path, {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2, dtype=torch.bool)})
    assert torch.equal(read_tensors(path)["a"], torch.arange(6.0).reshape(2, 3).T)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FormatError, match="damaged or no safetensors file"):
        read_tensors(path)
