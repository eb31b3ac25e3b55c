"""The reading room: where everything stands, and where the light comes from.

Metres, z up; x runs along the brick wall from the window's side, y towards the brick wall; the floor is z = 0.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from photoreal.synth import furniture, ornaments, patterns
from photoreal.synth.furniture import stood
from photoreal.synth.shapes import Mesh, Motion, Thing, at, merged, panel, placed, rounded_box, sheet, tube
from photoreal.synth.textures import Finish, Picture, masonry, plain, planks, plaster

WEST, EAST, SOUTH, NORTH, CEILING = -2.0, 2.4, -3.0, 1.7, 2.7
"""The walls' places: x of the window's wall and its opposite, y of the wall behind the camera and of the brick wall."""
WINDOW = (-0.35, 0.75, 0.85, 2.15)
"""The opening that the photographs show, in the western wall: y from, y to, z from, z to."""
SUN_WINDOW = (-2.15, -0.75, 0.75, 2.30)
"""A second opening in the western wall, beside the photographer, through which the sun shines."""
SUN_DIRECTION = (-0.75, -0.46, 0.47)


@dataclass(frozen=True)
class Light:
    """A surface that emits along its normals; `picture` is linear light and covers texture coordinates [0, 1]."""

    mesh: Mesh
    picture: Picture


@dataclass(frozen=True)
class Room:
    """Everything that a path tracer needs of a place."""

    things: tuple[Thing, ...]
    lights: tuple[Light, ...]


def reading_room(seed: int = 7) -> Room:
    """A reading corner before a brick wall: armchair, table, bookcase, lamp, plant, rug and their small things."""
    things = [
        *_shell(seed),
        *_window(seed),
        *_bookcase(seed + 100),
        *_sitting(seed + 200),
        *_walls_hung(seed + 300),
        *_floor_things(seed + 400),
    ]
    return Room(tuple(things), _lights(seed + 500))


def _shell(seed: int) -> list[Thing]:
    width, depth = EAST - WEST, NORTH - SOUTH
    brick, brick_relief = masonry(width, CEILING, seed)
    floor, floor_relief = planks(width, depth, seed + 1)
    east, east_relief = plaster(depth, CEILING, seed + 2)
    north = panel(width, CEILING, brick_relief, 0.006).moved(at(WEST, NORTH, 0))
    ground = panel(width, depth, floor_relief, 0.02).moved(at(WEST, SOUTH, 0, tilt=-90))
    side = panel(depth, CEILING, east_relief, 0.03).moved(at(EAST, NORTH, 0, turn=-90))
    south = panel(width, CEILING).moved(at(EAST, SOUTH, 0, turn=180))
    ceiling = panel(width, depth).moved(at(WEST, NORTH, CEILING, tilt=90))
    skirting = [
        rounded_box((width, 0.022, 0.13), 0.008, 4).moved(at((WEST + EAST) / 2, NORTH - 0.026, 0.065)),
        rounded_box((0.022, depth, 0.13), 0.008, 4).moved(at(WEST + 0.012, (SOUTH + NORTH) / 2, 0.065)),
        rounded_box((0.022, depth, 0.13), 0.008, 4).moved(at(EAST - 0.012, (SOUTH + NORTH) / 2, 0.065)),
    ]
    return [
        Thing("brick wall", north, Finish(brick, (width, CEILING), 0.85, 0.3)),
        Thing("floor", ground, Finish(floor, (width, depth), 0.33, 0.45)),
        Thing("eastern wall", side, Finish(east, (depth, CEILING), 0.9, 0.2)),
        Thing("southern wall", south, Finish(east, (depth, CEILING), 0.9, 0.2)),
        Thing("ceiling", ceiling, plain((0.85, 0.83, 0.78), roughness=0.95, seed=seed)),
        Thing("skirting", merged(skirting), plain((0.33, 0.38, 0.34), roughness=0.35, seed=seed + 3)),
        *_western_wall(seed + 4),
    ]


def _western_wall(seed: int) -> list[Thing]:
    """Plaster around the two openings, its texture continuous from piece to piece."""
    depth = NORTH - SOUTH
    colour, relief = plaster(depth, CEILING, seed, (0.70, 0.69, 0.60))
    upright = sorted({SOUTH, SUN_WINDOW[0], SUN_WINDOW[1], WINDOW[0], WINDOW[1], NORTH})
    pieces: list[Mesh] = []
    for start, stop in pairwise(upright):
        opening = next((w for w in (WINDOW, SUN_WINDOW) if w[0] == start and w[1] == stop), None)
        spans = [(0.0, CEILING)] if opening is None else [(0.0, opening[2]), (opening[3], CEILING)]
        for low, high in spans:
            scale = np.array(relief.shape) / (CEILING, depth)
            rows = slice(int((CEILING - high) * scale[0]), int((CEILING - low) * scale[0]))
            columns = slice(int((start - SOUTH) * scale[1]), int((stop - SOUTH) * scale[1]))
            piece = panel(stop - start, high - low, relief[rows, columns], 0.02)
            offset = np.array([start - SOUTH, low])
            pieces.append(piece.with_uvs(lambda uv, o=offset: uv + o).moved(at(WEST, start, low, turn=90)))
    return [Thing("western wall", merged(pieces), Finish(colour, (depth, CEILING), 0.9, 0.2))]


def _window(seed: int) -> list[Thing]:
    start, stop, low, high = WINDOW
    middle, width, height, deep = (start + stop) / 2, stop - start, high - low, 0.20
    x = WEST - deep / 2
    reveals = [
        rounded_box((deep, 0.02, height + 0.04), 0.004, 2).moved(at(x, side, (low + high) / 2))
        for side in (start - 0.01, stop + 0.01)
    ]
    lintel = rounded_box((deep, width + 0.04, 0.02), 0.004, 2).moved(at(x, middle, high + 0.01))
    sill = rounded_box((deep + 0.10, width + 0.12, 0.035), 0.012, 4).moved(at(x + 0.05, middle, low + 0.0))
    frame = merged([_casement(WINDOW), _casement(SUN_WINDOW)])
    rod = tube(
        [(WEST + 0.09, start - 0.25, 2.32), (WEST + 0.09, middle, 2.32), (WEST + 0.09, stop + 0.30, 2.32)], 0.012
    )
    top = low + 0.018
    return [
        Thing("reveal", merged([*reveals, lintel]), plain((0.74, 0.72, 0.65), roughness=0.9, seed=seed)),
        Thing("sill", sill, furniture.varnished(seed, furniture.OAK)),
        Thing("window frame", frame, plain((0.36, 0.42, 0.38), roughness=0.3, seed=seed + 1)),
        Thing("rod", rod, plain((0.60, 0.43, 0.20), roughness=0.3, metallic=1.0, seed=seed)),
        *placed(furniture.curtain(0.62, 2.27, seed + 2), at(WEST + 0.09, stop + 0.16, 0.03)),
        *stood(ornaments.jar(seed + 3, (0.30, 0.42, 0.40), 0.17), WEST - 0.01, 0.12, top),
        *stood(ornaments.Library(seed + 5).pile(2, 0.17), WEST + 0.02, 0.47, top, turn=80),
    ]


def _casement(opening: tuple[float, float, float, float]) -> Mesh:
    """Two sashes of three panes each in an opening of the western wall."""
    start, stop, low, high = opening
    middle, centre, width, height = (start + stop) / 2, (low + high) / 2, stop - start, high - low
    bars = [((0.05, 0.06, height), start + 0.03, centre), ((0.05, 0.06, height), stop - 0.03, centre)]
    bars += [((0.05, 0.07, height), middle, centre), ((0.05, width, 0.06), middle, high - 0.03)]
    bars += [((0.05, width, 0.06), middle, low + 0.045)]
    bars += [((0.04, width, 0.032), middle, low + height * part) for part in (0.35, 0.66)]
    return merged([rounded_box(size, 0.008, 3).moved(at(WEST - 0.13, y, z)) for size, y, z in bars])


def _bookcase(seed: int) -> list[Thing]:
    width, height = 1.0, 1.95
    library = ornaments.Library(seed)
    inside = width - 0.05
    things = furniture.bookcase(width, height, seed + 1)
    levels = furniture.shelf_heights(height)
    room = levels[1] - levels[0] - 0.03
    left = -inside / 2
    for level, (start, stop) in enumerate([(0.0, 0.93), (0.0, 0.62), (0.26, 0.93), (0.0, 0.50), (0.30, 0.80)]):
        things += stood(library.row((stop - start) * inside, room), left + start * inside, -0.02, levels[level])
    things += stood(ornaments.bust(seed + 2), left + 0.12, -0.03, levels[2], turn=15)
    things += stood(ornaments.globe(seed + 3), left + 0.80, -0.02, levels[1], turn=-30)
    things += stood(library.pile(5, 0.22), left + 0.66, -0.02, levels[3], turn=4)
    things += stood(ornaments.mug(seed + 4, (0.24, 0.36, 0.42)), left + 0.86, -0.04, levels[3], turn=40)
    things += stood(ornaments.jar(seed + 5, (0.66, 0.45, 0.20), 0.22), left + 0.13, -0.02, levels[4])
    things += stood(ornaments.jar(seed + 6, (0.22, 0.28, 0.33), 0.16), left + 0.86, -0.02, levels[4])
    top = height + 0.027
    things += stood(library.pile(4, 0.26), left + 0.22, -0.01, top, turn=-8)
    things += stood(ornaments.jar(seed + 7, (0.52, 0.22, 0.14), 0.28), left + 0.66, 0.0, top)
    return stood(things, -1.36, NORTH - 0.19)


def _sitting(seed: int) -> list[Thing]:
    library = ornaments.Library(seed)
    table = (
        furniture.side_table(seed + 1)
        + stood(ornaments.vase(seed + 2), -0.05, 0.10, 0.552)
        + stood(library.pile(3, 0.21), 0.09, -0.09, 0.552, turn=20)
        + stood(ornaments.mug(seed + 3), -0.14, -0.10, 0.552, turn=200)
    )
    return [
        *stood(furniture.armchair(seed + 4), 0.78, 0.92, turn=-24),
        *stood(table, -0.12, 0.86),
        *stood(furniture.floor_lamp(seed + 5), 1.46, 1.36),
        *stood(ornaments.potted_plant(seed + 6), 1.98, 1.02, turn=40),
    ]


def _walls_hung(seed: int) -> list[Thing]:
    hung: list[tuple[tuple[float, float], Picture, tuple[float, float]]] = [
        ((0.66, 0.50), patterns.landscape(420, 580, seed), (0.42, 1.66)),
        ((0.34, 0.46), patterns.botanical(480, 350, seed + 1), (1.04, 1.72)),
        ((0.30, 0.26), patterns.landscape(240, 290, seed + 4), (1.02, 1.28)),
        ((0.36, 0.50), patterns.botanical(520, 370, seed + 3), (1.98, 1.68)),
    ]
    things: list[Thing] = []
    for k, (size, picture, (x, z)) in enumerate(hung):
        frame = furniture.picture_frame(size, picture, seed + k)
        things += placed(frame, at(x, NORTH - 0.018, z, roll=0.7 * (-1) ** k))
    return [*things, *placed(ornaments.clock(patterns.clock_face(seed)), at(-0.38, NORTH - 0.016, 1.78))]


def _floor_things(seed: int) -> list[Thing]:
    library = ornaments.Library(seed)
    width, depth = 2.3, 1.55
    picture = patterns.rug(width, depth, seed)
    bumps = np.random.default_rng(seed).uniform(0, 6, 4)

    def lie(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        edge = np.minimum(np.minimum(u, width - u), np.minimum(v, depth - v))
        wave = 0.003 * np.sin(7 * u + bumps[0]) * np.sin(5 * v + bumps[1]) + 0.002 * np.sin(13 * v + 4 * u + bumps[2])
        return np.stack([u - width / 2, v - depth / 2, 0.004 + 0.012 * np.clip(edge / 0.006, 0, 1) + wave], -1)

    pile = sheet(lie, (width, depth), (380, 260))
    fringe = [
        tube(
            [(s * width / 2, y, 0.010), (s * (width / 2 + 0.03), y, 0.007), (s * (width / 2 + 0.06), y + bend, 0.005)],
            0.003,
            sides=5,
            smooth=2,
        )
        for s in (-1, 1)
        for y, bend in zip(np.linspace(-0.76, 0.76, 90), 0.01 * np.sin(np.arange(90) * 2.3), strict=True)
    ]
    wool = Finish(picture, (width, depth), 0.95, 0.05, sheen=0.3)
    reading = library.pile(4, 0.27) + stood(ornaments.mug(seed + 1, (0.70, 0.66, 0.55)), 0.0, 0.02, 0.125, turn=-60)
    return [
        *stood(
            [Thing("rug", pile, wool), Thing("fringe", merged(fringe), plain((0.76, 0.70, 0.56), roughness=0.9))],
            0.16,
            0.30,
            turn=5,
        ),
        *stood(furniture.pouf(seed + 2), -0.52, 0.02, 0.016),
        *stood(ornaments.basket(seed + 3), -0.56, 1.36),
        *stood(reading, 1.38, 0.42, turn=30),
    ]


def _lights(seed: int) -> tuple[Light, ...]:
    """Garden light close outside the window, a window behind the photographer, and the sun."""
    view = patterns.garden(256, 320, seed)
    shade = np.broadcast_to(np.array([1.0, 0.98, 0.94]) * 1.3, (4, 4, 3))

    def pane(width: float, height: float, motion: Motion) -> Mesh:
        return panel(width, height).with_uvs(lambda uv: uv / np.array([width, height])).moved(motion)

    outside = pane(2.9, 2.5, at(WEST - 0.55, -0.75, 0.25, turn=90))
    behind = pane(2.2, 1.4, at(1.3, SOUTH + 0.02, 1.0, turn=180))
    toward = np.array(SUN_DIRECTION) / np.linalg.norm(SUN_DIRECTION)
    distance, side = 40.0, 0.9
    middle = np.array([WEST, (SUN_WINDOW[0] + SUN_WINDOW[1]) / 2, (SUN_WINDOW[2] + SUN_WINDOW[3]) / 2])
    across = np.cross([0.0, 0.0, 1.0], toward)
    across /= np.linalg.norm(across)
    motion = np.eye(4)
    motion[:3, :3] = np.stack([across, toward, np.cross(across, toward)], axis=-1)
    motion[:3, 3] = middle + distance * toward - side / 2 * (across + motion[:3, 2])
    sun = pane(side, side, motion)
    sunlight = np.broadcast_to(np.array([1.0, 0.84, 0.64]), (4, 4, 3)) * 7000.0
    return (
        Light(outside, (view * 9.0).astype(np.float32)),
        Light(behind, shade.astype(np.float32)),
        Light(sun, sunlight.astype(np.float32)),
    )
