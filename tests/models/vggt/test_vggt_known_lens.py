"""Lenses that are known, where a network that guessed them wrong bent the rest in one way or another."""

import pytest
import torch
from torch import Tensor
from vggt_truth import astray

from photoreal.core import (
    Cameras,
    Depths,
    project,
    rigid,
    rotation_from_vector,
    transform_points,
    unproject,
)
from photoreal.models.vggt.geometry.known_lens import disagreement, refit_poses, with_known_lenses
from photoreal.synth.toy import ToyScene, toy_scene

ALIKE = torch.full((6,), 1.1)
EACH_ITS_OWN = torch.tensor([1.1, 0.9, 1.05, 0.95, 1.1, 0.9])
FACTORS = pytest.mark.parametrize("factors", [ALIKE, 2 - ALIKE, EACH_ITS_OWN], ids=["longer", "shorter", "own"])


@pytest.fixture(scope="module")
def scene() -> ToyScene:
    return toy_scene(0, 6, (84, 112), points=10)


def with_focal(cameras: Cameras, factors: Tensor) -> Cameras:
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, :2, :2] *= factors[:, None, None]
    return cameras.replace(intrinsics=intrinsics)


def depth_of(cameras: Cameras, points: Tensor) -> Depths:
    depth = torch.einsum("vhwi,vi->vhw", points, cameras.cam_from_world[:, 2, :3])
    depth = depth + cameras.cam_from_world[:, 2, 3, None, None]
    return Depths(depth, torch.ones_like(depth))


