import numpy as np
import pycolmap
import pytest
import torch

from photoreal.core import CaptureError, Photos
from photoreal.io.lens import Lens, distortion_map, opencv_lens, parameter_names, undistort

SIZE = (120, 160)
LENSES = [
    Lens("SIMPLE_RADIAL", (140.0, 81.0, 58.0, 0.08), SIZE),
    Lens("RADIAL", (140.0, 81.0, 58.0, -0.1, 0.03), SIZE),
    Lens("OPENCV", (140.0, 138.0, 82.0, 57.5, 0.05, -0.08, 0.002, -0.001), SIZE),
    Lens("FULL_OPENCV", (140.0, 138.0, 82.0, 57.5, 0.05, -0.08, 0.002, -0.001, 0.02, 0.01, 0.0, 0.0), SIZE),
    Lens("OPENCV_FISHEYE", (100.0, 101.0, 79.0, 61.0, -0.02, 0.01, 0.0, 0.0), SIZE),
    Lens("THIN_PRISM_FISHEYE", (100.0, 101.0, 79.0, 61.0, -0.02, 0.01, 1e-3, 0.0, 0.0, 0.0, 1e-3, 0.0), SIZE),
    Lens("FOV", (120.0, 121.0, 79.0, 61.0, 0.6), SIZE),
    Lens("SIMPLE_DIVISION", (140.0, 81.0, 58.0, -0.05), SIZE),
    Lens("FISHEYE", (110.0, 110.0, 80.0, 60.0), SIZE),
    Lens("EUCM", (120.0, 120.0, 80.0, 60.0, 0.5, 1.0), SIZE),
]


def colmap_camera(lens: Lens) -> pycolmap.Camera:
    return pycolmap.Camera(model=lens.model, width=lens.size[1], height=lens.size[0], params=list(lens.parameters))


def pattern(rays: np.ndarray) -> np.ndarray:
    """Smooth colours in [0, 255] of camera rays (x, y), z = 1."""
    x, y = rays[..., 0], rays[..., 1]
    waves = [np.sin(9 * x + 2 * y), np.cos(7 * y - 3 * x), np.sin(5 * (x + y) + 1)]
    return 127.5 + 110 * np.stack(waves, -1)


def centres(size: tuple[int, int]) -> np.ndarray:
    ys, xs = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5, indexing="ij")
    return np.stack([xs, ys], -1)


def photographed(lens: Lens) -> torch.Tensor:
    """The pattern through the lens: every distorted pixel is traced back to its ray."""
    rays = np.asarray(colmap_camera(lens).cam_from_img(centres(lens.size).reshape(-1, 2))).reshape(*lens.size, 2)
    values = np.where(np.isfinite(rays).all(-1, keepdims=True), pattern(rays), 0)
    return torch.from_numpy(np.clip(values + 0.5, 0, 255).astype(np.uint8)).permute(2, 0, 1)


def photos_of(*images: torch.Tensor, masks: torch.Tensor | None = None) -> Photos:
    stack = torch.stack(images)
    masks = torch.ones(len(stack), *stack.shape[2:], dtype=torch.bool) if masks is None else masks
    names = tuple(f"{k}.png" for k in range(len(stack)))
    return Photos(stack, masks, names, torch.zeros(len(stack)), torch.zeros(len(stack), dtype=torch.int64))


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_undistortion_shows_what_a_pinhole_would(lens: Lens):
    photos, intrinsics = undistort(photos_of(photographed(lens)), [lens])
    matrix = np.asarray(colmap_camera(lens).calibration_matrix())
    assert np.allclose(intrinsics[0].numpy(), matrix, atol=0)
    homogeneous = np.concatenate([centres(lens.size), np.ones((*lens.size, 1))], -1)
    ideal = pattern((homogeneous @ np.linalg.inv(matrix).T)[..., :2])
    mask = photos.masks[0].numpy()
    error = np.abs(photos.images[0].permute(1, 2, 0).numpy() - ideal)[mask]
    assert mask.mean() > 0.7
    assert error.mean() < 0.6
    assert np.quantile(error, 0.999) < 4


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_map_agrees_with_pycolmap_and_masks_what_has_no_source(lens: Lens):
    source, within = distortion_map(lens)
    camera, matrix = colmap_camera(lens), lens.pinhole.numpy()
    for row, column in [(0, 0), (60, 80), (119, 159), (30, 140), (110, 3)]:
        ray = np.linalg.inv(matrix) @ [column + 0.5, row + 0.5, 1.0]
        expected = np.asarray(camera.img_from_cam(ray)).ravel()
        inside = (expected >= 0).all() and (expected <= (160, 120)).all()
        assert within[row, column] == inside
        if inside:
            assert np.allclose(source[row, column], expected, atol=1e-4)


