"""Furniture of the reading room as lists of things, each built around its own foot at the origin, front towards -y."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from photoreal.synth import patterns
from photoreal.synth.shapes import Mesh, Thing, Vertices, at, lathe, merged, placed, rounded_box, sheet, tube
from photoreal.synth.textures import Colour, Finish, Number, fractal_noise, plain, wood

Grid = Float[np.ndarray, "R C"]

WALNUT: tuple[Colour, ...] = ((0.13, 0.07, 0.04), (0.25, 0.14, 0.08), (0.36, 0.22, 0.13), (0.44, 0.29, 0.18))
OAK: tuple[Colour, ...] = ((0.36, 0.24, 0.13), (0.53, 0.38, 0.22), (0.64, 0.48, 0.30), (0.70, 0.55, 0.37))


def varnished(seed: int, tones: tuple[Colour, ...] = WALNUT, roughness: Number = 0.28) -> Finish:
    """Wood under varnish."""
    return Finish(wood(1.024, 0.512, seed, tones), (1.024, 0.512), roughness)


def cushion(size: tuple[Number, Number, Number], plump: Number, seed: int) -> Mesh:
    """A stuffed box: its broad sides swell by `plump` metres and dent unevenly."""
    box = rounded_box(size, min(size) * 0.42, steps=7, cells=26)
    half = np.array(size) / 2
    thin = int(np.argmin(half))
    dents = fractal_noise((64, 64), seed, coarsest=40, finest=9, slope=1.4)

    def swell(vertices: Vertices) -> Vertices:
        unit = np.clip(vertices / half, -1, 1)
        others = [k for k in range(3) if k != thin]
        profile = (1 - unit[:, others[0]] ** 4) * (1 - unit[:, others[1]] ** 4)
        cells = ((unit[:, others] + 1) / 2 * 62).astype(int)
        side = np.clip(unit[:, thin] * 1.6, -1, 1)
        result = vertices.copy()
        result[:, thin] += side * profile * (plump + 0.0035 * dents[cells[:, 0], cells[:, 1]])
        return result

    return box.bent(swell)


def throw_pillow(side: Number, plump: Number, seed: int) -> Mesh:
    """A scatter cushion in the plane y = 0: pointed corners, swollen middle, wrinkled."""
    wrinkles = fractal_noise((48, 48), seed, coarsest=24, finest=6, slope=1.2)

    def face(sign: Number) -> Callable[[Grid, Grid], Float[np.ndarray, "R C 3"]]:
        def point(u: Grid, v: Grid) -> Float[np.ndarray, "R C 3"]:
            a, b = 2 * u / side - 1, 2 * v / side - 1
            pinch = 1 - 0.10 * (1 - np.abs(a * b)) * (a**2 + b**2 - a**2 * b**2)
            swell = ((1 - a**2) * (1 - b**2)) ** 0.42
            dent = wrinkles[((b + 1) * 23.4).astype(int), ((a + 1) * 23.4).astype(int)]
            depth = sign * swell * (plump + 0.004 * dent)
            return np.stack([a * pinch * side / 2 * -sign, depth, b * pinch * side / 2], -1)

        return point

    return merged([sheet(face(sign), (side, side), (40, 40)) for sign in (-1.0, 1.0)])


def armchair(seed: int) -> list[Thing]:
    """An upholstered armchair in tweed with wooden legs, a printed pillow and a plaid blanket over one arm."""
    tones = ((0.10, 0.15, 0.14), (0.22, 0.29, 0.26), (0.38, 0.44, 0.38), (0.58, 0.58, 0.48))
    cloth = Finish(patterns.tweed(0.512, seed, tones), (0.512, 0.512), 0.85, 0.15, sheen=0.4)
    arms = [rounded_box((0.15, 0.78, 0.40), 0.065, 6, 12).moved(at(side * 0.365, 0, 0.42)) for side in (-1, 1)]
    back = cushion((0.60, 0.17, 0.64), 0.035, seed + 1).bent(_tufts)
    body = [
        rounded_box((0.72, 0.74, 0.16), 0.04, 4, 8).moved(at(0, 0, 0.24)),
        cushion((0.575, 0.64, 0.17), 0.03, seed + 2).moved(at(0, -0.07, 0.40)),
        back.moved(at(0, 0.24, 0.70, tilt=-11)),
        rounded_box((0.70, 0.12, 0.62), 0.055, 5, 8).moved(at(0, 0.335, 0.60, tilt=-9)),
        *arms,
    ]
    leg = lathe(
        [(0.0, 0.0), (0.016, 0.0), (0.018, 0.01), (0.027, 0.15), (0.030, 0.17), (0.0, 0.17)], sides=20, smooth=3
    )
    legs = merged([leg.moved(at(x, y, 0)) for x in (-0.31, 0.31) for y in (-0.31, 0.31)])
    piping = merged([_loop((0.545, 0.61), height).moved(at(0, -0.07, 0.40)) for height in (-0.055, 0.055)])
    linen = Finish(patterns.block_print(0.4, seed + 3, (0.82, 0.76, 0.62), (0.62, 0.24, 0.12)), (0.4, 0.4), 0.85, 0.2)
    wool_colours = ((0.76, 0.68, 0.52), (0.55, 0.20, 0.13), (0.16, 0.22, 0.32), (0.36, 0.36, 0.22))
    wool = Finish(patterns.plaid(0.512, seed + 4, wool_colours), (0.512, 0.512), 0.9, 0.1, sheen=0.5)
    return [
        Thing("armchair", merged(body), cloth),
        Thing("armchair piping", piping, plain((0.07, 0.09, 0.09), roughness=0.8, seed=seed)),
        Thing("armchair legs", legs, varnished(seed + 5)),
        Thing(
            "pillow", throw_pillow(0.43, 0.075, seed + 6).moved(at(-0.10, 0.06, 0.70, turn=8, tilt=-24, roll=7)), linen
        ),
        Thing("blanket", _blanket(seed + 7).moved(at(0.365, -0.08, 0.625)), wool),
    ]


def _tufts(vertices: Vertices) -> Vertices:
    """Buttoned dimples in the front of a back cushion."""
    result = vertices.copy()
    front = vertices[:, 1] < 0
    for x in (-0.16, 0.0, 0.16):
        for z in (-0.14, 0.12):
            distance = np.hypot(vertices[:, 0] - x, vertices[:, 2] - z)
            result[:, 1] += front * 0.030 * np.exp(-((distance / 0.034) ** 2))
    return result


def _loop(size: tuple[Number, Number], height: Number) -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 49)
    corner = 0.22
    x = size[0] / 2 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** corner
    y = size[1] / 2 * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** corner
    return tube(np.stack([x, y, np.full_like(x, height)], -1).tolist(), 0.006, sides=8, smooth=2)


def _blanket(seed: int) -> Mesh:
    """A strip that hangs over an arm whose top is at z = 0; it runs along y and falls down both sides in folds."""
    waves = fractal_noise((128, 64), seed, coarsest=60, finest=14, slope=1.3)
    inside, over, outside = 0.11, 0.20, 0.42

    def point(u: Grid, v: Grid) -> Float[np.ndarray, "R C 3"]:
        turn = np.clip((v - inside) / over, 0, 1) * np.pi
        x = -0.088 * np.cos(turn)
        z = 0.055 * np.sin(turn) - np.clip(inside - v, 0, None) - np.clip(v - inside - over, 0, None) - 0.030
        hang = np.clip((v - inside - over) / outside, 0, 1) + 0.5 * np.clip((inside - v) / inside, 0, 1)
        fold = 0.014 * hang * np.sin(u * 34) + 0.004 * waves[(v * 80).astype(int) % 128, (u * 90).astype(int) % 64]
        return np.stack([x + np.sign(x) * np.abs(fold + 0.008), u - 0.2 + 0.02 * np.sin(v * 7), z + 0.003 * fold], -1)

    return sheet(point, (0.40, inside + over + outside), (70, 110))


def side_table(seed: int) -> list[Thing]:
    """A round turned table, 0.55 m high."""
    top = lathe([(0.0, 0.520), (0.27, 0.520), (0.288, 0.530), (0.288, 0.545), (0.280, 0.552), (0.0, 0.552)], smooth=0)
    column = [
        (0.0, 0.03), (0.16, 0.03), (0.165, 0.045), (0.10, 0.06), (0.045, 0.085), (0.030, 0.13), (0.045, 0.19),
        (0.052, 0.24), (0.030, 0.29), (0.022, 0.36), (0.034, 0.42), (0.026, 0.47), (0.06, 0.51), (0.07, 0.521),
    ]  # fmt: skip
    feet = [lathe([(0.0, 0.0), (0.03, 0.0), (0.034, 0.016), (0.02, 0.034), (0.0, 0.036)], sides=24) for _ in range(3)]
    angles = np.radians([90, 210, 330])
    spread = [foot.moved(at(0.14 * np.cos(a), 0.14 * np.sin(a), 0)) for foot, a in zip(feet, angles, strict=True)]
    finish = varnished(seed, roughness=0.18)
    flat = top.with_uvs(lambda uv: uv)
    planar = Mesh(flat.vertices, flat.normals, flat.vertices[:, :2] * 1.0, flat.faces)
    return [Thing("table", merged([planar, lathe(column), *spread]), finish)]


def bookcase(width: Number, height: Number, seed: int) -> list[Thing]:
    """An open bookcase with shelves at `shelf_heights(height)`; its back stands at y = 0.15, its front at -0.15."""
    board, depth = 0.024, 0.30
    parts = [
        rounded_box((board, depth, height), 0.003, 2).moved(at(s * (width / 2 - board / 2), 0, height / 2))
        for s in (-1, 1)
    ]
    upright = [Mesh(part.vertices, part.normals, part.uvs[:, ::-1], part.faces) for part in parts]
    levels = shelf_heights(height)
    flat = [
        rounded_box((width - 2 * board, depth - 0.01, board), 0.003, 2).moved(at(0, 0, z - board / 2))
        for z in (*levels, height)
    ]
    crown = rounded_box((width + 0.05, depth + 0.03, 0.03), 0.008, 3).moved(at(0, -0.01, height + 0.012))
    plinth = rounded_box((width - 0.02, 0.02, 0.07), 0.003, 2).moved(at(0, -0.12, 0.035))
    rear = rounded_box((width - 0.02, 0.01, height - 0.04), 0.002, 1).moved(at(0, 0.143, height / 2))
    finish = varnished(seed, OAK, 0.35)
    return [
        Thing("bookcase", merged([*upright, *flat, crown, plinth]), finish),
        Thing("bookcase back", rear, varnished(seed + 1, OAK, 0.5)),
    ]


def shelf_heights(height: Number) -> tuple[float, ...]:
    """Upper faces of a bookcase's shelves, from the lowest up, leaving headroom under the top."""
    count = max(2, round((height - 0.08) / 0.36))
    return tuple(0.09 + k * (height - 0.09) / count for k in range(count))


