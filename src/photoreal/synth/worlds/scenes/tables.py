"""Worlds close by: things on tables, one thing alone, heaps of anything."""

import numpy as np
from numpy.random import Generator

from photoreal.synth.textures import Number
from photoreal.synth.worlds.bodies import any_body
from photoreal.synth.worlds.light import Light, daylight, indoor_light
from photoreal.synth.worlds.scenes import plants, things
from photoreal.synth.worlds.scenes.outdoors import ground, house
from photoreal.synth.worlds.scenes.rooms import room
from photoreal.synth.worlds.scenes.things import box, cover
from photoreal.synth.worlds.view import View
from photoreal.synth.worlds.world import World, any_turn


def table_top(rng: Generator) -> tuple[World, View, Light]:
    """Things on a table or on the ground, from near, before a wall, a room or a garden."""
    world, outside = World(), bool(rng.random() < 0.4)
    below = 0.0
    if rng.random() < 0.6:
        wide, high = rng.uniform(0.5, 1.6), rng.uniform(0.3, 1.0)
        paint = cover(rng, "wood", "calm", "marble", "pattern", "tiles")
        box(world, paint, (0, 0, -0.04), (wide * 1.6, wide, 0.04), rng.uniform(0, 3.1))
        things.legs(world, rng, paint, np.array([0, 0, -high, 0.3]), (wide * 1.1, wide * 0.7, high - 0.04, 0.06))
        below = -high
    light = _around(world, rng, below, outside=outside)
    alone, main = bool(rng.random() < 0.4), rng.uniform(0.15, 0.6)
    if alone:
        things.small_thing(world, rng, (0, 0, 0), main)
    for _ in range(int(rng.integers(0, 6) if alone else rng.integers(3, 22))):
        spot = np.array([*rng.normal(0, 0.28, 2), 0])
        size = float(np.exp(rng.uniform(np.log(0.05), np.log(0.35))))
        (things.small_thing if rng.random() < 0.85 else things.stack)(world, rng, spot, size)
    if rng.random() < 0.2:
        plants.potted(world, rng, np.array([*rng.normal(0, 0.3, 2), 0]), rng.uniform(0.15, 0.5))
    far, way, up = rng.uniform(0.35, 1.9), rng.uniform(0, 6.3), rng.uniform(0.02, 1.5) ** 1.3 / 1.2
    standing = far * np.array([np.cos(way) * np.cos(up), np.sin(way) * np.cos(up), np.sin(up)]) + [0, 0, 0.05]
    return world, View(standing, np.array([*rng.normal(0, 0.08, 2), rng.uniform(0, 0.2)])), light


def _around(world: World, rng: Generator, below: Number, *, outside: bool) -> Light:
    """The ground and what stands farther off."""
    if outside:
        ground(world, rng, below, flat=True)
        for _ in range(int(rng.integers(0, 14))):
            far, way = rng.uniform(2.5, 30), rng.uniform(0, 6.3)
            spot, kind = np.array([far * np.cos(way), far * np.sin(way), below]), rng.random()
            if kind < 0.55:
                plants.tree(world, rng, spot, rng.uniform(1, 8))
            elif kind < 0.75:
                plants.bush(world, rng, spot, rng.uniform(0.4, 2))
            elif kind < 0.85:
                things.person(world, rng, spot)
            else:
                house(world, rng, spot + spot * 10 / far * [1, 1, 0], rng.uniform(0, 3))
        return daylight(rng)
    box(
        world,
        cover(rng, "wood", "tiles", "calm", "pattern", repeats=rng.uniform(0.3, 2)),
        (0, 0, below - 0.1),
        (30, 30, 0.1),
    )
    near = rng.uniform(0.7, 4.0)
    for side in range(4):
        if rng.random() < 0.85:
            away, turn = near * rng.uniform(1, 1.7), side * np.pi / 2
            spot = np.array([-np.sin(turn) * away, np.cos(turn) * away, below])
            box(
                world,
                cover(rng, "calm", "calm", "tiles", "pattern", repeats=rng.uniform(0.3, 1.5)),
                spot,
                (14, 0.1, 4),
                turn,
            )
    for _ in range(int(rng.integers(0, 9))):
        way, far = rng.uniform(0, 6.3), near * rng.uniform(0.55, 1.0)
        things.small_thing(world, rng, np.array([far * np.cos(way), far * np.sin(way), below]), rng.uniform(0.2, 1.4))
    lamps = [np.array([*rng.uniform(-2, 2, 2), rng.uniform(0.8, 2.5)]) for _ in range(int(rng.integers(1, 4)))]
    return indoor_light(rng, lamps)


def clutter(rng: Generator) -> tuple[World, View, Light]:
    """Things of all sizes that float at random, near and far, before a room, the sky or a wall."""
    inside = bool(rng.random() < 0.5)
    world, view, light = room(rng) if inside else (World(), View(np.zeros(3), np.array([1.0, 0, 0])), daylight(rng))
    if not inside and rng.random() < 0.6:
        ground(world, rng, -rng.uniform(0.5, 5), flat=True)
    ahead = view.target - view.centre
    ahead = ahead / np.linalg.norm(ahead)
    reach = 3.0 if inside else rng.uniform(4, 60)
    for _ in range(int(rng.integers(8, 45))):
        far = float(np.exp(rng.uniform(np.log(0.6), np.log(reach))))
        spot = view.centre + ahead * far + rng.normal(0, 0.4, 3) * far
        size = far * rng.uniform(0.06, 0.45)
        paint = cover(rng, repeats=float(np.exp(rng.uniform(-0.7, 1.0)) / size))
        world.add(any_body(rng), paint, spot, size=size * np.exp(rng.normal(0, 0.3, 3)), turn=any_turn(rng))
    return world, view, light
