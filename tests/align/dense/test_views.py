"""Which photos are compared, and how far away things may be."""

import torch

from photoreal.align.dense.views import neighbourhoods, sightings, without_parallax
from photoreal.core import Points, Tracks, project
from photoreal.synth import toy_scene

NONE = Tracks(torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long), torch.empty(0, 2))


def test_the_range_holds_all_that_is_seen() -> None:
    scene = toy_scene(0, views=5, size=(60, 80), arc_degrees=60.0)
    for view, one in enumerate(neighbourhoods(scene.capture.cameras, scene.points, NONE, sources=3)):
        depth = scene.depths.depth[view]
        assert one.near < float(depth.min())
        assert one.far > float(depth.max())
        assert len(one.sources) == len(one.worth) == 3
        assert view not in one.sources
        assert all(0 < worth <= 1 for worth in one.worth)


def test_near_photos_come_first_and_the_same_place_never() -> None:
    scene = toy_scene(0, views=5, size=(60, 80), arc_degrees=120.0)
    cameras = scene.capture.cameras
    assert set(neighbourhoods(cameras, scene.points, NONE, sources=2)[2].sources) == {1, 3}
    twice = cameras.take([0, 0, 1])
    assert [one.sources for one in neighbourhoods(twice, scene.points, NONE, sources=4)] == [(2,), (2,), (0, 1)]
    still = neighbourhoods(cameras.take([3, 3]), scene.points, NONE, sources=4)
    assert without_parallax(still) == [0, 1]


def test_tracks_say_what_is_seen_where_there_are_enough() -> None:
    scene = toy_scene(0, views=2, size=(60, 80))
    pixels, depth = project(scene.capture.cameras, scene.points.positions)
    inside = (depth > 0) & (pixels > 0).all(-1) & (pixels < pixels.new_tensor([80, 60])).all(-1)
    rows = torch.nonzero(inside[0])[:20, 0]
    tracks = Tracks(torch.zeros(20, dtype=torch.long), rows, pixels[0, rows])
    seen = sightings(scene.capture.cameras, scene.points, tracks)
    assert torch.nonzero(seen[0])[:, 0].tolist() == rows.tolist()
    torch.testing.assert_close(seen[1], inside[1])


def test_a_view_that_sees_no_points_is_left_alone() -> None:
    scene = toy_scene(0, views=3, size=(60, 80))
    behind = Points(torch.tensor([[500.0, 500.0, 500.0]]), torch.zeros(1, 3, dtype=torch.uint8), torch.ones(1))
    found = neighbourhoods(scene.capture.cameras, behind, NONE, sources=2)
    assert without_parallax(found) == [0, 1, 2]
