"""A geometry's world turned upright keeps what it says of the photos."""

import pytest
import torch

from photoreal.align import settled
from photoreal.core import (
    AlignmentError,
    Depths,
    Geometry,
    drained,
    project,
    rigid,
    rotation_from_vector,
    similarity_scale,
    turned_cameras,
    unproject,
)
from photoreal.synth import ToyGeometry, ToyScene, toy_scene


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(1, views=4, size=(60, 80))


def tilted(room: ToyScene, gauge: str) -> Geometry:
    """The truth in a world that is turned, moved and of another size."""
    geometry = drained(ToyGeometry(room)(room.capture.photos))
    turn = rotation_from_vector(torch.tensor([0.7, -1.1, 0.4]))
    moved = rigid(0.3 * turn, torch.tensor([5.0, -2.0, 1.0]))
    cameras = geometry.capture.cameras
    poses = turned_cameras(cameras.cam_from_world, moved)
    capture = geometry.capture.replace(cameras=cameras.replace(cam_from_world=poses))
    depths = Depths(0.3 * geometry.depths.depth, geometry.depths.confidence)
    return geometry.replace(capture=capture, depths=depths, gauge=gauge)


@pytest.mark.parametrize("gauge", ["metric", "scale_invariant"])
def test_depths_still_lead_where_they_led(room: ToyScene, gauge: str) -> None:
    before = tilted(room, gauge)
    after, _ = settled(before, points=500)
    cameras, depths = after.capture.cameras, after.depths
    pixels, _ = project(cameras.take([1]), unproject(cameras, depths.depth)[0].reshape(-1, 3))
    old = before.capture.cameras
    expected, _ = project(old.take([1]), unproject(old, before.depths.depth)[0].reshape(-1, 3))
    torch.testing.assert_close(pixels, expected, rtol=1e-3, atol=2e-2)
    assert float(cameras.cam_from_world[:, 1, 2].max()) < 0
    ratio = float((depths.depth / before.depths.depth).mean())
    assert (abs(ratio - 1) < 1e-5) == (gauge == "metric")


def test_points_lie_on_the_depths_and_have_the_photos_colours(room: ToyScene) -> None:
    after, points = settled(tilted(room, "scale_invariant"), points=300, seed=4)
    assert len(points) == 300
    pixels, along = project(after.capture.cameras, points.positions)
    height, width = after.capture.photos.size
    best = torch.full((300,), torch.inf)
    for view in range(4):
        cell = pixels[view].floor().long()
        inside = ((cell >= 0) & (cell < torch.tensor([width, height]))).all(1) & (along[view] > 0)
        x, y = cell[:, 0].clamp(0, width - 1), cell[:, 1].clamp(0, height - 1)
        apart = (after.depths.depth[view, y, x] - along[view]).abs() / along[view]
        colours = after.capture.photos.images[view, :, y, x].T.float() - points.colours.float()
        best = torch.where(inside & (apart < 1e-3), torch.minimum(best, colours.abs().amax(1)), best)
    assert float(best.max()) <= 1


def test_points_come_from_where_depth_is_surest_and_the_mask_is_true(room: ToyScene) -> None:
    geometry = drained(ToyGeometry(room)(room.capture.photos))
    confidence = torch.rand(geometry.depths.depth.shape, generator=torch.Generator().manual_seed(0))
    photos = geometry.capture.photos
    masks = photos.masks.clone()
    masks[:, :, :40] = False
    capture = geometry.capture.replace(photos=photos.replace(masks=masks))
    geometry = geometry.replace(capture=capture, depths=Depths(geometry.depths.depth, confidence))
    _, points = settled(geometry, points=200)
    assert float(points.confidence.min()) >= float(confidence[:, :, 40:].median()) - 1e-6
    nothing = geometry.replace(depths=Depths(geometry.depths.depth, torch.zeros_like(confidence)))
    with pytest.raises(AlignmentError, match="found no depth in any of 4 photos"):
        settled(nothing, points=200)


def test_the_median_camera_is_two_away_where_no_scale_is_known(room: ToyScene) -> None:
    after, points = settled(tilted(room, "scale_invariant"), points=2000)
    middle = points.positions.median(0).values
    assert float((after.capture.cameras.centres - middle).norm(dim=1).median()) == pytest.approx(2, abs=0.05)
    assert float(similarity_scale(after.capture.cameras.cam_from_world[0])) == pytest.approx(1, abs=1e-5)
