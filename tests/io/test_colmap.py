import shutil
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from PIL import Image

from photoreal.core import Cameras, Capture, CaptureError, FormatError, Photos, Points, Tracks, project
from photoreal.io.colmap import PosedReading, read_colmap, write_colmap
from photoreal.io.photos import ReadConfig


def dataset(tmp_path: Path, *, kind: str = "binary", model: str = "SIMPLE_RADIAL") -> pycolmap.Reconstruction:
    """Four photos of 96x64 pixels with 40 points, written by pycolmap."""
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig, options.num_points3D = 2, 1, 2, 40
    options.camera_width, options.camera_height = 96, 64
    options.camera_model_id = pycolmap.CameraModelId.__members__[model]
    options.camera_params = {"SIMPLE_RADIAL": [80.0, 48.0, 32.0, 0.05], "PINHOLE": [80.0, 82.0, 47.0, 33.0]}[model]
    pycolmap.set_random_seed(1)
    reconstruction = pycolmap.synthesize_dataset(options)
    sparse = tmp_path / "sparse" / "0"
    sparse.mkdir(parents=True)
    (reconstruction.write_binary if kind == "binary" else reconstruction.write_text)(str(sparse))
    (tmp_path / "images").mkdir()
    for image in reconstruction.images.values():
        picture(image.image_id).save(tmp_path / "images" / image.name)
    return reconstruction


def picture(seed: int, width: int = 96, height: int = 64) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height))


def image_of(reconstruction: pycolmap.Reconstruction, name: str) -> pycolmap.Image:
    return next(image for image in reconstruction.images.values() if image.name == name)


def check_against(reading: PosedReading, reconstruction: pycolmap.Reconstruction, scale: float = 1.0) -> None:
    for k, name in enumerate(reading.capture.photos.names):
        image = image_of(reconstruction, name)
        pose = np.asarray(image.cam_from_world().matrix())
        assert np.allclose(reading.capture.cameras.cam_from_world[k, :3].numpy(), pose, atol=1e-12)
        matrix = np.diag([scale, scale, 1.0]) @ np.asarray(image.camera.calibration_matrix())
        assert np.allclose(reading.capture.cameras.intrinsics[k].numpy(), matrix, atol=1e-9)
    points = [reconstruction.points3D[k] for k in sorted(reconstruction.points3D)]
    order = np.lexsort(np.stack([p.xyz for p in points]).T)
    ours = np.lexsort(reading.points.positions.numpy().T)
    assert np.allclose(reading.points.positions.numpy()[ours], np.stack([p.xyz for p in points])[order], atol=1e-12)
    assert np.array_equal(reading.points.colours.numpy()[ours], np.stack([p.color for p in points])[order])
    lengths = np.array([p.track.length() for p in points])
    assert np.array_equal(reading.points.confidence.numpy()[ours], lengths[order])


@pytest.mark.parametrize("kind", ["binary", "text"])
@pytest.mark.parametrize("model", ["SIMPLE_RADIAL", "PINHOLE"])
def test_reads_what_pycolmap_wrote(tmp_path: Path, kind: str, model: str):
    reconstruction = dataset(tmp_path, kind=kind, model=model)
    reading = read_colmap(tmp_path)
    assert len(reading.capture) == 4
    assert reading.skipped == ()
    check_against(reading, reconstruction)
    assert reading.capture.photos.masks.float().mean() > 0.8
    if model == "PINHOLE":
        for k, name in enumerate(reading.capture.photos.names):
            stored = np.array(picture(image_of(reconstruction, name).image_id))
            assert np.array_equal(reading.capture.photos.images[k].permute(1, 2, 0).numpy(), stored)


def test_intrinsics_follow_smaller_images_and_max_side(tmp_path: Path):
    reconstruction = dataset(tmp_path)
    check_against(read_colmap(tmp_path, ReadConfig(max_side=48)), reconstruction, 0.5)
    for path in (tmp_path / "images").iterdir():
        Image.open(path).resize((48, 32)).save(path)
    check_against(read_colmap(tmp_path), reconstruction, 0.5)
    check_against(read_colmap(tmp_path, ReadConfig(max_side=36)), reconstruction, 0.375)


@pytest.mark.parametrize("layout", ["sparse/0", "sparse", ".", "given"])
def test_layouts(tmp_path: Path, layout: str):
    reconstruction = dataset(tmp_path)
    folder = tmp_path
    if layout == "given":
        folder = tmp_path / "sparse" / "0"
    elif layout != "sparse/0":
        for path in (tmp_path / "sparse" / "0").iterdir():
            shutil.move(path, tmp_path / layout / path.name)
    check_against(read_colmap(folder), reconstruction)


@pytest.mark.parametrize("place", ["photos", "."])
def test_images_elsewhere(tmp_path: Path, place: str):
    reconstruction = dataset(tmp_path)
    (tmp_path / "masks").mkdir()
    for path in list((tmp_path / "images").iterdir()):
        (tmp_path / place).mkdir(exist_ok=True)
        Image.new("L", (96, 64), 255).save(tmp_path / "masks" / path.name)
        shutil.move(path, tmp_path / place / path.name)
    (tmp_path / "images").rmdir()
    check_against(read_colmap(tmp_path), reconstruction)