def floor_lamp(seed: int) -> list[Thing]:
    """A brass standing lamp with a linen shade."""
    brass = plain((0.72, 0.52, 0.24), roughness=0.25, metallic=1.0, seed=seed)
    base = lathe([(0.0, 0.0), (0.14, 0.0), (0.145, 0.012), (0.11, 0.022), (0.03, 0.032), (0.012, 0.06), (0.0, 0.06)])
    pole = tube([(0, 0, 0.05), (0, 0, 0.7), (0, 0, 1.42)], 0.010, sides=16)
    knob = lathe([(0.0, 0.70), (0.018, 0.71), (0.022, 0.73), (0.012, 0.755), (0.0, 0.76)], sides=24)
    shade = lathe([(0.205, 1.26), (0.135, 1.56), (0.131, 1.56), (0.200, 1.262)], smooth=0, sides=72)
    linen = Finish(
        patterns.tweed(0.256, seed + 1, ((0.62, 0.54, 0.40), (0.78, 0.70, 0.55), (0.86, 0.80, 0.67))),
        (0.256, 0.256),
        0.9,
        0.1,
    )
    trims = merged([_ring(radius, z) for radius, z in ((0.206, 1.262), (0.136, 1.557))])
    return [
        Thing("lamp", merged([base, pole, knob]), brass),
        Thing("lamp shade", shade, linen),
        Thing("lamp trim", trims, plain((0.28, 0.12, 0.07), roughness=0.8, seed=seed)),
    ]


