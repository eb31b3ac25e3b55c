"""Things that people make, at their usual sizes: furniture, cars, lamps, fences, houses. Metres, z up."""

import math

import numpy as np
from numpy.random import Generator

from photoreal.synth.textures import Number
from photoreal.synth.worlds.bodies import Body, any_body, ball, block, body_of, cone, cylinder, lathe, tube
from photoreal.synth.worlds.paint import colour, textures
from photoreal.synth.worlds.world import Cover, World, about_z, any_turn

Place = np.ndarray
_SMALL = ("turned", "blob", "stone", "heap", "plate", "bar", "turned", "blob")


def tinted(rng: Generator, spread: Number = 0.3) -> tuple[Number, Number, Number]:
    """What makes one texture many."""
    tint = np.clip(np.exp(rng.normal(0, spread) + rng.normal(0, spread / 2, 3)), 0.25, 2.2)
    return float(tint[0]), float(tint[1]), float(tint[2])


def cover(rng: Generator, *kinds: str, repeats: Number | None = None, gloss: Number | None = None) -> Cover:
    """A texture of these kinds, or of those that are for things."""
    chosen = textures().pick(rng, *(kinds or ("speckled", "calm", "calm", "marble", "wood", "pattern", "photo")))
    often = float(np.exp(rng.uniform(-1.0, 1.6))) if repeats is None else repeats
    shine = float(rng.choice([0.0, 0.0, rng.uniform(0.1, 1.0)])) if gloss is None else gloss
    return Cover(chosen, often, tinted(rng), shine)


def box(
    world: World, paint: Cover, at: Place | tuple[Number, ...], size: tuple[Number, ...], turn: Number = 0.0
) -> None:
    """A box of a width, depth and height that stands at a place."""
    world.add(block(), paint, np.asarray(at), size=np.asarray(size), turn=turn)


def small_thing(world: World, rng: Generator, at: Place | tuple[Number, ...], size: Number) -> None:
    """Something of a size that stands somewhere, now and then fallen over."""
    body = any_body(rng, _SMALL)
    stretch = size * np.exp(rng.normal(0, 0.2, 3))
    turn = rng.uniform(0, 6.3)
    paint = cover(rng, repeats=float(np.exp(rng.uniform(-0.7, 1.2)) / size))
    if rng.random() < 0.15:
        turned = body.vertices * stretch @ any_turn(rng).T
        turned[:, 2] -= turned[:, 2].min()
        world.add(Body(turned, body.faces, body.smooth), paint, np.asarray(at))
        return
    world.add(body, paint, np.asarray(at), size=stretch, turn=turn)


def stack(world: World, rng: Generator, at: Place, size: Number) -> None:
    """Books or boxes on top of each other."""
    height = 0.0
    for _ in range(int(rng.integers(1, 6))):
        thick = size * rng.uniform(0.06, 0.3)
        kind = cover(rng, "poster", "calm", "pattern", repeats=0 if rng.random() < 0.6 else 2.0)
        box(world, kind, np.asarray(at) + [0, 0, height], (size, size * 0.7, thick), rng.uniform(-0.4, 0.4))
        height += thick


def legs(world: World, rng: Generator, paint: Cover, at: Place, spread: tuple[Number, Number, Number, Number]) -> None:
    """Four legs of a width, depth and height, and a thickness, round or square, upright or splayed."""
    width, depth, height, thick = spread
    around = bool(rng.random() < 0.4)
    turn = about_z(float(at[3]))
    for x in (-1, 1):
        for y in (-1, 1):
            foot = turn @ [x * width / 2, y * depth / 2, 0] + at[:3]
            world.add(cylinder(10) if around else block(), paint, foot, size=(thick, thick, height), turn=float(at[3]))