def test_numbers_of_opencv_s_model():
    """The formula of OpenCV's documentation, written out for one point."""
    coefficients = {"k1": 0.1, "k2": -0.05, "p1": 0.01, "p2": -0.02, "k3": 0.03, "k4": 0.02, "k5": 0.01, "k6": 0.005}
    lens = opencv_lens((100.0, 110.0, 80.0, 60.0), coefficients, SIZE)
    x, y = 0.3, -0.2
    r2 = x * x + y * y
    k = coefficients
    radial = (1 + k["k1"] * r2 + k["k2"] * r2**2 + k["k3"] * r2**3) / (
        1 + k["k4"] * r2 + k["k5"] * r2**2 + k["k6"] * r2**3
    )
    u = 100 * (x * radial + 2 * k["p1"] * x * y + k["p2"] * (r2 + 2 * x * x)) + 80
    v = 110 * (y * radial + k["p1"] * (r2 + 2 * y * y) + 2 * k["p2"] * x * y) + 60
    assert lens.model == "FULL_OPENCV"
    assert np.allclose(np.asarray(colmap_camera(lens).img_from_cam(np.array([x, y, 1.0]))).ravel(), [u, v])


def test_opencv_coefficients_choose_the_smallest_model():
    pinhole = (100.0, 100.0, 80.0, 60.0)
    assert opencv_lens(pinhole, {}, SIZE).model == "PINHOLE"
    assert opencv_lens(pinhole, {"k1": 0.0, "k3": 0.0}, SIZE).model == "PINHOLE"
    assert opencv_lens(pinhole, {"p2": 0.1}, SIZE).parameters == (*pinhole, 0.0, 0.0, 0.0, 0.1)
    assert opencv_lens(pinhole, {"k1": 0.1, "k3": 0.2}, SIZE).model == "FULL_OPENCV"
    fisheye = opencv_lens(pinhole, {"k1": 0.1, "k3": 0.2}, SIZE, projection="fisheye")
    assert (fisheye.model, fisheye.parameters[4:]) == ("OPENCV_FISHEYE", (0.1, 0.0, 0.2, 0.0))
    assert fisheye.distorted
    assert opencv_lens(pinhole, {}, SIZE, projection="fisheye").distorted


def test_a_pinhole_is_left_alone():
    photos = photos_of(photographed(LENSES[0]))
    for lens in (
        Lens("PINHOLE", (100.0, 90.0, 80.0, 60.0), SIZE),
        Lens("OPENCV", (100.0, 90.0, 80.0, 60.0, 0.0, 0.0, 0.0, 0.0), SIZE),
    ):
        same, intrinsics = undistort(photos, [lens])
        assert same is photos
        assert intrinsics.tolist() == [[[100, 0, 80], [0, 90, 60], [0, 0, 1]]]


def test_masks_follow_the_picture():
    lens = Lens("SIMPLE_RADIAL", (140.0, 80.0, 60.0, 0.3), SIZE)
    image = torch.full((3, *SIZE), 200, dtype=torch.uint8)
    mask = torch.ones(1, *SIZE, dtype=torch.bool)
    mask[0, 20:40, 20:50] = False
    image[:, 20:40, 20:50] = 0
    photos, _ = undistort(photos_of(image, masks=mask), [lens])
    seen = photos.images[0][:, photos.masks[0]]
    assert seen.min() >= 185  # the cubic kernel reaches one pixel further than the mask does
    source, within = distortion_map(lens)
    x, y = source[..., 0], source[..., 1]
    hole = within & (x > 21) & (x < 49) & (y > 21) & (y < 39)
    assert hole.sum() > 100
    assert not photos.masks[0].numpy()[hole].any()
    assert not photos.images[0][:, ~photos.masks[0]].any()


