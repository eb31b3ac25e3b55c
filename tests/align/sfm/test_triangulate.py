"""Points of a toy room whose cameras are known, against its true depths."""

import pytest
import torch

from photoreal.align import SfmConfig, triangulate
from photoreal.align.sfm.features import FeatureConfig
from photoreal.core import Cameras, Capture, Points, Tracks, drained, project
from photoreal.synth.toy import ToyScene, toy_scene

FAST = SfmConfig(features=FeatureConfig(max_features=2000))


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(0, views=5, size=(300, 400))


@pytest.fixture(scope="module")
def found(room: ToyScene) -> tuple[Points, Tracks]:
    return drained(triangulate(room.capture, FAST))


def test_points_lie_on_the_true_surfaces(room: ToyScene, found: tuple[Points, Tracks]) -> None:
    points, tracks = found
    assert len(points) > 500
    _, depths = project(room.capture.cameras, points.positions)
    x, y = tracks.pixel.long().clamp_min(0).unbind(1)
    true = room.depths.depth[tracks.view, y.clamp_max(299), x.clamp_max(399)]
    errors = (depths[tracks.view, tracks.point] / true - 1).abs()
    assert float(errors.median()) < 0.003
    assert float((errors < 0.02).float().mean()) > 0.95


def test_tracks_are_where_the_points_are_seen(room: ToyScene, found: tuple[Points, Tracks]) -> None:
    points, tracks = found
    pixels, depths = project(room.capture.cameras, points.positions)
    assert float((pixels[tracks.view, tracks.point] - tracks.pixel).norm(dim=1).max()) < 5
    assert float(depths[tracks.view, tracks.point].min()) > 0
    assert torch.equal(points.confidence, torch.bincount(tracks.point, minlength=len(points)).float())
    assert int(points.confidence.min()) >= 2
    seen = room.capture.photos.images[tracks.view, :, tracks.pixel[:, 1].long(), tracks.pixel[:, 0].long()].float()
    assert float((seen - points.colours[tracks.point].float()).abs().mean()) < 12


def test_every_photo_has_its_own_lens(room: ToyScene, found: tuple[Points, Tracks]) -> None:
    """The last photo cut down to a part of itself: the same rays by another principal point."""
    photos, cameras = room.capture.photos, room.capture.cameras
    images, intrinsics = torch.zeros_like(photos.images), cameras.intrinsics.clone()
    images[:4], images[4, :, :, :350] = photos.images[:4], photos.images[4, :, :, 50:]
    masks = photos.masks.clone()
    masks[4, :, 350:] = False
    intrinsics[4, 0, 2] -= 50
    shifted = Capture(
        photos.replace(images=images, masks=masks), Cameras(cameras.cam_from_world, intrinsics, cameras.size)
    )
    points, tracks = drained(triangulate(shifted, FAST))
    assert int((tracks.view == 4).sum()) > 0.5 * int((found[1].view == 4).sum())
    _, depths = project(room.capture.cameras, points.positions)
    rows = tracks.view == 4
    x, y = (tracks.pixel[rows, 0] + 50).long().clamp(0, 399), tracks.pixel[rows, 1].long().clamp(0, 299)
    errors = (depths[4, tracks.point[rows]] / room.depths.depth[4, y, x] - 1).abs()
    assert float(errors.median()) < 0.003


def test_points_are_in_the_world_of_the_cameras(room: ToyScene, found: tuple[Points, Tracks]) -> None:
    """Whatever that world is: here tenfold and elsewhere."""
    cameras = room.capture.cameras
    poses = cameras.cam_from_world.clone()
    poses[:, :3, 3] = 10 * poses[:, :3, 3] - poses[:, :3, :3] @ torch.tensor([30.0, 0.0, -7.0])
    moved = room.capture.replace(cameras=Cameras(poses, cameras.intrinsics, cameras.size))
    points, _ = drained(triangulate(moved, FAST))
    middle, spread = points.positions.median(0).values, points.positions.std(0)
    assert torch.allclose(spread, 10 * found[0].positions.std(0), rtol=0.1)
    assert torch.allclose(middle, 10 * found[0].positions.median(0).values + torch.tensor([30.0, 0.0, -7.0]), atol=1.0)


@pytest.mark.parametrize("views", [1, 3])
def test_photos_without_texture_or_company_have_no_points(room: ToyScene, views: int) -> None:
    capture = room.capture.take(list(range(views)))
    if views > 1:
        capture = capture.replace(photos=capture.photos.replace(images=torch.full_like(capture.photos.images, 90)))
    points, tracks = drained(triangulate(capture, FAST))
    assert (len(points), len(tracks.view)) == (0, 0)