def test_missing_images_are_skipped_and_counted(tmp_path: Path):
    reconstruction = dataset(tmp_path)
    paths = sorted((tmp_path / "images").iterdir())
    paths[1].unlink()
    paths[2].write_bytes(paths[2].read_bytes()[:300])
    reading = read_colmap(tmp_path)
    assert {s.name for s in reading.skipped} == {paths[1].name, paths[2].name}
    assert len(reading.capture) == 2
    check_against(reading, reconstruction)
    for path in paths:
        path.unlink(missing_ok=True)
    with pytest.raises(CaptureError, match="0 of the 4 images"):
        read_colmap(tmp_path)


def test_image_of_another_shape_is_skipped(tmp_path: Path):
    dataset(tmp_path)
    path = min((tmp_path / "images").iterdir())
    picture(1, 64, 96).save(path)
    assert [(s.name, s.reason) for s in read_colmap(tmp_path).skipped] == [
        (path.name, "64x96 pixels, but its camera has 96x64")
    ]


def test_masks_beside_the_images(tmp_path: Path):
    dataset(tmp_path, model="PINHOLE")
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    (tmp_path / "masks").mkdir()
    keep = np.zeros((64, 96), np.uint8)
    keep[:30] = 255
    Image.fromarray(keep).save(tmp_path / "masks" / f"{names[2]}.png")
    masks = read_colmap(tmp_path).capture.photos.masks
    assert torch.equal(masks[2], torch.from_numpy(keep > 0))
    assert masks[[0, 1, 3]].all()


def test_images_in_subfolders_and_several_sizes(tmp_path: Path):
    capture, points, tracks = scene(2)
    write_colmap(tmp_path / "sparse" / "0", capture, points, tracks, ["left/a.png", "right/a.png"])
    for k, side in enumerate(("left", "right")):
        (tmp_path / "images" / side).mkdir(parents=True)
        picture(k, (80, 64)[k], (60, 48)[k]).save(tmp_path / "images" / side / "a.png")
    reading = read_colmap(tmp_path).capture
    assert reading.photos.names == ("a.png", "a_2.png")
    assert reading.photos.size == (60, 80)
    assert reading.photos.masks[1].sum() == 48 * 64
    assert torch.allclose(reading.cameras.intrinsics[1, :2], capture.cameras.intrinsics[1, :2] * 0.8)


def test_names_that_leave_the_folder_are_refused(tmp_path: Path):
    capture, points, tracks = scene(1)
    write_colmap(tmp_path / "sparse" / "0", capture, points, tracks, ["../../secret.png"])
    with pytest.raises(CaptureError, match="outside its folder"):
        read_colmap(tmp_path)


def test_no_model(tmp_path: Path):
    with pytest.raises(CaptureError, match="holds no COLMAP model"):
        read_colmap(tmp_path)


@pytest.mark.parametrize("kind", ["binary", "text"])
@pytest.mark.parametrize("stem", ["cameras", "images", "points3D"])
def test_damaged_files_are_refused_or_read_but_never_crash(tmp_path: Path, kind: str, stem: str):
    dataset(tmp_path, kind=kind, model="PINHOLE")
    path = tmp_path / "sparse" / "0" / f"{stem}.{'bin' if kind == 'binary' else 'txt'}"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    errors: list[str] = []
    for k in range(24):
        data = bytearray(whole[: len(whole) * k // 24]) if k % 2 else bytearray(whole)
        if k % 2 == 0:
            for position in rng.integers(0, len(data), 3):
                data[position] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_colmap(tmp_path)
        except (FormatError, CaptureError) as error:
            errors.append(str(error))
    assert len(errors) > (8 if kind == "binary" else 2)
    assert not any("\n" in error for error in errors)


def test_truncated_points_say_so(tmp_path: Path):
    dataset(tmp_path)
    path = tmp_path / "sparse" / "0" / "points3D.bin"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FormatError, match=r"points3D\.bin ends after 500 bytes"):
        read_colmap(tmp_path)


def scene(views: int = 5, count: int = 30) -> tuple[Capture, Points, Tracks]:
    """Cameras of two zooms around random points, with every sighting that falls into the picture."""
    rng = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(views, 3, 3, generator=rng, dtype=torch.float64)).Q
    rotation = rotation * torch.linalg.det(rotation).sign()[:, None, None]
    pose = torch.eye(4, dtype=torch.float64).repeat(views, 1, 1)
    pose[:, :3, :3], pose[:, 2, 3] = rotation, 6.0
    intrinsics = torch.tensor([[70.0, 0, 41.25], [0, 71.5, 30.125], [0, 0, 1]], dtype=torch.float64).repeat(views, 1, 1)
    intrinsics[1::2, 0, 0] = 90.0
    cameras = Cameras(pose, intrinsics, (60, 80))
    positions = torch.randn(count, 3, generator=rng, dtype=torch.float64)
    points = Points(positions, torch.randint(0, 256, (count, 3), generator=rng).to(torch.uint8), torch.ones(count))
    pixels, _ = project(cameras, positions)
    inside = ((pixels > 0) & (pixels < torch.tensor([80.0, 60.0]))).all(-1)
    view, point = inside.nonzero(as_tuple=True)
    shuffled = torch.randperm(len(view), generator=rng)
    tracks = Tracks(view[shuffled], point[shuffled], pixels[view, point][shuffled])
    images = torch.zeros(views, 3, 60, 80, dtype=torch.uint8)
    names = tuple(f"{k}.png" for k in range(views))
    zeros = torch.zeros(views)
    photos = Photos(images, images[:, 0] == 0, names, zeros, zeros.to(torch.int64))
    return Capture(photos, cameras), points, tracks


