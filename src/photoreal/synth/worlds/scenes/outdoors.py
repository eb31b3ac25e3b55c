"""Worlds outside: streets, monuments, landscapes and woods."""

import numpy as np
from numpy.random import Generator

from photoreal.synth.textures import Number, fractal_noise
from photoreal.synth.worlds.bodies import Body, block, body_of, cone, cylinder, grid_faces
from photoreal.synth.worlds.light import Light, daylight
from photoreal.synth.worlds.scenes import plants, things
from photoreal.synth.worlds.scenes.things import Place, box, cover
from photoreal.synth.worlds.view import View
from photoreal.synth.worlds.world import World, about_z


def ground(world: World, rng: Generator, height: Number = 0.0, *, flat: bool = False) -> None:
    """Earth, grass or stones as far as one sees; where not flat, hills rise beyond."""
    paint = cover(rng, "earth", "rough", "earth", "tiles", repeats=rng.uniform(0.15, 1.0), gloss=0.0)
    box(world, paint, (0, 0, height - 0.1), (500, 500, 0.1))
    if not flat and rng.random() < 0.8:
        hills(world, rng, height - 0.6, 700, rng.uniform(10, 140), clear=rng.uniform(60, 160))


def hills(world: World, rng: Generator, height: Number, reach: Number, tall: Number, *, clear: Number) -> np.ndarray:
    """A sheet of hills around a clear middle; returns heights by row (y) and column (x), from -reach to reach."""
    side = 150
    slope = rng.uniform(1.3, 2.2)
    noise = fractal_noise((256, 256), int(rng.integers(1 << 30)), coarsest=rng.uniform(60, 200), finest=4, slope=slope)
    rows = np.linspace(-reach, reach, side)
    x, y = np.meshgrid(rows, rows)
    rise = np.clip((np.hypot(x, y) - clear) / (reach * 0.6), 0, 1)
    z = height + tall * rise * np.clip(noise[:side, :side] * 0.5 + 0.4, -0.1, None)
    sheet = Body(np.stack([x, y, z], -1).reshape(-1, 3), grid_faces(side, side), smooth=True)
    world.add(sheet, cover(rng, "foliage", "earth", "rough", repeats=rng.uniform(0.02, 0.2), gloss=0.0))
    return z


def house(
    world: World, rng: Generator, at: Place, turn: Number, size: tuple[Number, Number, Number] | None = None
) -> None:
    """A house with windows, perhaps sills, a roof, a door, a chimney, a tower."""
    width, depth, height = size or (rng.uniform(5, 16), rng.uniform(5, 14), rng.uniform(3, 18))
    wall = cover(rng, "facade", "facade", "facade", "tiles", "calm", repeats=1 / rng.uniform(4, 11), gloss=0.0)
    move, roof = about_z(turn), cover(rng, "tiles", "calm", "speckled", repeats=rng.uniform(0.3, 1.0), gloss=0.0)
    box(world, wall, at, (width, depth, height), turn)
    kind = rng.random()
    if kind < 0.55:
        rise, inset = rng.uniform(0.2, 0.9) * min(width, depth), rng.choice([0.54, 0.54, 0.2])
        eaves = [(-0.54, -0.54, 0), (0.54, -0.54, 0), (0.54, 0.54, 0), (-0.54, 0.54, 0), (-inset, 0, 1), (inset, 0, 1)]
        faces = np.array([(0, 1, 5), (0, 5, 4), (2, 3, 4), (2, 4, 5), (1, 2, 5), (3, 0, 4), (0, 2, 1), (0, 3, 2)])
        world.add(
            Body(np.array(eaves), faces), roof, np.asarray(at) + [0, 0, height], size=(width, depth, rise), turn=turn
        )
    elif kind < 0.8:
        box(world, roof, np.asarray(at) + [0, 0, height], (width + 0.5, depth + 0.5, rng.uniform(0.15, 0.9)), turn)
    if rng.random() < 0.5:
        for level in np.arange(3.0, height, rng.uniform(2.8, 4.5)):
            box(world, wall, np.asarray(at) + [0, 0, level], (width + 0.35, depth + 0.35, rng.uniform(0.1, 0.35)), turn)
    if rng.random() < 0.6:
        _openings(world, rng, at, turn, (width, depth, height))
    if rng.random() < 0.3:
        box(
            world,
            cover(rng, "tiles", "calm"),
            move @ [0.25 * width, 0.1 * depth, height] + at,
            (0.8, 0.8, rng.uniform(1, 4)),
            turn,
        )
    if rng.random() < 0.2:
        wide, tall = rng.uniform(2, 5), height * rng.uniform(1.1, 1.9)
        spot = move @ [rng.choice([-0.5, 0.5]) * width, -0.5 * depth, 0] + at
        world.add(cylinder(24) if rng.random() < 0.6 else block(), wall, spot, size=(wide, wide, tall), turn=turn)
        world.add(cone(), roof, spot + [0, 0, tall], size=(wide * 1.15, wide * 1.15, rng.uniform(1, 6)))