def _ring(radius: Number, height: Number) -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 65)
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full_like(angle, height)], -1)
    return tube(path.tolist(), 0.005, sides=8, smooth=1)


def pouf(seed: int) -> list[Thing]:
    """A knitted footstool with ribs that run from pole to pole."""
    profile = [
        (0.0, 0.0),
        (0.17, 0.0),
        (0.225, 0.05),
        (0.245, 0.15),
        (0.225, 0.25),
        (0.16, 0.305),
        (0.05, 0.312),
        (0.0, 0.306),
    ]

    def knit(vertices: Vertices) -> Vertices:
        angle, radius = np.arctan2(vertices[:, 1], vertices[:, 0]), np.hypot(vertices[:, 0], vertices[:, 1])
        plait = (
            np.abs(np.sin(angle * 18)) - 0.5 + 0.35 * np.sin(vertices[:, 2] * 210 + np.sign(np.sin(angle * 36)) * 1.3)
        )
        grow = 1 + 0.006 * plait / np.maximum(radius, 0.06) * (radius > 0.02)
        return vertices * np.stack([grow, grow, np.ones_like(grow)], -1)

    yarn = Finish(
        patterns.tweed(0.256, seed, ((0.50, 0.30, 0.10), (0.70, 0.46, 0.17), (0.80, 0.60, 0.30))),
        (0.256, 0.256),
        0.9,
        0.1,
    )
    return [Thing("pouf", lathe(profile, sides=432, smooth=14).bent(knit), yarn)]