def table(world: World, rng: Generator, at: Place, turn: Number, *, laid: bool = True) -> None:
    """A table with or without things on it."""
    width, depth, height = rng.uniform(0.5, 2.0), rng.uniform(0.45, 1.1), rng.uniform(0.35, 0.95)
    paint, thick = cover(rng, "wood", "wood", "calm", "marble"), rng.uniform(0.015, 0.07)
    if rng.random() < 0.25:
        world.add(cylinder(30), paint, np.asarray(at) + [0, 0, height - thick], size=(width, width, thick))
        world.add(body_of("turned", int(rng.integers(160))), paint, at, size=(0.3, 0.3, (height - thick) * 1.0))
        depth = width
    else:
        box(world, paint, np.asarray(at) + [0, 0, height - thick], (width, depth, thick), turn)
        thin = rng.uniform(0.02, 0.09)
        legs(world, rng, paint, np.append(at, turn), (width * 0.92, depth * 0.9, height - thick, thin))
    if laid:
        for _ in range(int(rng.integers(0, 8))):
            spot = about_z(turn) @ [rng.uniform(-0.42, 0.42) * width, rng.uniform(-0.4, 0.4) * depth, height] + at
            (small_thing if rng.random() < 0.75 else stack)(world, rng, spot, rng.uniform(0.06, 0.4))


def chair(world: World, rng: Generator, at: Place, turn: Number) -> None:
    """A chair with a back of a board, bars or nothing."""
    width, seat = rng.uniform(0.38, 0.6), rng.uniform(0.38, 0.5)
    paint, thin = cover(rng, "wood", "calm", "speckled"), rng.uniform(0.015, 0.05)
    soft = cover(rng, "pattern", "calm", "wood")
    box(world, soft, np.asarray(at) + [0, 0, seat], (width, width, rng.uniform(0.02, 0.12)), turn)
    legs(world, rng, paint, np.append(at, turn), (width * 0.9, width * 0.9, seat, thin))
    high, back = rng.uniform(0.3, 0.65), about_z(turn)
    if rng.random() < 0.5:
        box(world, soft, back @ [0, width / 2, seat] + at, (width, 0.03, high), turn)
    else:
        for x in np.linspace(-0.45, 0.45, int(rng.integers(2, 8))) * width:
            box(world, paint, back @ [x, width / 2, seat] + at, (thin, thin, high), turn)
        box(world, paint, back @ [0, width / 2, seat + high] + at, (width, thin * 1.5, thin * 2), turn)


def sofa(world: World, rng: Generator, at: Place, turn: Number) -> None:
    """A sofa or an armchair or a bed, with cushions."""
    width, paint = rng.uniform(0.7, 2.4), cover(rng, "calm", "pattern", "speckled", gloss=0.0)
    soft, move = body_of("stone", int(rng.integers(160))), about_z(turn)
    box(world, paint, at, (width, 0.85, rng.uniform(0.3, 0.48)), turn)
    box(world, paint, move @ [0, 0.38, 0] + at, (width, 0.2, rng.uniform(0.6, 1.0)), turn)
    for side in (-1, 1):
        box(world, paint, move @ [side * width / 2, 0, 0] + at, (0.18, 0.85, 0.6), turn)
    for _ in range(int(rng.integers(0, 4))):
        spot = move @ [rng.uniform(-0.4, 0.4) * width, rng.uniform(0, 0.2), 0.42] + at
        world.add(soft, cover(rng, "pattern", "calm"), spot, size=(0.45, 0.2, 0.4), turn=turn + rng.normal(0, 0.3))