def _openings(world: World, rng: Generator, at: Place, turn: Number, size: tuple[Number, Number, Number]) -> None:
    """Windows that stand out or lie deep, balconies and a door, on the front."""
    width, depth, height = size
    move, frame, glass = about_z(turn), cover(rng, "calm", "wood"), cover(rng, "calm", gloss=1.0)
    wide, tall, out = rng.uniform(0.7, 1.6), rng.uniform(1.0, 2.0), rng.uniform(0.05, 0.35)
    for z in np.arange(1.0, height - tall, tall + rng.uniform(0.8, 1.6)):
        for x in np.arange(-width / 2 + wide, width / 2 - wide / 2, wide + rng.uniform(0.6, 2.0)):
            spot = move @ [x, -depth / 2, z] + at
            box(world, frame, spot, (wide + 0.2, 2 * out, tall + 0.2), turn)
            box(world, glass, move @ [x, -depth / 2 - 0.02, z + 0.1] + at, (wide, 2 * out, tall), turn)
            if rng.random() < 0.1:
                box(world, frame, move @ [x, -depth / 2 - 0.5, z - 0.1] + at, (wide * 1.6, 1.0, 0.1), turn)
                things.fence(
                    world,
                    rng,
                    move @ [x - wide * 0.8, -depth / 2 - 1, z] + at,
                    move @ [x + wide * 0.8, -depth / 2 - 1, z] + at,
                )
    box(
        world,
        cover(rng, "wood", "calm"),
        move @ [rng.uniform(-0.3, 0.3) * width, -depth / 2, 0] + at,
        (1.3, 0.3, 2.3),
        turn,
    )


def street(rng: Generator) -> tuple[World, View, Light]:
    """A road between houses or trees, with cars, people, poles and fences."""
    world, half = World(), rng.uniform(2, 8)
    ground(world, rng, -0.12)
    box(
        world,
        cover(rng, "earth", "calm", "rough", repeats=rng.uniform(0.1, 0.5), gloss=0.0),
        (0, 0, -0.6),
        (300, 2 * half, 0.6),
    )
    for side in (-1, 1):
        box(world, cover(rng, "tiles", "calm", repeats=0.6), (0, side * (half + 1.4), -0.5), (300, 2.8, 0.62))
        x, thick = -100.0, rng.uniform(0.5, 1.0)
        tall = rng.uniform(5, 24)
        while x < 100:
            width, depth = rng.uniform(6, 22), rng.uniform(6, 16)
            spot = np.array([x + width / 2, side * (half + 2.9 + rng.uniform(0, 4) + depth / 2), 0])
            if rng.random() < thick:
                house(world, rng, spot, 0.0 if side > 0 else np.pi, (width, depth, tall * rng.uniform(0.5, 1.3)))
            else:
                for _ in range(3):
                    plants.tree(world, rng, spot + rng.normal(0, 4, 3) * [1, 0.6, 0], rng.uniform(3, 13))
            x += width + rng.choice([0.0, rng.uniform(0.5, 8)])
    _along_the_road(world, rng, half)
    standing = np.array([rng.uniform(-6, 6), rng.uniform(-half - 2, half + 2), rng.uniform(1.0, 2.4)])
    if rng.random() < 0.2:
        standing[2] = rng.uniform(3, 25)
    way = rng.choice([0, np.pi]) + rng.normal(0, 0.4) if rng.random() < 0.6 else rng.uniform(0, 6.3)
    down = rng.normal(0.02, 0.14) - 0.015 * (standing[2] - 1.6)
    return world, View(standing, standing + np.array([np.cos(way), np.sin(way), down])), daylight(rng)