def test_pycolmap_reads_what_we_wrote(tmp_path: Path):
    capture, points, tracks = scene()
    names = [f"some folder/ü {k}.jpg" for k in range(5)]
    write_colmap(tmp_path / "sparse" / "0", capture, points, tracks, names)
    model = pycolmap.Reconstruction(str(tmp_path / "sparse" / "0"))
    assert (model.num_cameras(), model.num_images(), model.num_points3D()) == (2, 5, 30)
    assert model.num_reg_images() == 5
    for k, name in enumerate(names):
        image = model.images[k + 1]
        assert (image.name, image.camera.model_name) == (name, "PINHOLE")
        assert (image.camera.height, image.camera.width) == (60, 80)
        assert np.allclose(image.cam_from_world().matrix(), capture.cameras.cam_from_world[k, :3].numpy(), atol=1e-9)
        assert np.allclose(image.camera.calibration_matrix(), capture.cameras.intrinsics[k].numpy(), atol=1e-9)
    sightings = {
        (element.image_id - 1, number - 1): model.images[element.image_id].points2D[element.point2D_idx].xy
        for number, point in model.points3D.items()
        for element in point.track.elements
    }
    assert len(sightings) == len(tracks.view)
    for view, point, pixel in zip(tracks.view.tolist(), tracks.point.tolist(), tracks.pixel.numpy(), strict=True):
        assert np.allclose(sightings[view, point], pixel, atol=1e-9)
    for k in range(30):
        assert np.allclose(model.points3D[k + 1].xyz, points.positions[k].numpy(), atol=1e-9)
        assert model.points3D[k + 1].color.tolist() == points.colours[k].tolist()
    assert model.compute_mean_reprojection_error() == pytest.approx(0, abs=1e-9)
    seen = {point for _, point in sightings}
    assert all(model.points3D[k + 1].error == pytest.approx(0 if k in seen else -1, abs=1e-9) for k in range(30))


def test_written_error_is_the_mean_distance(tmp_path: Path):
    capture, points, tracks = scene()
    shifted = Tracks(tracks.view, tracks.point, tracks.pixel + torch.tensor([3.0, 4.0]))
    write_colmap(tmp_path, capture, points, shifted, [f"{k}.png" for k in range(5)])
    model = pycolmap.Reconstruction(str(tmp_path))
    model.update_point_3d_errors()
    assert all(p.error == pytest.approx(5) for p in model.points3D.values() if p.track.length())


@pytest.mark.parametrize("count", [0, 30])
def test_tracks_and_points_may_be_empty(tmp_path: Path, count: int):
    capture, points, _ = scene(3, count)
    none = torch.zeros(0, dtype=torch.int64)
    write_colmap(tmp_path, capture, points, Tracks(none, none, torch.zeros(0, 2)), ["a.png", "b.png", "c.png"])
    model = pycolmap.Reconstruction(str(tmp_path))
    assert (model.num_images(), model.num_points3D()) == (3, count)
    for name in "abc":
        picture(ord(name), 80, 60).save(tmp_path / f"{name}.png")
    reading = read_colmap(tmp_path)
    assert torch.allclose(reading.capture.cameras.cam_from_world, capture.cameras.cam_from_world, atol=1e-12)
    assert torch.equal(reading.points.positions, points.positions)
    assert not reading.points.confidence.any()


def test_single_precision_is_written_too(tmp_path: Path):
    capture, points, tracks = scene(2)
    cameras = capture.cameras.map(torch.Tensor.float)
    tracks = Tracks(tracks.view, tracks.point, tracks.pixel.float())
    positions = points.replace(positions=points.positions.float())
    write_colmap(tmp_path, Capture(capture.photos, cameras), positions, tracks, ["a.png", "b.png"])
    assert pycolmap.Reconstruction(str(tmp_path)).compute_mean_reprojection_error() < 1e-4


def test_names_must_match_the_photos(tmp_path: Path):
    capture, points, tracks = scene(2)
    with pytest.raises(ValueError, match="3 names for 2 photos"):
        write_colmap(tmp_path, capture, points, tracks, ["a", "b", "c"])
