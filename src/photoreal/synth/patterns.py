"""Procedural patterns of made things: rug, cloth, book covers with lettering, paintings, glazed ware, leaves."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from photoreal.synth.textures import Colour, Field, Number, Picture, fractal_noise, ramp, smooth_step, texel_grid

BOOK_CELL = (320, 160)
"""Rows and columns of one book in the atlas: a third of the columns are the spine, the others a board."""


def rug(width: Number, height: Number, seed: int) -> Picture:
    """A knotted rug: stepped medallions in a field, three borders, uneven dye."""
    knot = 0.007
    rng = np.random.default_rng(seed)
    rows, columns = round(height / knot), round(width / knot)
    x = np.abs(np.arange(columns) - (columns - 1) / 2)[None] + np.zeros((rows, 1))
    y = np.abs(np.arange(rows) - (rows - 1) / 2)[:, None] + np.zeros((1, columns))
    edge = np.minimum(columns / 2 - x, rows / 2 - y)
    along = np.where(columns / 2 - x < rows / 2 - y, y, x)
    colours = np.array(
        [(0.45, 0.09, 0.08), (0.11, 0.14, 0.28), (0.82, 0.74, 0.58), (0.72, 0.47, 0.16), (0.16, 0.33, 0.33)]
    )
    field = _medallions(x, y)
    border = 3 * np.ones_like(field)
    border = np.where(edge < 27, np.where((np.abs(along % 16 - 8) + np.abs(edge - 17)) < 7, 2, 1), border)
    border = np.where((np.abs(along % 16 - 8) + np.abs(edge - 17)) < 3, 0, border)
    border = np.where((edge < 10) & (edge >= 3), np.where((along + edge) % 8 < 4, 0, 2), border)
    border = np.where((edge < 30) & (edge >= 27), np.where(along % 6 < 3, 4, 2), border)
    border = np.where(edge < 3, 1, border)
    knots = colours[np.where(edge < 31, border, field).astype(int)]
    dye = 1 + 0.09 * rng.standard_normal((rows, 1, 1)) + 0.13 * rng.standard_normal((rows, columns, 1))
    x_fine, y_fine = texel_grid(width, height)
    picture = (knots * dye)[
        np.minimum((y_fine / knot).astype(int), rows - 1), np.minimum((x_fine / knot).astype(int), columns - 1)
    ]
    pile = 0.80 + 0.2 * np.abs(np.sin(np.pi * x_fine / knot) * np.sin(np.pi * y_fine / knot))
    worn = 0.06 * fractal_noise(x_fine.shape, seed + 1, coarsest=300, finest=3, slope=1.0)
    return np.clip(picture * (pile + worn)[..., None], 0, 1).astype(np.float32)


def _medallions(x: Field, y: Field) -> Field:
    """Indices of colours in the rug's field, from the distances to its two axes in knots."""
    diamond = x * 0.8 + y
    field = np.zeros_like(x)
    star = (np.abs((x + 11) % 22 - 11) + np.abs((y + 11) % 22 - 11)).astype(int)
    field = np.where(star < 6, 3, field)
    field = np.where((star < 3) | (star == 8), 2, field)
    for radius, index in (
        (74, 1),
        (70, 2),
        (67, 4),
        (58, 1),
        (54, 0),
        (40, 2),
        (37, 1),
        (24, 3),
        (20, 0),
        (9, 2),
        (5, 1),
    ):
        steps = 4 * np.floor(diamond / 4)
        field = np.where(steps < radius, index, field)
    ring = (diamond > 42) & (diamond < 54) & ((x // 3 + y // 3) % 3 == 0)
    inner = (diamond > 24) & (diamond < 37) & (((x + 4) // 4 + y // 4) % 2 == 0) & (x % 8 < 5)
    return np.where(ring, 3, np.where(inner, 2, field))


def tweed(size: Number, seed: int, colours: Sequence[Colour]) -> Picture:
    """Herringbone cloth of two or more yarns with slubs."""
    x, y = texel_grid(size, size, 0.001)
    rib, turn = 0.008, 0.032
    zigzag = np.abs(x % turn - turn / 2)
    twill = ((y + zigzag) % rib) / rib
    slub = fractal_noise(x.shape, seed, coarsest=80, finest=2, slope=0.4)
    patch = fractal_noise(x.shape, seed + 1, coarsest=300, finest=20, slope=1.0)
    picture = ramp(0.5 + 0.38 * np.sin(2 * np.pi * twill) + 0.16 * slub + 0.05 * patch, colours)
    flecks = smooth_step(fractal_noise(x.shape, seed + 2, coarsest=14, finest=3, slope=0.3), 2.0, 2.6)[..., None]
    return np.clip(picture + flecks * 0.25, 0, 1).astype(np.float32)


def plaid(size: Number, seed: int, colours: Sequence[Colour]) -> Picture:
    """A checked blanket; the first colour is the ground, the others are stripes."""
    x, y = texel_grid(size, size, 0.001)
    slub = fractal_noise(x.shape, seed, coarsest=30, finest=2, slope=0.3)[..., None]
    total = np.zeros((*x.shape, 3))
    for position in (x, y):
        phase = position % 0.128
        stripe = np.broadcast_to(np.array(colours[0]), total.shape).copy()
        for k, (start, stop) in enumerate(((0.012, 0.04), (0.052, 0.06), (0.082, 0.110))):
            stripe[(phase >= start) & (phase < stop)] = colours[1 + k % (len(colours) - 1)]
        total += 0.5 * stripe
    thread = np.where(((x / 0.004).astype(int) + (y / 0.004).astype(int)) % 2 == 0, 1.08, 0.9)[..., None]
    return np.clip(total * thread * (1 + 0.07 * slub), 0, 1).astype(np.float32)


def block_print(size: Number, seed: int, ground: Colour, ink: Colour) -> Picture:
    """Printed linen with a repeat of flowers and leaves, unevenly inked."""
    x, y = texel_grid(size, size, 0.001)
    step = size / 4
    px, py = x % step / step - 0.5, (y + 0.5 * step * ((x // step) % 2)) % step / step - 0.5
    radius, angle = np.hypot(px, py), np.arctan2(py, px)
    petals = radius < 0.24 + 0.10 * np.cos(6 * angle)
    holes = (radius < 0.09) | ((radius > 0.14) & (radius < 0.16))
    corner = np.hypot(np.abs(px) - 0.5, np.abs(py) - 0.5)
    buds = (corner < 0.16) & (corner > 0.06) | (np.abs(np.abs(px) + np.abs(py) - 0.52) < 0.02)
    noise = fractal_noise(x.shape, seed, coarsest=40, finest=2, slope=0.6)
    inked = ((petals & ~holes) | buds) * smooth_step(noise, -2.2, -0.8)
    thread = 1 + 0.05 * noise + 0.06 * np.sin(2 * np.pi * x / 0.004) * np.sin(2 * np.pi * y / 0.004)
    picture = np.array(ground) + inked[..., None] * (np.array(ink) - np.array(ground))
    return np.clip(picture * thread[..., None], 0, 1).astype(np.float32)


def book_atlas(count: int, seed: int) -> Picture:
    """Covers of `count` books side by side, each a cell of `BOOK_CELL`: cloth or leather, bands, lettering, wear."""
    rng = np.random.default_rng(seed)
    return np.concatenate([_book(rng, seed + 7 * k) for k in range(count)], axis=1)


def _book(rng: Generator, seed: int) -> Picture:
    rows, columns = BOOK_CELL
    dyes = [
        (0.40, 0.09, 0.08), (0.10, 0.17, 0.31), (0.12, 0.25, 0.16), (0.67, 0.58, 0.42), (0.17, 0.14, 0.12),
        (0.51, 0.31, 0.13), (0.75, 0.71, 0.63), (0.29, 0.36, 0.41), (0.68, 0.42, 0.13), (0.34, 0.17, 0.27),
        (0.57, 0.21, 0.14), (0.23, 0.40, 0.38), (0.81, 0.77, 0.66), (0.45, 0.42, 0.33),
    ]  # fmt: skip
    base = np.array(dyes[rng.integers(len(dyes))]) * rng.uniform(0.8, 1.15)
    ink = np.array((0.78, 0.64, 0.33) if base.mean() < 0.4 else (0.16, 0.11, 0.09))
    picture = np.broadcast_to(base, (rows, columns, 3)).copy()
    spine = columns // 3
    start = rng.integers(14, 40)
    for offset in (start, rows - start, start + 10)[: rng.integers(1, 4)]:
        picture[offset : offset + rng.integers(2, 6), :spine] = ink
    if rng.random() < 0.4:
        label = np.array(dyes[rng.integers(len(dyes))])
        picture[start + 20 : start + 120, 2 : spine - 2] = label
        ink = np.array((0.85, 0.78, 0.6) if label.mean() < 0.4 else (0.12, 0.1, 0.1))
    _write(rng, picture, (int(start) + 24, int(rng.integers(210, 260))), (spine // 2 - 9, 2.6), ink)
    if rng.random() < 0.6:
        _write(rng, picture, (262, rows - int(start) - 4), (spine // 2 - 5, 1.4), ink)
    _board_design(rng, picture[:, spine + 2 :], ink)
    cloth = fractal_noise((rows, columns), seed, coarsest=60, finest=2, slope=0.6)
    wear = smooth_step(fractal_noise((rows, columns), seed + 1, coarsest=50, finest=2, slope=0.9), 1.3, 2.4)
    fade = 1 + 0.06 * cloth + 0.03 * np.where(np.indices((rows, columns)).sum(0) % 4 < 2, 1, -1)
    picture = picture * fade[..., None] + 0.22 * wear[..., None]
    return np.clip(picture, 0, 1).astype(np.float32)


def _write(
    rng: Generator, picture: Picture, rows: tuple[int, int], line: tuple[int, Number], ink: Float[np.ndarray, " 3"]
) -> None:
    """Letter-like strokes down the spine between two rows; `line` is the left column and the letters' scale."""
    column, scale = line
    row = float(rows[0])
    while row < rows[1] - 5 * scale:
        if rng.random() < 0.16:
            row += 3 * scale
            continue
        for stroke in _glyph(rng):
            top, left = row + scale * stroke[0], column + scale * stroke[1]
            bottom, right = top + scale * stroke[2], left + scale * stroke[3]
            picture[int(top) : max(int(top) + 1, int(bottom)), int(left) : max(int(left) + 1, int(right))] = ink
        row += 5 * scale


def _glyph(rng: Generator) -> list[tuple[Number, Number, Number, Number]]:
    """Two to four strokes (row, column, height, width) of a letter 4 units high along the line and 7 across it."""
    strokes = [
        (0.0, 0.0, 1.0, 7.0),
        (3.0, 0.0, 1.0, 7.0),
        (0.0, 6.0, 4.0, 1.0),
        (0.0, 3.0, 4.0, 1.0),
        (0.0, 0.0, 4.0, 1.0),
    ]
    strokes += [(1.5, 0.0, 1.0, 7.0), (2.0, 3.0, 1.0, 4.0)]
    return [strokes[k] for k in rng.choice(len(strokes), rng.integers(2, 5), replace=False)]


def _board_design(rng: Generator, board: Picture, ink: Float[np.ndarray, " 3"]) -> None:
    rows, columns = board.shape[:2]
    y, x = np.indices((rows, columns))
    frame = np.minimum(np.minimum(y, rows - 1 - y), np.minimum(x, columns - 1 - x))
    board[(frame > 8) & (frame < 11)] = ink
    radius, angle = np.hypot(x - columns / 2, y - rows * 0.55), np.arctan2(y - rows * 0.55, x - columns / 2)
    lobes = rng.integers(3, 9)
    board[np.abs(radius - 28 - 9 * np.cos(lobes * angle)) < 2.5] = ink
    board[radius < 8] = ink
    for line in (46, 70):
        for start in range(24, columns - 24, 9):
            if rng.random() < 0.8:
                board[line : line + 12, start : start + 2] = ink
                board[line + int(rng.integers(0, 10)) : line + 12, start + 2 : start + 6] = ink


def pages(seed: int) -> Picture:
    """The edges of a block of paper."""
    lines = fractal_noise((256, 256), seed, coarsest=30, finest=2, slope=0.3, stretch=(30.0, 1.0))
    return np.clip(np.array((0.80, 0.73, 0.59)) * (1 + 0.09 * lines)[..., None], 0, 1).astype(np.float32)


def landscape(rows: int, columns: int, seed: int) -> Picture:
    """A painting of hills under clouds in thick brush strokes."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    strokes = fractal_noise((rows, columns), seed, coarsest=60, finest=3, slope=0.8, stretch=(1.0, 3.5))
    clouds = fractal_noise((rows, columns), seed + 1, coarsest=300, finest=6, slope=1.3, stretch=(1.0, 2.0))
    picture = ramp(y * 1.5 + 0.08 * strokes, [(0.30, 0.45, 0.62), (0.62, 0.70, 0.74), (0.90, 0.78, 0.60)])
    picture += smooth_step(clouds, 0.2, 1.4)[..., None] * 0.25
    for layer in range(5):
        ridge = fractal_noise((8, columns), seed + 10 + layer, coarsest=columns / 1.5, finest=12, slope=1.6)[0]
        hill = smooth_step(y - (0.40 + 0.13 * layer + 0.055 * ridge), 0, 0.012)[..., None]
        greens = [(0.38, 0.47, 0.50), (0.32, 0.42, 0.33), (0.44, 0.46, 0.20), (0.26, 0.30, 0.13), (0.48, 0.33, 0.14)]
        dabs = fractal_noise((rows, columns), seed + 20 + layer, coarsest=26, finest=3, slope=0.5)
        ground = np.array(greens[layer]) * (1 + 0.26 * strokes + 0.3 * dabs * (layer > 1))[..., None]
        picture += (ground - picture) * hill
    sun = np.hypot((x - 0.7) * columns / rows, y - 0.22)
    picture += (np.array((0.98, 0.85, 0.55)) - picture) * smooth_step(-sun, -0.07, -0.05)[..., None]
    return np.clip(picture, 0, 1).astype(np.float32)


def botanical(rows: int, columns: int, seed: int) -> Picture:
    """A print of a branching plant on foxed paper."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    foxing = fractal_noise((rows, columns), seed, coarsest=200, finest=2, slope=0.9)
    picture = np.array((0.84, 0.79, 0.66)) * (1 + 0.05 * foxing)[..., None]
    stem = columns * (0.5 + 0.05 * np.sin(y[:, 0] / rows * 4))
    picture[(np.abs(x - stem[:, None]) < 2) & (y > rows * 0.12) & (y < rows * 0.86)] = (0.22, 0.25, 0.14)
    for k in range(15):
        row = rows * (0.13 + 0.045 * k)
        side, length = (-1) ** k, columns * (0.16 + 0.014 * k)
        slope = rng.uniform(0.25, 0.8)
        u = (x - stem[int(row)]) * side / length
        v = (y - row + slope * u * length) / (0.26 * length)
        leaf = (u > 0) & (u < 1) & (np.abs(v) < np.sin(np.pi * np.clip(u, 0, 1)))
        veins = np.sin(16 * u - 5 * np.abs(v)) > 0.75
        tint = np.array((0.25, 0.36, 0.18)) * rng.uniform(0.8, 1.5) + rng.uniform(0, 0.1)
        picture[leaf] = tint
        picture[leaf & (veins | (np.abs(v) < 0.07))] = tint * 0.55
    line = [int(rows * 0.90), int(columns * 0.3)]
    while line[1] < columns * 0.7:
        picture[line[0] : line[0] + int(rng.integers(6, 14)), line[1] : line[1] + 2] = (0.2, 0.16, 0.12)
        line[1] += int(rng.integers(4, 9))
    return np.clip(picture, 0, 1).astype(np.float32)


def glazed_ware(rows: int, columns: int, seed: int) -> Picture:
    """Cobalt bands, scrolls and petals under a crackled white glaze; the picture wraps once around a pot."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns, endpoint=False), indexing="ij")
    blot = fractal_noise((rows, columns), seed, coarsest=60, finest=2, slope=0.9)
    turn = 2 * np.pi * x
    lines = [np.abs(y - level) < 0.007 for level in (0.08, 0.11, 0.33, 0.36, 0.70, 0.73, 0.90)]
    scroll = np.abs(y - 0.53 - 0.085 * np.sin(8 * turn)) < 0.014
    curls = np.abs(np.hypot((x * 16 % 1 - 0.5) * 0.8, (y - 0.53) * 4) - 0.30) < 0.045
    dots = np.hypot(x * 16 % 1 - 0.5, (y - 0.53) * 5) < 0.13
    petals = (y > 0.75) & (y < 0.75 + 0.13 * np.abs(np.sin(9 * turn))) & (np.abs(np.sin(9 * turn)) > 0.3)
    lattice = (
        (y > 0.13)
        & (y < 0.31)
        & ((np.abs((x * 30 + y * 14) % 1 - 0.5) < 0.1) | (np.abs((x * 30 - y * 14) % 1 - 0.5) < 0.1))
    )
    cobalt = np.logical_or.reduce([*lines, scroll, curls, dots, petals, lattice]) * (0.85 + 0.12 * blot)
    crackle = smooth_step(-np.abs(fractal_noise((rows, columns), seed + 1, coarsest=70, finest=8, slope=1.2)), -0.05, 0)
    picture = np.array((0.86, 0.87, 0.84)) * (1 - 0.10 * crackle + 0.02 * blot)[..., None]
    picture += (np.array((0.07, 0.13, 0.38)) - picture) * np.clip(cobalt, 0, 1)[..., None]
    return np.clip(picture, 0, 1).astype(np.float32)


def leaf(seed: int, colour: Colour = (0.13, 0.28, 0.11)) -> Picture:
    """A broad leaf with veins; the midrib runs along the picture's rows."""
    y, x = np.meshgrid(np.linspace(0, 1, 256), np.linspace(-1, 1, 128), indexing="ij")
    mottle = fractal_noise((256, 128), seed, coarsest=60, finest=2, slope=0.8)
    veins = smooth_step(np.sin(62 * (y - 0.28 * np.abs(x))), 0.86, 1.0)
    rib = smooth_step(-np.abs(x), -0.08, -0.03)
    picture = np.array(colour) * (1 + 0.16 * mottle)[..., None]
    pale = np.maximum(0.45 * veins, 0.85 * rib)[..., None]
    return np.clip(picture + pale * (np.array((0.45, 0.52, 0.26)) - picture), 0, 1).astype(np.float32)


def wicker(seed: int) -> Picture:
    """Woven willow, 12 stakes and 8 rows a tile."""
    y, x = np.meshgrid(np.linspace(0, 1, 256, endpoint=False), np.linspace(0, 1, 384, endpoint=False), indexing="ij")
    over = (np.floor(x * 12) + np.floor(y * 8)) % 2
    strand = np.abs(np.sin(np.pi * y * 8)) * (0.55 + 0.45 * np.abs(np.sin(np.pi * (x * 12 + 0.5 * over))))
    fibre = fractal_noise((256, 384), seed, coarsest=60, finest=2, slope=0.4, stretch=(1.0, 8.0))
    return ramp(0.1 + 0.8 * strand + 0.12 * fibre, [(0.12, 0.07, 0.04), (0.45, 0.29, 0.15), (0.71, 0.53, 0.32)])


def map_globe(seed: int) -> Picture:
    """An old globe: land, sea, coast lines and a grid of meridians."""
    rows, columns = 256, 512
    terrain = fractal_noise((rows, columns), seed, coarsest=220, finest=4, slope=1.6)
    paper = fractal_noise((rows, columns), seed + 1, coarsest=60, finest=2, slope=0.6)[..., None]
    land = smooth_step(terrain, 0.25, 0.29)[..., None]
    sea, soil = np.array((0.38, 0.50, 0.50)), ramp(terrain - 0.2, [(0.72, 0.66, 0.42), (0.70, 0.50, 0.30)])
    picture = sea + (soil - sea) * land
    picture[np.abs(terrain - 0.27) < 0.05] *= 0.5
    picture[:, ::32] *= 0.7
    picture[::32] *= 0.7
    return np.clip(picture * (1 + 0.07 * paper), 0, 1).astype(np.float32)


def garden(rows: int, columns: int, seed: int) -> Picture:
    """What a window shows, out of focus: sky, trees, a lawn. Linear light relative to the sky."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    crowns = fractal_noise((rows, columns), seed, coarsest=160, finest=14, slope=1.2)
    picture = ramp(y, [(0.62, 0.78, 1.0), (0.85, 0.92, 1.0), (1.0, 0.98, 0.94)])
    trees = smooth_step(y + 0.09 * crowns - 0.12 * np.sin(5 * x + 1), 0.50, 0.58)[..., None]
    leaves = np.array((0.20, 0.30, 0.09)) * np.clip(1 + 0.5 * crowns, 0.2, 3)[..., None]
    picture += (leaves - picture) * trees
    lawn = smooth_step(y, 0.80, 0.84)[..., None]
    picture += (np.array((0.30, 0.38, 0.14)) - picture) * lawn
    return np.clip(picture, 0.01, 1).astype(np.float32)


def clock_face(seed: int) -> Picture:
    """An enamelled dial with hour bars, a minute ring and two hands."""
    y, x = np.meshgrid(np.linspace(-1, 1, 320), np.linspace(-1, 1, 320), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(x, -y) / (2 * np.pi) % 1
    stain = fractal_noise((320, 320), seed, coarsest=120, finest=2, slope=0.9)[..., None]
    hour = np.abs((angle * 12 + 0.5) % 1 - 0.5) / 12 * 2 * np.pi * radius
    minute = np.abs((angle * 60 + 0.5) % 1 - 0.5) / 60 * 2 * np.pi * radius
    ink = (hour < 0.035) & (radius > 0.60) & (radius < 0.82) | (minute < 0.012) & (radius > 0.86) & (radius < 0.93)
    ink |= (np.abs(radius - 0.85) < 0.008) | (np.abs(radius - 0.94) < 0.008) | (radius < 0.06)
    for turn, length, width in ((0.17, 0.50, 0.035), (0.86, 0.78, 0.022)):
        direction = np.sin(2 * np.pi * turn), -np.cos(2 * np.pi * turn)
        along, off = x * direction[0] + y * direction[1], np.abs(x * direction[1] - y * direction[0])
        ink |= (along > -0.14) & (along < length) & (off < width * (1 - 0.6 * along / length))
    picture = np.array((0.85, 0.80, 0.68)) * (1 + 0.04 * stain)
    return np.clip(np.where(ink[..., None], (0.10, 0.08, 0.07), picture), 0, 1).astype(np.float32)