def _along_the_road(world: World, rng: Generator, half: Number) -> None:
    for x in np.arange(-50, 50, rng.uniform(4, 14)):
        for side in (-1, 1):
            spot, kind = np.array([x + rng.uniform(-2, 2), side * (half + rng.uniform(0.4, 2.2)), 0.12]), rng.random()
            if kind < 0.2:
                plants.tree(world, rng, spot, rng.uniform(2.5, 8))
            elif kind < 0.5:
                things.pole(world, rng, spot)
            elif kind < 0.6:
                things.small_thing(world, rng, spot, rng.uniform(0.4, 1.6))
            elif kind < 0.7:
                things.bicycle(world, rng, spot, rng.uniform(0, 6.3))
            elif kind < 0.8:
                things.fence(world, rng, spot, spot + [rng.uniform(2, 8), 0, 0])
    for _ in range(int(rng.integers(0, 11))):
        lane = rng.choice([-1, 1]) * (half - rng.uniform(0.9, 1.5) if rng.random() < 0.7 else rng.uniform(0.6, 2.0))
        things.car(
            world, rng, np.array([rng.uniform(-38, 38), lane, 0.02]), rng.choice([0, np.pi]) + rng.normal(0, 0.04)
        )
    for _ in range(int(rng.integers(0, 12))):
        things.person(world, rng, np.array([rng.uniform(-16, 16), rng.uniform(-half - 2.5, half + 2.5), 0.05]))


def monument(rng: Generator) -> tuple[World, View, Light]:
    """A big building or a statue across a square, with columns, wings, trees, people."""
    world = World()
    ground(world, rng)
    if rng.random() < 0.7:
        box(world, cover(rng, "tiles", "earth", "rough", repeats=rng.uniform(0.3, 1.2)), (0, 0, -0.08), (90, 60, 0.1))
    away, width, height = rng.uniform(7, 22), rng.uniform(10, 40), rng.uniform(6, 22)
    house(world, rng, np.array([0, away + 6, 0]), 0.0, (width, 12, height))
    if rng.random() < 0.5:
        paint, count = cover(rng, "calm", "marble", gloss=0.0), int(rng.integers(3, 11))
        for x in np.linspace(-0.42, 0.42, count) * width:
            world.add(cylinder(20), paint, (x, away - 1.6, 0), size=(0.9, 0.9, height * 0.75))
        box(world, paint, (0, away - 1.6, height * 0.75), (width * 0.92, 2.4, height * 0.14))
        for step in range(int(rng.integers(0, 8))):
            box(world, paint, (0, away - 2.4 - 0.35 * step, 0), (width * 0.9, 0.7, max(0.1, 1.2 - 0.16 * step)))
    for side in (-1, 1):
        if rng.random() < 0.65:
            far = side * (width / 2 + rng.uniform(5, 14))
            house(
                world,
                rng,
                np.array([far, away + rng.uniform(-8, 8), 0]),
                rng.choice([0, 0.5]) * np.pi,
                (9, rng.uniform(8, 20), height * rng.uniform(0.5, 1.2)),
            )
    if rng.random() < 0.7:
        spot, foot, paint = (
            np.array([*rng.uniform(-4, 4, 2), 0]),
            rng.uniform(0.4, 2.6),
            cover(rng, "calm", "marble", "rough"),
        )
        box(world, paint, spot, (1.7, 1.7, 0.3))
        box(world, paint, spot, (1.2, 1.2, foot))
        statue = body_of(str(rng.choice(["blob", "blob", "turned", "heap"])), int(rng.integers(160)))
        world.add(
            statue,
            cover(rng, "calm", "marble", "rough"),
            spot + [0, 0, foot],
            size=rng.uniform(1, 3.2),
            turn=rng.uniform(0, 6.3),
        )
    for _ in range(int(rng.integers(0, 10))):
        plants.tree(world, rng, np.array([rng.uniform(-18, 18), rng.uniform(-5, away - 2), 0]), rng.uniform(2, 8))
    for _ in range(int(rng.integers(0, 10))):
        things.person(world, rng, np.array([rng.uniform(-9, 9), rng.uniform(-5, away - 3), 0.02]))
    standing = np.array([rng.uniform(-10, 10), -rng.uniform(2, 12), rng.uniform(1.2, 2.2)])
    return (
        world,
        View(standing, np.array([rng.uniform(-5, 5), rng.uniform(0, away), rng.uniform(0.5, height * 0.6)])),
        daylight(rng),
    )


