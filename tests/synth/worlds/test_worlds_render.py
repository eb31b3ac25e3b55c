"""Photos of worlds that never were: what is seen of simple ones is what geometry says, and of all kinds something."""

import math

import numpy as np
import pytest

from photoreal.synth.worlds.bodies import ball, block
from photoreal.synth.worlds.light import daylight
from photoreal.synth.worlds.render import KINDS, Tracer, render_world
from photoreal.synth.worlds.view import Shot, View, shot
from photoreal.synth.worlds.world import Cover, World

AHEAD = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
"""A camera that looks along y with z up."""


def camera(size: tuple[int, int] = (60, 80)) -> Shot:
    return Shot(np.array([0, 0, 1.0]), AHEAD, 70.0, (size[1] / 2, size[0] / 2), size)


def world_of(*bodies: tuple[object, tuple[float, float, float], float]) -> Tracer:
    world = World()
    for body, at, size in bodies:
        world.add(body, Cover(0), at, size=size)  # pyright: ignore[reportArgumentType]
    return Tracer(world)


def test_depth_is_along_the_axis_and_exact_at_the_centres_of_pixels() -> None:
    world = World()
    world.add(block(), Cover(0), (0, 6.0, -50.0), size=(200.0, 2.0, 100.0))
    world.add(block(), Cover(0), (0, 0, -0.5), size=(300.0, 300.0, 0.5))
    depth = Tracer(world).first_hits(camera()).depth
    rows = np.arange(60) + 0.5
    expected = np.where(rows > 30, 70.0 / np.maximum(rows - 30, 1e-9), np.inf)
    np.testing.assert_allclose(depth, np.minimum(expected, 5.0)[:, None].repeat(80, 1), rtol=1e-4)


def test_a_ball_is_as_large_and_as_far_as_it_must_be() -> None:
    depth = world_of((ball(60, 120), (0, 10.0, 0.0), 2.0)).first_hits(camera()).depth
    seen = np.isfinite(depth)
    radius = 70 * 1.0 / math.sqrt(10.0**2 - 1)
    assert seen.sum() == pytest.approx(math.pi * radius**2, rel=0.05)
    assert depth.min() == pytest.approx(9.0, rel=2e-3)
    assert math.isinf(depth[0, 0])


def test_a_camera_turned_by_a_right_angle_sees_the_same_on_its_side() -> None:
    tracer = world_of((block(), (0.7, 8.0, 0.2), 2.0), (ball(), (-1.0, 6.0, 0.0), 1.0))
    upright = tracer.first_hits(camera((60, 60))).depth
    turned = Shot(np.array([0, 0, 1.0]), np.stack([AHEAD[1], -AHEAD[0], AHEAD[2]]), 70.0, (30, 30), (60, 60))
    on_its_side = tracer.first_hits(turned).depth
    same = np.isclose(np.rot90(upright), on_its_side, rtol=1e-3) | np.isinf(np.rot90(upright))
    assert same.mean() > 0.98


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_shows_something_at_several_depths(kind: str) -> None:
    sample = render_world(11, (56, 70), kind=kind)
    assert sample.image.shape == (56, 70, 3)
    assert sample.image.std() > 8
    finite = sample.depth[np.isfinite(sample.depth)]
    assert finite.size > 0.15 * sample.depth.size
    assert finite.min() > 0
    assert np.percentile(finite, 95) > 1.1 * np.percentile(finite, 5)
    assert 10 < sample.horizontal_field_of_view < 110
    assert sample.kind == kind


def test_a_number_is_one_world_and_another_number_another() -> None:
    first, same, other = (render_world(number, (56, 56)) for number in (5, 5, 6))
    np.testing.assert_array_equal(first.image, same.image)
    np.testing.assert_array_equal(first.depth, same.depth)
    assert not np.array_equal(first.image, other.image)


def test_the_sun_throws_shadows() -> None:
    world = World()
    world.add(block(), Cover(0), (0, 0, -0.5), size=(300.0, 300.0, 0.5))
    bare = Tracer(world)
    world.add(block(), Cover(0), (0, 6.0, 0.0), size=(1.0, 1.0, 1.5))
    rng = np.random.default_rng(0)
    days = (daylight(rng) for _ in range(1000))
    # Behind the box, so that its shadow falls towards the camera.
    light = next(day for day in days if day.sun_colour.max() > 1 and day.sun[1] > 0.6 and day.sun[2] > 0.3)
    images = [
        tracer.colours(np.random.default_rng(1), camera(), light, tracer.first_hits(camera()))
        for tracer in (bare, Tracer(world))
    ]
    ground = np.s_[45:, :]
    darker = images[1][ground].mean(-1) < 0.7 * images[0][ground].mean(-1)
    lighter = images[1][ground].mean(-1) > 1.3 * images[0][ground].mean(-1)
    box = ~np.isclose(
        bare.first_hits(camera()).depth[ground], Tracer(world).first_hits(camera()).depth[ground], rtol=1e-3
    )
    assert (darker & ~box).sum() > 5
    assert (lighter & ~box).sum() < 5


def test_a_quarter_of_the_photos_lie_on_their_side() -> None:
    rng, view = np.random.default_rng(0), View(np.zeros(3), np.array([0, 5.0, 0]))
    downs = np.stack([shot(rng, view, (60, 80)).axes[1] for _ in range(400)])
    assert 0.7 < (downs[:, 2] < -0.9).mean() < 0.85
    angles = [shot(rng, view, (60, 80)).horizontal_field_of_view for _ in range(200)]
    assert min(angles) < 40
    assert max(angles) > 90


def test_a_field_of_view_is_across_the_width() -> None:
    assert Shot(np.zeros(3), AHEAD, 50.0, (50, 30), (60, 100)).horizontal_field_of_view == pytest.approx(90)