def shelf(world: World, rng: Generator, at: Place, turn: Number) -> None:
    """Shelves with books and things, or a cupboard."""
    width, height, depth = rng.uniform(0.5, 2.2), rng.uniform(0.6, 2.3), rng.uniform(0.2, 0.5)
    paint, move = cover(rng, "wood", "calm"), about_z(turn)
    if rng.random() < 0.3:
        box(world, paint, at, (width, depth, height), turn)
        for x in np.linspace(-0.5, 0.5, int(rng.integers(2, 5)))[:-1]:
            knob = move @ [x * width + 0.08, -depth / 2, height * 0.5] + at
            world.add(ball(6, 8), cover(rng, "calm"), knob, size=0.05)
        return
    box(world, paint, move @ [0, depth / 2, 0] + at, (width, 0.02, height), turn)
    levels = int(rng.integers(2, 7))
    for side in (-1, 1):
        box(world, paint, move @ [side * width / 2, 0, 0] + at, (0.025, depth, height), turn)
    for level in range(levels + 1):
        bottom = height * level / levels
        box(world, paint, move @ [0, 0, bottom] + at, (width, depth, 0.025), turn)
        x = -width / 2 + 0.03
        while level < levels and x < width / 2 - 0.1:
            thick, high = rng.uniform(0.015, 0.07), rng.uniform(0.45, 0.9) * height / levels
            spot = move @ [x + thick / 2, -0.02, bottom + 0.025] + at
            if rng.random() < 0.8:
                book = cover(rng, "poster", "calm", "photo", repeats=0, gloss=0.0)
                box(world, book, spot, (thick * 0.95, depth * rng.uniform(0.5, 0.8), high), turn)
            elif rng.random() < 0.5:
                small_thing(world, rng, spot, min(0.25, 0.6 * high))
                thick = 0.2
            x += thick if rng.random() < 0.9 else 0.25


def lamp(world: World, rng: Generator, at: Place, height: Number) -> None:
    """A floor lamp or, short, one for a table; its shade glows."""
    paint, shade = cover(rng, "calm", gloss=0.5), textures().pick(rng, "calm")
    world.add(cylinder(20), paint, at, size=(0.28, 0.28, 0.03))
    world.add(cylinder(8), paint, at, size=(0.025, 0.025, height))
    glow = Cover(shade, 1.0, (1.0, 0.9, 0.7), 0.0, float(rng.choice([0.0, rng.uniform(0.3, 1.5)])))
    wide, top = rng.uniform(0.12, 0.3), rng.uniform(0.05, 0.2)
    hat = lathe(np.array([wide, top]), np.array([0.0, rng.uniform(0.15, 0.35)]))
    world.add(hat, glow, np.asarray(at) + [0, 0, height - 0.1])


def picture(world: World, rng: Generator, at: Place, turn: Number, size: tuple[Number, Number]) -> None:
    """A framed picture, screen or mirror-like plate on a wall whose outside is at -y before the turn."""
    width, height = size
    frame, move = rng.uniform(0.01, 0.06), about_z(turn)
    box(world, cover(rng, "wood", "calm"), at, (width + 2 * frame, 0.03, height + 2 * frame), turn)
    inside = cover(rng, "poster", "photo", "photo", repeats=0)
    box(world, inside, move @ [0, -0.012, frame] + at, (width, 0.02, height), turn)


def car(world: World, rng: Generator, at: Place, turn: Number) -> None:
    """A car or a van, rounded a little."""
    long, high = rng.uniform(3.4, 5.0), rng.uniform(1.35, 2.2)
    shade = colour(rng)
    paint = Cover(
        textures().pick(rng, "calm"), 0.3, (float(shade[0]) * 2, float(shade[1]) * 2, float(shade[2]) * 2), 0.8
    )
    glass = Cover(textures().pick(rng, "calm"), 0.3, (0.08, 0.09, 0.11), 1.0)
    sections = np.array([[-0.5, 0.45, 0.6], [-0.48, 0.4, 0.95], [0.3, 0.4, 0.95], [0.48, 0.35, 0.8], [0.5, 0.35, 0.6]])
    move = about_z(turn)
    lower = np.array([[x * long, y, z * high * 0.7] for x, _, z in sections for y in (-0.86, 0.86)])
    bottom = lower * [1, 1, 0] + [0, 0, 0.22]
    _loft(world, paint, bottom, lower, at, turn)
    roof = (
        np.array([[-0.42, 0.62], [-0.3, 1.0], [0.1, 1.0], [0.28, 0.66]])
        if rng.random() < 0.7
        else np.array([[-0.49, 0.62], [-0.47, 1.0], [0.3, 1.0], [0.44, 0.66]])
    )
    upper = np.array([[x * long, y * (0.8 - 0.15 * (z > 0.9)), z * high] for x, z in roof for y in (-1, 1)])
    _loft(world, glass, upper * [1, 1, 0] + [0, 0, 0.6 * high * 0.9], upper, at, turn)
    wheel = cylinder(18)
    upright = Body(wheel.vertices[:, [0, 2, 1]] - [0, 0.5, 0], wheel.faces, smooth=True)
    for x in (-0.31, 0.31):
        for y in (-0.8, 0.8):
            dark = Cover(textures().pick(rng, "calm"), 1.0, (0.06, 0.06, 0.06))
            world.add(upright, dark, move @ [x * long, y, 0.32] + at, size=(0.64, 0.22, 0.64), turn=turn)