def landscape(rng: Generator) -> tuple[World, View, Light]:
    """Hills, rocks, trees, water, a path, some houses, mountains far off."""
    world, reach = World(), float(np.exp(rng.uniform(np.log(80), np.log(800))))
    tall = reach * rng.uniform(0.02, 0.35)
    z = hills(world, rng, 0.0, reach, tall, clear=rng.uniform(2, 30))

    def at(x: Number, y: Number) -> np.ndarray:
        row, column = (int(np.clip((v + reach) / (2 * reach) * (len(z) - 1), 0, len(z) - 1)) for v in (y, x))
        return np.array([x, y, z[row, column] - 0.05])

    if rng.random() < 0.6:
        hills(world, rng, -5, 4000, rng.uniform(200, 1500), clear=900)
    if rng.random() < 0.3:
        box(
            world,
            cover(rng, "calm", repeats=0.05, gloss=1.0),
            (0, 0, rng.uniform(-0.3, 0.15) * tall),
            (2 * reach, 2 * reach, 0.02),
        )
    for _ in range(int(rng.integers(0, 60))):
        far, way = float(np.exp(rng.uniform(np.log(3), np.log(min(reach, 150))))), rng.uniform(0, 6.3)
        spot, kind = at(far * np.cos(way), far * np.sin(way)), rng.random()
        if kind < 0.5:
            plants.tree(world, rng, spot, rng.uniform(2, 15))
        elif kind < 0.65:
            plants.bush(world, rng, spot, rng.uniform(0.4, 2.5))
        elif kind < 0.85:
            world.add(
                body_of("stone", int(rng.integers(160))),
                cover(rng, "rough", "earth", "calm", gloss=0.0),
                spot,
                size=rng.uniform(0.3, 4, 3),
            )
        elif kind < 0.9:
            house(world, rng, spot - [0, 0, 1], rng.uniform(0, 3), (8, 7, rng.uniform(4, 8)))
        elif kind < 0.96:
            things.person(world, rng, spot)
        else:
            things.fence(world, rng, spot, at(spot[0] + rng.uniform(-15, 15), spot[1] + rng.uniform(-15, 15)))
    for _ in range(int(rng.integers(0, 4))):
        plants.grass(world, rng, at(*rng.normal(0, 3, 2)), rng.uniform(0.3, 2), int(rng.integers(100, 1500)))
    standing = at(0, 0) + [0, 0, rng.uniform(0.4, 2.5) if rng.random() < 0.75 else rng.uniform(3, 0.1 * reach + 4)]
    way = rng.uniform(0, 6.3)
    down = rng.normal(-0.03, 0.14) - (0.2 if standing[2] - at(0, 0)[2] > 4 else 0.0)
    return world, View(standing, standing + np.array([np.cos(way), np.sin(way), down])), daylight(rng)


def wood(rng: Generator) -> tuple[World, View, Light]:
    """Among trees, bushes and grass, or in a garden, with things near by."""
    world = World()
    ground(world, rng)
    for _ in range(int(rng.integers(10, 60))):
        far, way = float(np.exp(rng.uniform(np.log(1.5), np.log(40)))), rng.uniform(0, 6.3)
        plants.tree(world, rng, np.array([far * np.cos(way), far * np.sin(way), 0]), rng.uniform(2, 16))
    for _ in range(int(rng.integers(3, 25))):
        far, way = float(np.exp(rng.uniform(np.log(1.0), np.log(20)))), rng.uniform(0, 6.3)
        spot, kind = np.array([far * np.cos(way), far * np.sin(way), 0]), rng.random()
        if kind < 0.4:
            plants.bush(world, rng, spot, rng.uniform(0.3, 2))
        elif kind < 0.7:
            plants.grass(world, rng, spot, rng.uniform(0.2, 1.5), int(rng.integers(50, 900)))
        elif kind < 0.8:
            things.fence(world, rng, spot, spot + np.array([*rng.normal(0, 4, 2), 0]))
        else:
            things.small_thing(world, rng, spot, rng.uniform(0.2, 1.5))
    if rng.random() < 0.3:
        house(world, rng, np.array([rng.uniform(10, 25), 0, 0]), rng.uniform(0, 6.3))
    standing, way = np.array([0, 0, rng.uniform(0.3, 2.2)]), rng.uniform(0, 6.3)
    return world, View(standing, standing + np.array([np.cos(way), np.sin(way), rng.normal(0, 0.2)])), daylight(rng)
