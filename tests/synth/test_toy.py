"""The toy scene's photographs, cameras, depths and points tell one story."""

import time

import pytest
import torch

from photoreal.core import project, unit_from_bytes, unproject
from photoreal.synth import ToyScene, toy_scene


@pytest.fixture(scope="module")
def scene() -> ToyScene:
    return toy_scene(3, views=6, size=(90, 120))


def sample(image: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Bilinear values [N C] of an image [C H W] at pixels [N 2]."""
    height, width = image.shape[-2:]
    grid = 2 * pixels / torch.tensor([width, height]) - 1
    sampled = torch.nn.functional.grid_sample(image[None], grid[None, None], align_corners=False, padding_mode="border")
    return sampled[0, :, 0].T


def test_a_surface_has_the_same_place_and_colour_in_two_photos(scene: ToyScene) -> None:
    cameras, depth = scene.capture.cameras, scene.depths.depth
    images = unit_from_bytes(scene.capture.photos.images)
    world = unproject(cameras, depth)[2].reshape(-1, 3)
    pixels, along = project(cameras.take([3]), world)
    pixels, along = pixels[0], along[0]
    inside = ((pixels > 1) & (pixels < torch.tensor([119, 89]))).all(-1)
    seen = sample(depth[3][None], pixels)[:, 0]
    visible = inside & ((seen - along).abs() < 0.01)
    assert visible.sum() > 0.4 * inside.sum()
    difference = (sample(images[3], pixels) - images[2].reshape(3, -1).T).abs().mean(-1)[visible]
    assert difference.median() < 0.05
    mismatched = (sample(images[3], pixels.flip(0)) - images[2].reshape(3, -1).T).abs().mean(-1)[visible]
    assert mismatched.median() > 3 * difference.median()


def test_no_surface_lies_in_front_of_what_a_camera_sees(scene: ToyScene) -> None:
    pixels, along = project(scene.capture.cameras, scene.points.positions)
    depth = scene.depths.depth
    for view in range(len(depth)):
        inside = ((pixels[view] > 1) & (pixels[view] < torch.tensor([119, 89]))).all(-1) & (along[view] > 0)
        # The farthest of the four neighbours, so that silhouettes between pixel centres do not count.
        farthest = torch.nn.functional.max_pool2d(depth[view][None], 3, stride=1, padding=1)[0]
        column, row = pixels[view][inside].long().unbind(-1)
        assert (along[view][inside] > 0.2).all()
        nearest = -torch.nn.functional.max_pool2d(-depth[view][None], 3, stride=1, padding=1)[0]
        assert (along[view][inside] >= nearest[row, column] - 0.05).float().mean() > 0.999
        assert (along[view][inside] <= farthest[row, column] + 0.05).float().mean() > 0.5


def test_every_pixel_has_a_depth_inside_the_room(scene: ToyScene) -> None:
    world = unproject(scene.capture.cameras, scene.depths.depth)
    assert (scene.depths.confidence == 1).all()
    assert (world >= torch.tensor([-2.601, -2.601, -0.001])).all()
    assert (world <= torch.tensor([2.601, 2.601, 2.401])).all()


def test_points_are_on_surfaces_and_counted(scene: ToyScene) -> None:
    assert scene.points.confidence.min() >= 1
    assert scene.points.confidence.max() <= len(scene.capture)
    assert len(scene.gaussians) == len(scene.points)


def test_the_seed_decides_everything() -> None:
    first, again, other = (toy_scene(seed, views=2, size=(24, 32)) for seed in (5, 5, 6))
    assert torch.equal(first.capture.photos.images, again.capture.photos.images)
    assert torch.equal(first.gaussians.means, again.gaussians.means)
    assert not torch.equal(first.capture.photos.images, other.capture.photos.images)


def test_the_depth_does_not_depend_on_the_resolution() -> None:
    small, large = (toy_scene(1, views=2, size=size).depths.depth for size in ((30, 40), (90, 120)))
    # The centre pixel of each 3x3 block looks along the small image's ray.
    torch.testing.assert_close(small, large[:, 1::3, 1::3], rtol=1e-4, atol=1e-4)


def test_the_texture_has_fine_detail() -> None:
    image = unit_from_bytes(toy_scene(0, views=1, size=(300, 400)).capture.photos.images)[0].mean(0, keepdim=True)
    smooth = torch.nn.functional.avg_pool2d(image, 9, stride=1, padding=4)
    local = torch.nn.functional.avg_pool2d((image - smooth).square(), 33, stride=33).sqrt()
    assert (local > 0.02).float().mean() > 0.95


def test_one_view_and_a_quick_scene() -> None:
    assert len(toy_scene(views=1, size=(16, 24)).capture) == 1
    started = time.perf_counter()
    toy_scene(views=12, size=(90, 120))
    assert time.perf_counter() - started < 20