def _loft(world: World, paint: Cover, bottom: np.ndarray, top: np.ndarray, at: Place, turn: Number) -> None:
    """A hull between two strips of pairs of points."""
    count = len(top) // 2
    vertices = np.concatenate([bottom, top])
    faces: list[tuple[int, int, int]] = []
    for k in range(count - 1):
        a, b, c, d = 2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2
        up = len(bottom)
        faces += [(a + up, b + up, c + up), (a + up, c + up, d + up)]
        faces += [(a, d, d + up), (a, d + up, a + up), (b, b + up, c + up), (b, c + up, c)]
    last = len(top) - 2
    up = len(bottom)
    faces += [(0, up, up + 1), (0, up + 1, 1), (last, last + 1, last + up + 1), (last, last + up + 1, last + up)]
    world.add(Body(vertices, np.array(faces)), paint, at, turn=turn)


def person(world: World, rng: Generator, at: Place) -> None:
    """Somebody who stands, walks or sits down, of round limbs."""
    tall, turn = rng.uniform(1.45, 1.95), about_z(rng.uniform(0, 6.3))
    trousers, shirt = cover(rng, "calm", "pattern", gloss=0.0), cover(rng, "calm", "pattern", "speckled", gloss=0.0)
    skin = Cover(textures().pick(rng, "calm"), 1.0, tuple(np.array([1.0, 0.72, 0.58]) * rng.uniform(0.3, 1.2)))
    hip, chest = np.array([0, 0, 0.5 * tall]), np.array([0, 0, 0.8 * tall])

    def limb(start: np.ndarray, end: np.ndarray, thick: Number, paint: Cover) -> None:
        path = np.linspace(0, 1, 6)[:, None] * (end - start) + start
        bulge = thick * np.array([0.4, 0.9, 1.0, 1.0, 0.85, 0.4])
        world.add(tube(path @ turn.T, bulge, 10), paint, at)

    stride = rng.uniform(-0.3, 0.3)
    for side in (-1, 1):
        limb(hip + [side * 0.09, 0, 0], np.array([side * 0.1, side * stride, 0]), 0.085, trousers)
        swing = rng.uniform(-0.35, 0.35)
        limb(chest + [side * 0.2, 0, 0], hip + [side * 0.27, swing, rng.uniform(-0.05, 0.3)], 0.055, shirt)
    limb(hip - [0, 0, 0.1], chest + [0, 0, 0.06], 0.17, shirt)
    world.add(ball(12, 16), skin, turn @ [0, 0, 0.86 * tall] + at, size=(0.19, 0.22, 0.14 * tall))
    hair = Cover(textures().pick(rng, "speckled", "calm"), 3.0, (0.2, 0.15, 0.1))
    world.add(ball(8, 12), hair, turn @ [0, 0.02, 0.92 * tall] + at, size=(0.21, 0.23, 0.09 * tall))