def test_a_lens_without_source_at_the_border_masks_it():
    """Pincushion: the pinhole's corners lie outside the picture that was taken."""
    photos, _ = undistort(photos_of(photographed(LENSES[0])), [Lens("SIMPLE_RADIAL", (140.0, 80.0, 60.0, 0.4), SIZE)])
    assert not photos.masks[0, 0, 0]
    assert not photos.masks[0, -1, -1]
    assert photos.masks[0, 60, 80]


def test_a_polynomial_that_folds_back_is_cut_off():
    """r (1 - r^2) grows until r = 1 / sqrt(3) only: beyond, pixels would show the picture a second time, mirrored."""
    lens = Lens("SIMPLE_RADIAL", (60.0, 80.0, 60.0, -1.0), SIZE)
    _, within = distortion_map(lens)
    radius = np.linalg.norm(centres(SIZE) - [80, 60], axis=-1) / 60
    assert within[radius < 0.55].all()
    assert not within[radius > 0.61].any()


def test_small_photos_on_a_large_canvas():
    small = Lens("SIMPLE_RADIAL", (70.0, 40.0, 30.0, 0.1), (60, 80))
    canvas = torch.zeros(3, *SIZE, dtype=torch.uint8)
    canvas[:, :60, :80] = photographed(small)
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, :60, :80] = masks[1] = True
    photos = photos_of(canvas, photographed(LENSES[0]), masks=masks)
    together, _ = undistort(photos, [small, LENSES[0]])
    alone, _ = undistort(photos_of(photographed(small)), [small])
    assert torch.equal(together.images[0, :, :60, :80], alone.images[0])
    assert torch.equal(together.masks[0, :60, :80], alone.masks[0])
    assert not together.masks[0, 60:].any()
    assert not together.masks[0, :, 80:].any()
    assert torch.equal(together.images[1], undistort(photos_of(photos.images[1]), [LENSES[0]])[0].images[0])


def test_memory_is_copied_or_reused():
    photos = photos_of(photographed(LENSES[2]))
    before = photos.images.clone()
    copied, _ = undistort(photos, [LENSES[2]])
    assert torch.equal(photos.images, before)
    reused, _ = undistort(photos, [LENSES[2]], memory="reuse")
    assert reused.images.data_ptr() == photos.images.data_ptr()
    assert torch.equal(reused.images, copied.images)
    assert torch.equal(reused.masks, copied.masks)


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_resized_lens_sees_the_same_rays(lens: Lens):
    ray = np.array([0.21, -0.17, 1.0])
    x, y = np.asarray(colmap_camera(lens).img_from_cam(ray)).ravel()
    resized = lens.resized((60, 80))
    assert np.allclose(np.asarray(colmap_camera(resized).img_from_cam(ray)).ravel(), (x / 2, y / 2))


@pytest.mark.parametrize(
    ("model", "parameters", "text"),
    [
        ("EQUIRECTANGULAR", (160.0, 120.0), "camera model EQUIRECTANGULAR"),
        ("SOMETHING", (1.0,), "camera model SOMETHING"),
        ("PINHOLE", (100.0, 100.0, 80.0), "4 parameters"),
        ("PINHOLE", (100.0, float("nan"), 80.0, 60.0), "parameters"),
        ("PINHOLE", (100.0, 0.0, 80.0, 60.0), "parameters"),
    ],
)
def test_impossible_lenses_are_refused(model: str, parameters: tuple[float, ...], text: str):
    with pytest.raises(CaptureError, match=text):
        Lens(model, parameters, SIZE)


def test_parameter_names():
    assert parameter_names("OPENCV") == ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")