def grid(scene: ToyScene, step: int) -> tuple[Tensor, Tensor]:
    """Every `step`-th pixel of each view, and what it shows."""
    height, width = scene.depths.size
    index = torch.arange(0, height * width, step)
    pixels = torch.stack([index % width, index // width], dim=-1) + 0.5
    points = unproject(scene.capture.cameras, scene.depths.depth).flatten(1, 2)[:, index]
    return pixels.expand(len(points), -1, 2), points


def keeps_the_points(scene: ToyScene, factors: Tensor) -> tuple[Cameras, Depths]:
    """The world is right, and the cameras stand where a wrong lens sees it best."""
    wrong = with_focal(scene.capture.cameras, factors)
    pixels, points = grid(scene, 7)
    cameras = refit_poses(wrong, pixels, points, torch.ones(points.shape[:2]))
    return cameras, depth_of(cameras, unproject(scene.capture.cameras, scene.depths.depth))


def explains_the_photos(scene: ToyScene, factors: Tensor) -> tuple[Cameras, Depths]:
    """World and cameras together explain all photos as well as they can by a wrong lens.

    The world is bent by a polynomial of second order, which is fitted together with the cameras: a bundle adjustment
    whose points move alike where they lie near each other.
    """
    wrong = with_focal(scene.capture.cameras, factors).map(lambda tensor: tensor.double())
    pixels, points = (tensor.double() for tensor in grid(scene, 31))
    middle = points.mean((0, 1))
    move = torch.zeros(len(wrong), 6, dtype=torch.float64, requires_grad=True)
    bend = torch.zeros(9, 3, dtype=torch.float64, requires_grad=True)

    def bent(place: Tensor) -> Tensor:
        x = place - middle
        return place + torch.cat([x, x * x, x * x.roll(1, -1)], dim=-1) @ bend

    def poses() -> Tensor:
        return rigid(rotation_from_vector(move[:, :3]), move[:, 3:]) @ wrong.cam_from_world

    def loss() -> Tensor:
        optimiser.zero_grad()
        pose = poses()
        in_cam = bent(points) @ pose[:, :3, :3].mT + pose[:, None, :3, 3]
        seen = in_cam @ wrong.intrinsics.mT
        total = (seen[..., :2] / seen[..., 2:].clamp_min(0.05) - pixels).square().sum(-1).mean()
        total.backward()
        return total

    optimiser = torch.optim.LBFGS([move, bend], max_iter=400, line_search_fn="strong_wolfe", tolerance_change=1e-10)
    optimiser.step(loss)
    with torch.no_grad():
        cameras = wrong.replace(cam_from_world=poses()).map(lambda tensor: tensor.float())
        return cameras, depth_of(cameras, bent(unproject(scene.capture.cameras, scene.depths.depth).double()).float())


def between_views(scene: ToyScene, cameras: Cameras, depths: Depths) -> float:
    """Median distance in pixels from where a view's pixel is said to lie in other views to where it truly lies."""
    true, height, width = scene.capture.cameras, *scene.depths.size
    pixels, points = grid(scene, 37)
    column, row = pixels[0].long().unbind(-1)
    said = unproject(cameras, depths.depth)[:, row, column]
    found: list[Tensor] = []
    for view, (true_points, said_points) in enumerate(zip(points, said, strict=True)):
        place, depth = project(true, true_points)
        inside = ((place >= 0) & (place < torch.tensor([width, height]))).all(-1)
        across, down = place.long().clamp_min(0).unbind(-1)
        first = scene.depths.depth[
            torch.arange(len(true))[:, None], down.clamp(max=height - 1), across.clamp(max=width - 1)
        ]
        inside &= (depth / first - 1).abs() < 0.02
        inside[view] = False
        found.append((project(cameras, said_points)[0] - place).norm(dim=-1)[inside])
    return float(torch.cat(found).median())


def only_swapped(scene: ToyScene, guess: tuple[Cameras, Depths]) -> tuple[Cameras, Depths]:
    return guess[0].replace(intrinsics=scene.capture.cameras.intrinsics), guess[1]


@FACTORS
def test_cameras_of_a_right_world_find_back(scene: ToyScene, factors: Tensor) -> None:
    guess, true = keeps_the_points(scene, factors), scene.capture.cameras
    cameras, depths = with_known_lenses(*guess, true.intrinsics)
    assert cameras.intrinsics.equal(true.intrinsics)
    assert between_views(scene, *guess) > 0.6
    assert between_views(scene, cameras, depths) < 0.15
    assert astray(cameras, true)[0] < 0.01
    torch.testing.assert_close(depths.depth, scene.depths.depth, rtol=0.01, atol=0)


@FACTORS
def test_a_whole_that_explains_its_photos_is_mended_and_better_than_with_the_lens_swapped(
    scene: ToyScene, factors: Tensor
) -> None:
    guess = explains_the_photos(scene, factors)
    mended = with_known_lenses(*guess, scene.capture.cameras.intrinsics)
    swapped = only_swapped(scene, guess)
    assert between_views(scene, *mended) < 0.5 * between_views(scene, *swapped)


def test_lenses_that_were_guessed_differently_are_mended_to_a_third(scene: ToyScene) -> None:
    guess = explains_the_photos(scene, EACH_ITS_OWN)
    mended = with_known_lenses(*guess, scene.capture.cameras.intrinsics)
    assert between_views(scene, *mended) < 0.35 * between_views(scene, *guess)
    assert astray(mended[0], scene.capture.cameras)[0] < 0.2 * astray(guess[0], scene.capture.cameras)[0]


@FACTORS
def test_stretched_depth_is_stretched_back(scene: ToyScene, factors: Tensor) -> None:
    true = scene.capture.cameras
    depths = scene.depths.replace(depth=scene.depths.depth * factors[:, None, None])
    cameras, mended = with_known_lenses(with_focal(true, factors), depths, true.intrinsics)
    assert cameras.cam_from_world.equal(true.cam_from_world)
    torch.testing.assert_close(mended.depth, scene.depths.depth, rtol=1e-5, atol=0)


@FACTORS
def test_a_guess_that_is_wrong_of_the_lens_alone_is_kept_but_for_the_lens(scene: ToyScene, factors: Tensor) -> None:
    true = scene.capture.cameras
    cameras, depths = with_known_lenses(with_focal(true, factors), scene.depths, true.intrinsics)
    assert cameras.cam_from_world.equal(true.cam_from_world)
    assert depths.depth.equal(scene.depths.depth)


def test_noise_of_depth_leaves_what_is_right_where_it_is(scene: ToyScene) -> None:
    true, generator = scene.capture.cameras, torch.Generator().manual_seed(0)
    noise = (0.02 * torch.randn(scene.depths.depth.shape, generator=generator)).exp()
    depths = scene.depths.replace(depth=scene.depths.depth * noise)
    cameras, mended = with_known_lenses(true, depths, true.intrinsics)
    torch.testing.assert_close(cameras.cam_from_world, true.cam_from_world, rtol=0, atol=1e-4)
    torch.testing.assert_close(mended.depth, depths.depth, rtol=1e-3, atol=0)


def test_one_photo_alone_keeps_its_points(scene: ToyScene) -> None:
    true = scene.capture.cameras.take([0])
    depths = scene.depths.take([0])
    guess = with_focal(true, torch.tensor([1.1]))
    cameras, mended = with_known_lenses(guess, depths, true.intrinsics)
    points = transform_points(cameras.cam_from_world[0], unproject(guess, depths.depth)[0])
    torch.testing.assert_close(mended.depth[0], points[..., 2], rtol=1e-4, atol=1e-4)


def test_poses_are_refitted_from_afar_among_points_that_lie(scene: ToyScene) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels, points = grid(scene, 5)
    liars = torch.rand(points.shape[:2], generator=generator) < 0.25
    points = torch.where(liars[..., None], points + torch.randn(points.shape, generator=generator), points)
    true = scene.capture.cameras
    turned = rigid(
        rotation_from_vector(0.1 * torch.randn(6, 3, generator=generator)), 0.2 * torch.randn(6, 3, generator=generator)
    )
    start = true.replace(cam_from_world=turned @ true.cam_from_world)
    found = refit_poses(start, pixels, points, torch.ones(points.shape[:2]))
    torch.testing.assert_close(found.cam_from_world, true.cam_from_world, rtol=0, atol=1e-4)
    assert found.intrinsics.equal(true.intrinsics)


def test_points_behind_a_camera_and_cameras_without_points_do_no_harm(scene: ToyScene) -> None:
    pixels, points = grid(scene, 11)
    true = scene.capture.cameras
    weights = torch.ones(points.shape[:2])
    weights[2] = 0
    points = points.clone()
    points[:, ::9] = true.centres[:, None] - 2 * true.cam_from_world[:, None, 2, :3]
    found = refit_poses(true, pixels, points, weights)
    assert found.cam_from_world[2].equal(true.cam_from_world[2])
    torch.testing.assert_close(found.cam_from_world, true.cam_from_world, rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_no_camera_turns_away_to_be_rid_of_its_points(scene: ToyScene, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pixels, points = grid(scene, 11)
    true = scene.capture.cameras
    turned = rigid(rotation_from_vector(torch.randn(6, 3, generator=generator)), torch.randn(6, 3, generator=generator))
    start = true.replace(cam_from_world=turned @ true.cam_from_world)

    def ahead(cameras: Cameras) -> Tensor:
        depth = torch.einsum("vni,vi->vn", points, cameras.cam_from_world[:, 2, :3])
        return ((depth + cameras.cam_from_world[:, 2, 3, None]) > 0).sum(1)

    found = refit_poses(start, pixels, points, torch.ones(points.shape[:2]))
    assert bool((ahead(found) >= 0.9 * ahead(start)).all())


def test_masked_depth_is_not_asked(scene: ToyScene) -> None:
    guess, true = keeps_the_points(scene, ALIKE), scene.capture.cameras
    confidence, depth = guess[1].confidence.clone(), guess[1].depth.clone()
    confidence[:, 40:, :60], depth[:, 40:, :60] = 0.0, 0.3
    confidence[3] = 0.0
    cameras, depths = with_known_lenses(guess[0], Depths(depth, confidence), true.intrinsics)
    seen = [0, 1, 2, 4, 5]
    assert astray(cameras.take(seen), true.take(seen))[0] < 0.01
    assert bool(((depths.confidence > 0) == (confidence > 0)).all())


def test_views_disagree_by_how_far_apart_they_put_things(scene: ToyScene) -> None:
    true = scene.capture.cameras
    right = disagreement(true, scene.depths)
    assert right < 0.02
    assert disagreement(true, scene.depths.replace(depth=1.05 * scene.depths.depth)) > 3 * right
    larger = true.replace(cam_from_world=torch.cat([true.cam_from_world[:, :, :3], true.cam_from_world[:, :, 3:]], -1))
    larger.cam_from_world[:, :3, 3] *= 4
    assert disagreement(larger, scene.depths.replace(depth=4 * scene.depths.depth)) == pytest.approx(right, rel=0.02)
    none = scene.depths.replace(confidence=torch.zeros_like(scene.depths.confidence))
    assert disagreement(true, none) == torch.inf