def pole(world: World, rng: Generator, at: Place) -> None:
    """A lamp post, a sign, a bollard or a mast with wires."""
    high, thick = rng.uniform(0.8, 7.0), rng.uniform(0.03, 0.14)
    paint = cover(rng, "calm", gloss=0.3)
    world.add(cylinder(10), paint, at, size=(thick, thick, high))
    top, kind = np.asarray(at) + [0, 0, high], rng.integers(4)
    if kind == 0:
        arm = rng.uniform(0.3, 1.5)
        world.add(
            tube(np.array([[0, 0, 0], [arm / 2, 0, 0.1], [arm, 0, 0.0]]) @ about_z(rng.uniform(0, 6.3)).T, 0.03),
            paint,
            top,
        )
    elif kind == 1:
        sign = cover(rng, "poster", repeats=0)
        box(world, sign, top - [0, 0, 0.6], (rng.uniform(0.3, 0.9), 0.02, 0.6), rng.uniform(0, 6.3))
    elif kind == 2:
        way = about_z(rng.uniform(0, 6.3)) @ [rng.uniform(10, 30), 0, 0]
        t = np.linspace(0, 1, 14)[:, None]
        world.add(tube(t * way + np.array([0, 0, 1.0]) * (4 * t * (t - 1)), 0.012, 5), paint, top)
    else:
        world.add(ball(8, 12), cover(rng, "calm"), top, size=rng.uniform(0.15, 0.4))


def fence(world: World, rng: Generator, start: Place, end: Place) -> None:
    """Bars, boards or rails between two places."""
    way = np.asarray(end) - start
    long, turn = float(np.linalg.norm(way)), math.atan2(way[1], way[0])
    high, paint = rng.uniform(0.6, 2.0), cover(rng, "wood", "calm")
    gap, thick = rng.uniform(0.08, 0.5), rng.uniform(0.012, 0.08)
    for share in np.arange(0, 1, gap / max(long, gap)):
        box(world, paint, np.asarray(start) + share * way, (thick, thick, high), turn)
    for level in rng.uniform(0.1, 1.0, int(rng.integers(1, 4))):
        middle = (np.asarray(start) + end) / 2 + [0, 0, level * high]
        box(world, paint, middle, (long, thick * 0.7, thick), turn)


def bicycle(world: World, rng: Generator, at: Place, turn: Number) -> None:
    """Two wheels and a frame of tubes."""
    move, dark = about_z(turn), Cover(textures().pick(rng, "calm"), 1.0, (0.1, 0.1, 0.1))
    paint = cover(rng, "calm", gloss=0.6)
    joints = {
        "rear": (-0.5, 0.33),
        "front": (0.55, 0.33),
        "pedal": (-0.08, 0.3),
        "seat": (-0.2, 0.85),
        "head": (0.4, 0.8),
    }
    for name in ("rear", "front"):
        x, z = joints[name]
        world.add(body_of("wheel", int(rng.integers(160))), dark, move @ [x, 0, z - 0.33] + at, size=0.66, turn=turn)
    for one, two in (
        ("rear", "pedal"),
        ("rear", "seat"),
        ("pedal", "seat"),
        ("seat", "head"),
        ("pedal", "head"),
        ("head", "front"),
    ):
        ends = np.array([[joints[name][0], 0, joints[name][1]] for name in (one, two)])
        world.add(tube(np.linspace(ends[0], ends[1], 3) @ move.T, 0.018, 6), paint, at)
    bar = np.array([[0.4, -0.28, 0.95], [0.42, 0, 0.9], [0.4, 0.28, 0.95]])
    world.add(tube(bar @ move.T, 0.014, 6), dark, at)


def lamp_above(world: World, rng: Generator, at: Place) -> None:
    """A lamp that hangs from a ceiling by a wire."""
    drop = rng.uniform(0.2, 1.0)
    wire = tube(np.array([[0, 0, 0], [0, 0, -drop / 2], [0, 0, -drop]]), 0.008, 5)
    world.add(wire, Cover(textures().pick(rng, "calm"), 1.0, (0.1, 0.1, 0.1)), at)
    shade = body_of("turned", int(rng.integers(160))) if rng.random() < 0.5 else cone()
    wide = rng.uniform(0.2, 0.5)
    glow = Cover(textures().pick(rng, "calm"), 1.0, (1.0, 0.92, 0.8), 0.0, rng.uniform(0.0, 1.5))
    world.add(shade, glow, np.asarray(at) - [0, 0, drop + wide * 0.7], size=(wide, wide, wide * 0.7))
