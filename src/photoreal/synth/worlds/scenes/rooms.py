"""Worlds inside: furnished rooms, halls and corridors."""

import numpy as np
from numpy.random import Generator

from photoreal.synth.textures import Number
from photoreal.synth.worlds.light import Light, daylight, indoor_light
from photoreal.synth.worlds.paint import textures
from photoreal.synth.worlds.scenes import plants, things
from photoreal.synth.worlds.scenes.things import Place, box, cover
from photoreal.synth.worlds.view import View
from photoreal.synth.worlds.world import Cover, World, about_z

_PAPERS = ("calm", "calm", "calm", "calm", "calm", "tiles", "pattern", "speckled")


def room(rng: Generator) -> tuple[World, View, Light]:
    """A room with furniture, pictures and perhaps windows, seen from where somebody stands or sits."""
    world = World()
    width, depth, height = rng.uniform(2.4, 8.5), rng.uniform(2.4, 8.5), rng.uniform(2.2, 3.6)
    _floor_and_ceiling(world, rng, width, depth, height)
    papers = [cover(rng, *_PAPERS, repeats=rng.uniform(0.2, 1.2), gloss=0.0) for _ in "12"]
    windows = 0
    for side in range(4):
        windows += _wall(world, rng, papers[int(rng.random() < 0.2)], side, (width, depth, height))
    if windows:
        _outside(world, rng, max(width, depth))
    _furnish(world, rng, width, depth, height)
    lamps = [
        np.array([rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * depth, height * rng.uniform(0.6, 0.95)])
    ]
    for _ in range(int(rng.integers(0, 3))):
        lamps.append(
            np.array([rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * depth, rng.uniform(0.8, height - 0.1)])
        )
    light = indoor_light(rng, lamps)
    if windows:
        day = daylight(rng)
        light = Light(
            day.sun, day.sun_colour, light.ambient, light.lamps, day.zenith, day.horizon, day.clouds, 0.0, day.seed
        )
    standing = np.array([rng.uniform(-0.44, 0.44) * width, rng.uniform(-0.44, 0.44) * depth, rng.uniform(0.5, 2.0)])
    target = np.array([rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * depth, rng.uniform(0.0, 1.6)])
    return world, View(standing, target), light


def hall(rng: Generator) -> tuple[World, View, Light]:
    """A corridor, church, station or store: long, with columns, doors or racks on both sides."""
    world = World()
    width, length, height = rng.uniform(1.5, 14), rng.uniform(10, 45), rng.uniform(2.3, 9)
    _floor_and_ceiling(world, rng, width, length, height)
    paper = cover(rng, "calm", "tiles", "calm", repeats=rng.uniform(0.2, 1.0))
    for side in range(4):
        _wall(world, rng, paper, side, (width, length, height), windows=False)
    gap, kind = rng.uniform(1.5, 5), rng.integers(4)
    paint = cover(rng, "calm", "marble", "wood")
    for y in np.arange(-length / 2 + 1, length / 2 - 0.5, gap):
        for x in (-1, 1):
            spot = np.array([x * width * rng.uniform(0.3, 0.48) if kind == 3 else x * width * 0.42, y, 0])
            if kind == 0:
                world.add(things.cylinder(20), paint, spot, size=(0.4, 0.4, height))
            elif kind == 1:
                things.picture(world, rng, np.array([x * (width / 2 - 0.02), y, 0.9]), x * np.pi / 2, (1.0, 1.2))
            elif kind == 2:
                things.shelf(world, rng, spot, x * np.pi / 2 + np.pi)
            else:
                _something(world, rng, spot)
    for _ in range(int(rng.integers(0, 5))):
        things.person(world, rng, np.array([rng.uniform(-0.3, 0.3) * width, rng.uniform(-0.45, 0.45) * length, 0]))
    lamps = [np.array([0, y, height * 0.9]) for y in np.linspace(-0.4, 0.4, 3) * length]
    standing = np.array([rng.uniform(-0.25, 0.25) * width, -length * rng.uniform(0.2, 0.48), rng.uniform(0.8, 2.0)])
    return (
        world,
        View(standing, np.array([rng.normal(0, 0.15) * width, length * 0.3, rng.uniform(0.3, 2.5)])),
        indoor_light(rng, lamps),
    )


def _floor_and_ceiling(world: World, rng: Generator, width: Number, depth: Number, height: Number) -> None:
    box(
        world,
        cover(rng, "wood", "tiles", "calm", "pattern", repeats=rng.uniform(0.25, 1.2)),
        (0, 0, -0.1),
        (width, depth, 0.1),
    )
    box(world, Cover(textures().pick(rng, "calm"), 0.3, (1.5, 1.5, 1.5)), (0, 0, height), (width, depth, 0.1))
    if rng.random() < 0.4:
        size = (rng.uniform(0.8, 2.8), rng.uniform(0.8, 2.8), 0.012)
        spot = (rng.uniform(-0.2, 0.2) * width, rng.uniform(-0.2, 0.2) * depth, 0.0)
        box(world, cover(rng, "pattern", "speckled", "calm", repeats=0.5), spot, size, rng.uniform(0, 0.4))