def picture_frame(size: tuple[Number, Number], picture: np.ndarray, seed: int) -> list[Thing]:
    """A picture in a mount and a moulded frame, hung with its back at y = 0 and centred at the origin."""
    width, height = size
    bar, mount = 0.032, 0.05
    rails = [
        rounded_box((width + 2 * bar, 0.028, bar), 0.009, 4).moved(at(0, -0.016, s * (height + bar) / 2))
        for s in (-1, 1)
    ]
    stiles = [rounded_box((bar, 0.027, height), 0.009, 4).moved(at(s * (width + bar) / 2, -0.016, 0)) for s in (-1, 1)]
    turned = [Mesh(part.vertices, part.normals, part.uvs[:, ::-1], part.faces) for part in stiles]
    board = sheet(
        lambda u, v: np.stack([u - width / 2, np.full_like(u, -0.010), v - height / 2], -1), (width, height), (1, 1)
    )
    inner = (width - 2 * mount, height - 2 * mount)
    canvas = sheet(
        lambda u, v: np.stack([u - inner[0] / 2, np.full_like(u, -0.0125), v - inner[1] / 2], -1), inner, (1, 1)
    )
    return [
        Thing("frame", merged([*rails, *turned]), varnished(seed, WALNUT if seed % 2 else OAK, 0.25)),
        Thing("mount", board, plain((0.80, 0.77, 0.69), roughness=0.9, seed=seed)),
        Thing("picture", canvas, Finish(picture, inner, 0.35, 0.4)),
    ]


def curtain(width: Number, height: Number, seed: int) -> list[Thing]:
    """A printed linen curtain in folds that hangs from a brass rod, in the plane x = 0, its foot at the origin."""

    def point(u: Grid, v: Grid) -> Float[np.ndarray, "R C 3"]:
        low = 1 - v / height
        fold = np.sin(u * 44 + 1.2 * low * np.sin(u * 9)) * (0.034 + 0.012 * low) + 0.012 * np.sin(u * 17 + 5 * low)
        return np.stack([fold, u * 0.62 - 0.31 * width + 0.02 * low * np.sin(u * 13), v], -1)

    print_ = patterns.block_print(0.512, seed, (0.80, 0.75, 0.63), (0.20, 0.34, 0.38))
    return [Thing("curtain", sheet(point, (width, height), (220, 60)), Finish(print_, (0.4, 0.4), 0.9, 0.1))]


def stood(things: list[Thing], x: Number, y: Number, z: Number = 0.0, turn: Number = 0.0) -> list[Thing]:
    """The things set down at (x, y, z) and turned about the vertical by `turn` degrees."""
    return placed(things, at(x, y, z, turn=turn))
