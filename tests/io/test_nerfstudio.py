import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from photoreal.core import Cameras, CaptureError, FormatError, PhotorealError, Points, look_at, project
from photoreal.io.nerfstudio import read_nerfstudio, read_nerfstudio_cameras, write_nerfstudio
from photoreal.io.photos import ReadConfig
from photoreal.io.ply import write_points


def picture(seed: int, width: int = 80, height: int = 60) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height))


def some_cameras(count: int = 3) -> Cameras:
    angles = torch.linspace(0, 2, count, dtype=torch.float64)
    centres = torch.stack([3 * angles.cos(), 3 * angles.sin(), 1 + angles], -1)
    pose = look_at(centres, torch.zeros_like(centres), torch.tensor([0.0, 0, 1], dtype=torch.float64))
    intrinsics = torch.tensor([[90.0, 0, 41], [0, 91, 29], [0, 0, 1]], dtype=torch.float64).repeat(count, 1, 1)
    return Cameras(pose, intrinsics, (60, 80))


def dataset(root: Path, cameras: Cameras, **options: Any) -> dict[str, Any]:
    """A folder of images with its transforms.json; its content for changing."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    names = [f"images/{k:04d}.png" for k in range(len(cameras))]
    for k, name in enumerate(names):
        picture(k).save(root / name)
    write_nerfstudio(root / "transforms.json", cameras, names, **options)
    return json.loads((root / "transforms.json").read_text())


def store(root: Path, content: dict[str, Any]) -> None:
    (root / "transforms.json").write_text(json.dumps(content))


@pytest.mark.parametrize("intrinsics", ["shared", "of each frame"])
def test_write_then_read(tmp_path: Path, intrinsics: str):
    cameras = some_cameras()
    if intrinsics != "shared":
        cameras.intrinsics[1, 0, 0] = 70
    content = dataset(tmp_path, cameras)
    assert ("fl_x" in content) == (intrinsics == "shared")
    capture = read_nerfstudio(tmp_path).capture
    assert torch.allclose(capture.cameras.cam_from_world, cameras.cam_from_world, atol=1e-12)
    assert torch.equal(capture.cameras.intrinsics, cameras.intrinsics)
    assert capture.photos.names == ("0000.png", "0001.png", "0002.png")
    assert np.array_equal(capture.photos.images[2].permute(1, 2, 0).numpy(), np.array(picture(2)))
    assert capture.photos.lens_ids.tolist() == ([0, 0, 0] if intrinsics == "shared" else [0, 1, 0])


def test_axes_are_opengl_s(tmp_path: Path):
    """The identity looks along -z with y up: a point above the axis lands above the centre of the picture."""
    content = dataset(tmp_path, some_cameras(1))
    content["frames"][0]["transform_matrix"] = np.eye(4).tolist()
    store(tmp_path, content)
    pixel, depth = project(
        read_nerfstudio(tmp_path).capture.cameras, torch.tensor([[0.2, 0.1, -2.0]], dtype=torch.float64)
    )
    assert pixel[0, 0].tolist() == pytest.approx([41 + 90 * 0.1, 29 - 91 * 0.05])
    assert depth[0, 0] == pytest.approx(2)


def test_nerf_synthetic(tmp_path: Path):
    (tmp_path / "train").mkdir()
    for k in range(2):
        rgba = np.dstack([np.array(picture(k)), np.zeros((60, 80), np.uint8)])
        rgba[:20, :, 3] = 255
        Image.fromarray(rgba).save(tmp_path / "train" / f"r_{k}.png")
    frames = [{"file_path": f"./train/r_{k}", "rotation": 0.1, "transform_matrix": np.eye(4).tolist()} for k in (0, 1)]
    (tmp_path / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 0.69, "frames": frames}))
    for path in (tmp_path, tmp_path / "transforms_train.json"):
        capture = read_nerfstudio(path).capture
        focal = 40 / math.tan(0.345)
        assert capture.cameras.intrinsics[0].tolist() == [[focal, 0, 40], [0, focal, 30], [0, 0, 1]]
        assert capture.photos.masks[0].sum() == 20 * 80
        assert capture.photos.names == ("r_0.png", "r_1.png")


def test_intrinsics_follow_smaller_images(tmp_path: Path):
    content = dataset(tmp_path, some_cameras())
    content |= {"w": 160.0, "h": 120.0, "fl_x": 180.0, "fl_y": 182.0, "cx": 82.0, "cy": 58.0}
    store(tmp_path, content)
    expected = some_cameras().intrinsics
    assert torch.allclose(read_nerfstudio(tmp_path).capture.cameras.intrinsics, expected)
    small = read_nerfstudio(tmp_path, ReadConfig(max_side=40)).capture
    assert small.cameras.size == (30, 40)
    assert torch.allclose(small.cameras.intrinsics[:, :2], expected[:, :2] / 2)


def test_size_of_the_file_counts_where_none_is_stated(tmp_path: Path):
    content = dataset(tmp_path, some_cameras())
    del content["w"], content["h"], content["cx"], content["cy"]
    store(tmp_path, content)
    small = read_nerfstudio(tmp_path, ReadConfig(max_side=40)).capture
    assert torch.equal(small.cameras.intrinsics[0], torch.tensor([[45.0, 0, 20], [0, 45.5, 15], [0, 0, 1]]).double())


def test_missing_frames_are_skipped_and_counted(tmp_path: Path):
    content = dataset(tmp_path, some_cameras(5))
    for k in (1, 3):
        (tmp_path / "images" / f"000{k}.png").unlink()
    (tmp_path / "images" / "0004.png").write_bytes(b"broken")
    reading = read_nerfstudio(tmp_path)
    assert [s.name for s in reading.skipped] == ["images/0001.png", "images/0003.png", "0004.png"]
    assert torch.allclose(reading.capture.cameras.cam_from_world, some_cameras(5).take([0, 2]).cam_from_world)
    for frame in content["frames"]:
        (tmp_path / frame["file_path"]).unlink(missing_ok=True)
    with pytest.raises(CaptureError, match="0 of the 5 images"):
        read_nerfstudio(tmp_path)


def test_masks_of_frames(tmp_path: Path):
    (tmp_path / "masks").mkdir()
    keep = np.zeros((60, 80), np.uint8)
    keep[:25] = 255
    Image.fromarray(keep).save(tmp_path / "masks" / "m.png")
    content = dataset(tmp_path, some_cameras(), mask_names=["masks/m.png"] * 3)
    assert torch.equal(read_nerfstudio(tmp_path).capture.photos.masks[1], torch.from_numpy(keep > 0))
    content["frames"][0]["mask_path"] = "masks/none.png"
    store(tmp_path, content)
    assert [(s.name, s.reason) for s in read_nerfstudio(tmp_path).skipped] == [
        ("0000.png", "its mask none.png: the file is not there")
    ]
    Image.fromarray(255 - keep).save(tmp_path / "0001.png")
    del content["frames"][0]["mask_path"], content["frames"][1]["mask_path"]
    store(tmp_path, content)
    given = read_nerfstudio(tmp_path, ReadConfig(masks=tmp_path)).capture.photos.masks
    assert [int(mask.sum()) for mask in given] == [4800, 35 * 80, 25 * 80]


def test_points_are_read(tmp_path: Path):
    positions = torch.randn(7, 3, dtype=torch.float64)
    points = Points(positions, torch.zeros(7, 3, dtype=torch.uint8), torch.ones(7))
    write_points(tmp_path / "points.ply", points)
    dataset(tmp_path, some_cameras())
    assert torch.equal(read_nerfstudio(tmp_path).points.positions, positions)
    (tmp_path / "points.ply").unlink()
    assert len(read_nerfstudio(tmp_path).points) == 0
    content = dataset(tmp_path, some_cameras(), points_name="")
    assert "ply_file_path" not in content


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({"k1": 0.2}, lambda r: 1 + 0.2 * r**2),
        ({"camera_model": "OPENCV", "k1": 0.1, "k3": 0.5}, lambda r: 1 + 0.1 * r**2 + 0.5 * r**6),
        ({"camera_model": "OPENCV_FISHEYE"}, lambda r: math.atan(r) / r),
        ({"is_fisheye": True, "k1": 0.1}, lambda r: math.atan(r) / r * (1 + 0.1 * math.atan(r) ** 2)),
    ],
)
def test_distortion_is_removed(tmp_path: Path, keys: dict[str, Any], seen: Any):
    """A dot at the place where the lens shows a ray is found, afterwards, where a pinhole shows it."""
    content = dataset(tmp_path, some_cameras(1))
    ray = np.array([0.25, -0.15])
    x, y = np.array([41, 29]) + np.array([90, 91]) * ray * seen(float(np.linalg.norm(ray)))
    ys, xs = np.mgrid[:60, :80] + 0.5
    dot = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 2.5**2)) * 250
    Image.fromarray(dot.astype(np.uint8)).save(tmp_path / "images" / "0000.png")
    store(tmp_path, {**content, **keys})
    image = read_nerfstudio(tmp_path).capture.photos.images[0, 0].double().numpy()
    found = (xs * image).sum() / image.sum(), (ys * image).sum() / image.sum()
    assert found == pytest.approx(tuple(np.array([41, 29]) + np.array([90, 91]) * ray), abs=0.25)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"frames": []}, CaptureError, "0 frames"),
        ({"frames": None}, FormatError, "no list of frames"),
        ({"frames": [1]}, FormatError, "no list of frames"),
        ({"frames": [{}]}, FormatError, "frame 0 of .* has no file_path"),
        ({"fl_x": "many"}, FormatError, "fl_x is 'many', not a finite number"),
        ({"fl_x": float("nan")}, FormatError, "NaN"),
        ({"fl_x": 0}, FormatError, "neither a positive fl_x nor camera_angle_x"),
        ({"fl_x": 10**400}, FormatError, "not a finite number"),
        ({"cx": True}, FormatError, "cx is True"),
        ({"camera_model": "EQUIRECTANGULAR"}, CaptureError, "projection EQUIRECTANGULAR"),
        ({"camera_model": 3}, FormatError, "camera_model is 3"),
        ({"ftheta_p0": 1.0}, CaptureError, "projection"),
        ({"w": 60, "h": 80}, CaptureError, "80x60 pixels, but its camera has 60x80"),
        ({"ply_file_path": "../x.ply"}, CaptureError, "outside its folder"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, change: dict[str, Any], error: type[PhotorealError], text: str):
    content = dataset(tmp_path, some_cameras())
    store(tmp_path, {**content, **change})
    with pytest.raises(error, match=text) as caught:
        read_nerfstudio(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        (np.diag([2.0, 2, 2, 1]), "not rigid"),
        (np.diag([-1.0, 1, 1, 1]), "not rigid"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), np.inf), "Infinity"),
        (np.zeros((4, 4)), "not rigid"),
        (np.eye(3), "not 4 rows of 4 numbers"),
        (np.array(0.0), "not 4 rows of 4 numbers"),
    ],
)
def test_bad_matrices_are_refused(tmp_path: Path, matrix: np.ndarray, text: str):
    content = dataset(tmp_path, some_cameras())
    content["frames"][1]["transform_matrix"] = matrix.tolist()
    store(tmp_path, content)
    with pytest.raises(FormatError, match=text):
        read_nerfstudio(tmp_path)


def test_rounded_matrices_become_rigid(tmp_path: Path):
    content = dataset(tmp_path, some_cameras())
    for frame in content["frames"]:
        frame["transform_matrix"] = np.round(frame["transform_matrix"], 4).tolist()[:3]
    store(tmp_path, content)
    poses = read_nerfstudio(tmp_path).capture.cameras.cam_from_world
    gram = poses[:, :3, :3] @ poses[:, :3, :3].transpose(1, 2)
    assert torch.allclose(gram, torch.eye(3, dtype=torch.float64).expand_as(gram), atol=1e-12)
    assert torch.allclose(poses, some_cameras().cam_from_world, atol=1e-3)


@pytest.mark.parametrize("key", ["file_path", "mask_path"])
@pytest.mark.parametrize("stated", ["../secret.png", "/etc/passwd", "images/../../secret.png"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, key: str, stated: str):
    picture(0).save(tmp_path / "secret.png")
    content = dataset(tmp_path / "set", some_cameras())
    content["frames"][1][key] = stated
    store(tmp_path / "set", content)
    with pytest.raises(CaptureError, match="outside its folder"):
        read_nerfstudio(tmp_path / "set")


@pytest.mark.parametrize("text", ["", "{", "[]", "not json", '{"frames": [{"file_path": "a"', "\udcff"])
def test_malformed_json_is_refused(tmp_path: Path, text: str):
    (tmp_path / "transforms.json").write_bytes(os.fsencode(text))
    with pytest.raises(FormatError):
        read_nerfstudio(tmp_path)


def test_no_transforms(tmp_path: Path):
    with pytest.raises(CaptureError, match=r"no transforms\.json"):
        read_nerfstudio(tmp_path)


def test_writing_needs_a_name_for_each_camera(tmp_path: Path):
    with pytest.raises(ValueError, match="1 images and 0 masks for 3 cameras"):
        write_nerfstudio(tmp_path / "transforms.json", some_cameras(), ["a"])


def test_cameras_alone_need_no_images(tmp_path: Path):
    content = dataset(tmp_path, some_cameras())
    for frame in content["frames"]:
        (tmp_path / frame["file_path"]).unlink()
    cameras, names = read_nerfstudio_cameras(tmp_path / "transforms.json")
    assert torch.allclose(cameras.cam_from_world, some_cameras().cam_from_world, atol=1e-12)
    assert torch.equal(cameras.intrinsics, some_cameras().intrinsics)
    assert (cameras.size, names) == ((60, 80), ["0000", "0001", "0002"])
    content["frames"][1] |= {"w": 40, "h": 30}
    store(tmp_path, content)
    with pytest.raises(CaptureError, match="cameras of 2 sizes"):
        read_nerfstudio_cameras(tmp_path)
    del content["w"]
    store(tmp_path, content)
    with pytest.raises(CaptureError, match=r"0000\.png: the file is not there"):
        read_nerfstudio_cameras(tmp_path)


def test_cameras_alone_take_the_size_of_the_files(tmp_path: Path):
    content = dataset(tmp_path, some_cameras())
    frames = [{"file_path": f"./images/000{k}", "transform_matrix": np.eye(4).tolist()} for k in range(3)]
    store(tmp_path, {"camera_angle_x": 0.69, "frames": frames})
    cameras, names = read_nerfstudio_cameras(tmp_path)
    assert (cameras.size, names) == ((60, 80), ["0000", "0001", "0002"])
    assert cameras.intrinsics[2, 0, 0] == pytest.approx(40 / math.tan(0.345))
    assert len(content["frames"]) == 3