def _wall(
    world: World, rng: Generator, paper: Cover, side: int, size: tuple[Number, Number, Number], *, windows: bool = True
) -> bool:
    """A wall, perhaps with a window as a hole, a door, pictures; whether there is a hole."""
    width, depth, height = size
    long, away = (width, depth / 2) if side % 2 == 0 else (depth, width / 2)
    turn = side * np.pi / 2
    move = about_z(turn)

    def put(paint: Cover, along: Number, bottom: Number, wide: Number, high: Number, thick: Number = 0.12) -> None:
        box(world, paint, move @ [along, away + thick / 2, bottom], (wide, thick, high), turn)

    hole = windows and bool(rng.random() < 0.3)
    if hole:
        wide, high = min(rng.uniform(0.7, 2.4), long * 0.7), rng.uniform(0.8, 1.4)
        middle, sill = rng.uniform(-0.5, 0.5) * (long - wide - 0.1), rng.uniform(0.3, 0.95)
        left, right = middle - wide / 2 + long / 2, long / 2 - middle - wide / 2
        put(paper, -long / 2 + left / 2, 0, left, height)
        put(paper, long / 2 - right / 2, 0, right, height)
        put(paper, middle, 0, wide, sill)
        put(paper, middle, sill + high, wide, max(height - sill - high, 0.01))
        frame = cover(rng, "calm", "wood")
        for x in np.linspace(-0.5, 0.5, int(rng.integers(2, 5))):
            put(frame, middle + x * wide, sill, 0.05, high, 0.08)
        for z in np.linspace(0, 1, int(rng.integers(2, 4))):
            put(frame, middle, sill + z * high - 0.02, wide, 0.05, 0.08)
    else:
        put(paper, 0, 0, long, height)
    put(cover(rng, "calm", "wood"), 0, 0, long, 0.08, -0.03)
    for _ in range(int(rng.integers(0, 4)) if not hole else 0):
        along, kind = rng.uniform(-0.42, 0.42) * long, rng.random()
        spot = move @ [along, away - 0.02, rng.uniform(0.9, 1.7)]
        if kind < 0.75:
            things.picture(world, rng, spot, turn, (rng.uniform(0.2, 1.3), rng.uniform(0.2, 1.0)))
        else:
            put(cover(rng, "wood", "calm"), along, 0, 0.9, 2.05, -0.05)
    return hole


def _outside(world: World, rng: Generator, size: Number) -> None:
    """What is to be seen from the window."""
    box(world, cover(rng, "earth", "rough", repeats=0.2), (0, 0, -rng.uniform(0.5, 6)), (300, 300, 0.1))
    for _ in range(int(rng.integers(2, 9))):
        far, way = size + rng.uniform(4, 40), rng.uniform(0, 6.3)
        spot = np.array([far * np.cos(way), far * np.sin(way), -1.0])
        if rng.random() < 0.6:
            plants.tree(world, rng, spot, rng.uniform(4, 14))
        else:
            box(world, cover(rng, "facade", repeats=0.12), spot, (rng.uniform(6, 15), 10, rng.uniform(5, 20)), way)


def _furnish(world: World, rng: Generator, width: Number, depth: Number, height: Number) -> None:
    for _ in range(int(rng.integers(5, 24) * min(1.0, width * depth / 25 + 0.3))):
        spot = np.array([rng.uniform(-0.45, 0.45) * width, rng.uniform(-0.45, 0.45) * depth, 0])
        turn = rng.normal(0, 0.12) + int(rng.integers(4)) * np.pi / 2
        kind = rng.random()
        if kind < 0.2:
            things.table(world, rng, spot, turn)
        elif kind < 0.42:
            things.chair(world, rng, spot, turn + rng.normal(0, 0.4))
        elif kind < 0.53:
            things.sofa(world, rng, spot, turn)
        elif kind < 0.72:
            side = int(rng.integers(4))
            along = rng.uniform(-0.4, 0.4)
            near = 0.28
            places = [
                (along * width, depth / 2 - near),
                (-width / 2 + near, along * depth),
                (along * width, near - depth / 2),
                (width / 2 - near, along * depth),
            ]
            things.shelf(world, rng, np.array([*places[side], 0]), side * np.pi / 2)
        else:
            _something(world, rng, spot)
    if rng.random() < 0.3:
        things.lamp_above(
            world, rng, np.array([rng.uniform(-0.2, 0.2) * width, rng.uniform(-0.2, 0.2) * depth, height])
        )


def _something(world: World, rng: Generator, spot: Place) -> None:
    kind = rng.random()
    if kind < 0.2:
        things.lamp(world, rng, spot, rng.uniform(0.6, 1.7))
    elif kind < 0.45:
        plants.potted(world, rng, spot, rng.uniform(0.4, 1.8))
    elif kind < 0.55:
        things.person(world, rng, spot)
    elif kind < 0.62:
        things.bicycle(world, rng, spot, rng.uniform(0, 6.3))
    elif kind < 0.75:
        things.stack(world, rng, spot, rng.uniform(0.2, 0.8))
    else:
        things.small_thing(world, rng, spot, rng.uniform(0.2, 1.3))
