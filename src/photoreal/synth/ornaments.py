"""Small things of the reading room: books, ceramics, plants, a bust, a globe, a basket; each stands on the origin."""

import numpy as np
from jaxtyping import Float

from photoreal.synth import patterns
from photoreal.synth.shapes import Mesh, Thing, Vertices, at, ball, lathe, merged, placed, rounded_box, sheet, tube
from photoreal.synth.textures import Colour, Finish, Number, Picture, fractal_noise, plain, stone

Grid = Float[np.ndarray, "R C"]

BOOKS = 24
"""Different covers in the atlas."""


class Library:
    """A stock of book covers and paper from which rows and piles of books are drawn."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._covers = Finish(patterns.book_atlas(BOOKS, seed), (1.0, 1.0), 0.55, 0.35)
        self._paper = Finish(patterns.pages(seed + 1), (0.06, 0.06), 0.95, 0.1)

    def row(self, length: Number, headroom: Number) -> list[Thing]:
        """Books that stand side by side from x = 0 to about `length`, spines towards -y, at most `headroom` high."""
        rng, x = self._rng, 0.0
        covers: list[Mesh] = []
        papers: list[Mesh] = []
        while x < length - 0.012:
            size = (
                min(rng.uniform(0.014, 0.046), length - x),
                rng.uniform(0.13, 0.20),
                headroom * rng.uniform(0.66, 0.95),
            )
            lean = rng.uniform(4, 11) if rng.random() < 0.10 else 0.0
            shift = x + size[0] / 2 + (size[2] / 2 * np.sin(np.radians(lean)))
            motion = at(shift, size[1] / 2 - 0.10 + rng.uniform(-0.008, 0.012), size[2] / 2, roll=lean)
            cover, paper = _book(size, int(rng.integers(BOOKS)))
            covers.append(cover.moved(motion))
            papers.append(paper.moved(motion))
            x = shift + size[0] / 2 + size[2] / 2 * np.sin(np.radians(lean)) + rng.uniform(0.0005, 0.003)
        return [Thing("books", merged(covers), self._covers), Thing("pages", merged(papers), self._paper)]

    def pile(self, count: int, length: Number = 0.23) -> list[Thing]:
        """Books that lie on one another, spines towards -y, turned a little at random."""
        rng, z = self._rng, 0.0
        covers: list[Mesh] = []
        papers: list[Mesh] = []
        for k in range(count):
            size = (
                rng.uniform(0.020, 0.042),
                length * rng.uniform(0.6, 0.7),
                length * (1 - 0.05 * k) * rng.uniform(0.95, 1),
            )
            motion = at(0, 0, z + size[0] / 2, turn=rng.uniform(-14, 14)) @ at(0, 0, 0, roll=90)
            cover, paper = _book(size, int(rng.integers(BOOKS)))
            covers.append(cover.moved(motion))
            papers.append(paper.moved(motion))
            z += size[0] + 0.0005
        return [Thing("books", merged(covers), self._covers), Thing("pages", merged(papers), self._paper)]


def _book(size: tuple[Number, Number, Number], cell: int) -> tuple[Mesh, Mesh]:
    """Cover and paper of a book of (thickness, depth, height) around the origin, its spine towards -y."""
    thickness, depth, height = size
    board = 0.0028
    spine = rounded_box((thickness, 0.006, height), 0.0029, 3, 2).moved(at(0, -depth / 2 + 0.003, 0))
    boards = [
        rounded_box((board, depth - 0.006, height), 0.001, 2).moved(at(s * (thickness - board) / 2, 0.003, 0))
        for s in (-1, 1)
    ]

    def mapped(part: Mesh, low: Number, high: Number, axis: int, extent: Number) -> Mesh:
        across = np.clip(part.vertices[:, axis] / extent + 0.5, 0.02, 0.98)
        u = (cell + low + (high - low) * across) / BOOKS
        return Mesh(
            part.vertices, part.normals, np.stack([u, part.vertices[:, 2] / height * 0.98 + 0.5], -1), part.faces
        )

    cover = [mapped(spine, 0.0, 0.325, 0, thickness), *(mapped(part, 0.36, 0.99, 1, depth) for part in boards)]
    block = rounded_box((thickness - 2 * board, depth - 0.012, height - 0.008), 0.0006, 1).moved(at(0, 0.002, 0))
    return merged(cover), block


def vase(seed: int) -> list[Thing]:
    """A glazed blue and white vase, 0.24 m high, with branches of eucalyptus."""
    profile = [
        (0.0, 0.0), (0.040, 0.0), (0.043, 0.006), (0.040, 0.018), (0.062, 0.055), (0.080, 0.105), (0.074, 0.150),
        (0.046, 0.190), (0.030, 0.212), (0.033, 0.230), (0.043, 0.242), (0.039, 0.243), (0.027, 0.215), (0.0, 0.20),
    ]  # fmt: skip
    body = lathe(profile, sides=96, smooth=8)
    wrapped = Mesh(
        body.vertices,
        body.normals,
        np.stack([body.uvs[:, 0] / body.uvs[:, 0].max(), body.vertices[:, 2] / 0.243], -1),
        body.faces,
    )
    glaze = Finish(patterns.glazed_ware(512, 1024, seed), (1.0, 1.0), 0.07, 0.6)
    return [Thing("vase", wrapped, glaze), *placed(_branches(seed + 1), at(0, 0, 0.20))]


def _branches(seed: int) -> list[Thing]:
    rng = np.random.default_rng(seed)
    stems: list[Mesh] = []
    leaves: list[Mesh] = []
    for k in range(7):
        angle, lean, length = k * 0.9 + rng.uniform(-0.3, 0.3), rng.uniform(0.10, 0.24), rng.uniform(0.24, 0.40)
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        path = [out * lean * t**1.6 + np.array([0, 0, length * t]) for t in np.linspace(0, 1, 6)]
        stems.append(tube([tuple(p) for p in path], np.linspace(0.0030, 0.0012, 6).tolist(), sides=6, smooth=3))
        for t in np.linspace(0.3, 1.0, 8):
            place = out * lean * t**1.6 + np.array([0, 0, length * t])
            for side in (0, 180):
                motion = at(*place, turn=np.degrees(angle) + side + 90 + rng.uniform(-25, 25), tilt=rng.uniform(15, 55))
                leaves.append(_leaf(0.052 * rng.uniform(0.7, 1.1), 0.034, 0.1).moved(motion))
    sage = Finish(patterns.leaf(seed, (0.36, 0.44, 0.36)), (1.0, 1.0), 0.5, 0.3)
    return [
        Thing("stems", merged(stems), plain((0.30, 0.24, 0.14), seed=seed)),
        Thing("eucalyptus", merged(leaves), sage),
    ]


def _leaf(length: Number, width: Number, droop: Number) -> Mesh:
    """A leaf from the origin along +y, lit from above; texture coordinates in [0, 1]."""

    def point(u: Grid, v: Grid) -> Float[np.ndarray, "R C 3"]:
        side = 2 * u - 1
        half = width / 2 * np.sin(np.pi * np.clip(v, 0.0, 1.0) ** 0.8) ** 0.75
        lift = 0.16 * width * np.abs(side) - droop * length * v**2 + 0.02 * length * np.sin(9 * v) * side
        return np.stack([side * half, v * length, lift], -1)

    return sheet(point, (1.0, 1.0), (6, 12))


def potted_plant(seed: int) -> list[Thing]:
    """A rubber plant, about 1.1 m high, in a terracotta pot."""
    rng = np.random.default_rng(seed)
    pot = lathe(
        [(0.0, 0.0), (0.115, 0.0), (0.120, 0.01), (0.155, 0.24), (0.157, 0.245), (0.172, 0.247), (0.175, 0.255),
         (0.175, 0.295), (0.170, 0.300), (0.155, 0.298), (0.150, 0.26), (0.0, 0.26)], smooth=0, sides=72,
    )  # fmt: skip
    soil = ball(lambda d: 0.15 + 0.004 * np.sin(40 * d[:, 0]) * np.cos(37 * d[:, 1]), 32).bent(
        lambda v: v * np.array([1, 1, 0.12]) + np.array([0, 0, 0.262])
    )
    stems: list[Mesh] = []
    leaves: list[Mesh] = []
    for k, (angle, length) in enumerate(((0.3, 0.86), (2.4, 0.70), (4.4, 0.58))):
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        base = 0.03 * out + np.array([0, 0, 0.25])
        path = [base + 0.13 * out * t**1.5 + np.array([0, 0, length * t]) for t in np.linspace(0, 1, 6)]
        stems.append(tube([tuple(p) for p in path], np.linspace(0.012, 0.006, 6).tolist(), sides=10, smooth=4))
        for j, t in enumerate(np.linspace(0.22, 1.0, 10 - k)):
            place = base + 0.13 * out * t**1.5 + np.array([0, 0, length * t])
            motion = at(*place, turn=j * 137.5 + 50 * k, tilt=rng.uniform(12, 48) + 25 * t)
            leaves.append(_leaf(rng.uniform(0.20, 0.29), rng.uniform(0.10, 0.13), rng.uniform(0.15, 0.5)).moved(motion))
    clay = Finish(stone(0.3, seed, (0.62, 0.33, 0.20)), (0.3, 0.3), 0.75, 0.3)
    earth = Finish(stone(0.2, seed + 1, (0.12, 0.08, 0.05)), (0.03, 0.03), 0.95, 0.1)
    green = Finish(patterns.leaf(seed, (0.10, 0.24, 0.09)), (1.0, 1.0), 0.22, 0.5)
    return [
        Thing("pot", pot, clay),
        Thing("soil", soil, earth),
        Thing("trunks", merged(stems), plain((0.25, 0.19, 0.12), seed=seed)),
        Thing("leaves", merged(leaves), green),
    ]


def bust(seed: int) -> list[Thing]:
    """A weathered stone head on a socle, 0.33 m high."""

    def bump(direction: Vertices, place: tuple[Number, Number, Number], width: Number) -> Float[np.ndarray, " N"]:
        centre = np.array(place) / np.linalg.norm(place)
        return np.exp(-((direction - centre) ** 2).sum(-1) / width**2)

    curls = fractal_noise((256, 256), seed, coarsest=40, finest=10, slope=0.7)

    def radius(d: Vertices) -> Float[np.ndarray, " N"]:
        r = 1 / np.sqrt((d[:, 0] / 0.076) ** 2 + (d[:, 1] / 0.094) ** 2 + (d[:, 2] / 0.112) ** 2)
        r = r + 0.028 * bump(d, (0, -1, -0.10), 0.15) + 0.012 * bump(d, (0, -1, 0.16), 0.14)
        r = r + 0.010 * bump(d, (0, -1, -0.42), 0.16) + 0.016 * bump(d, (0, -1, -0.80), 0.22)
        for side in (-1, 1):
            r = r - 0.014 * bump(d, (side * 0.34, -1, 0.10), 0.15) + 0.008 * bump(d, (side * 0.36, -1, 0.30), 0.16)
            r = r + 0.008 * bump(d, (side * 0.5, -1, -0.25), 0.22) + 0.014 * bump(d, (side, 0.1, 0.0), 0.13)
        r = r - 0.006 * bump(d, (0, -1, -0.52), 0.07)
        hair = np.clip((d[:, 2] * 0.9 + d[:, 1] * 0.75 - 0.18) * 6, 0, 1)
        rows = ((d[:, 2] + 1) * 127).astype(int)
        columns = ((np.arctan2(d[:, 1], d[:, 0]) / (2 * np.pi) + 0.5) * 255).astype(int)
        return r + hair * (0.010 + 0.0035 * curls[rows, columns])

    head = ball(radius, 110).moved(at(0, -0.01, 0.225))
    neck = lathe(
        [
            (0.0, 0.0),
            (0.075, 0.0),
            (0.078, 0.012),
            (0.055, 0.022),
            (0.05, 0.05),
            (0.085, 0.075),
            (0.075, 0.10),
            (0.05, 0.13),
            (0.047, 0.18),
            (0.0, 0.19),
        ]
    )
    rock = Finish(stone(0.4, seed), (0.4, 0.4), 0.7, 0.3)
    spherical = Mesh(head.vertices, head.normals, head.vertices[:, [0, 2]], head.faces)
    return [Thing("bust", merged([spherical, neck]), rock)]


def globe(seed: int) -> list[Thing]:
    """A table globe on a brass foot, 0.27 m high."""
    sphere = ball(lambda d: np.full(len(d), 0.095), 48).moved(at(0, 0, 0.165, tilt=20))
    brass = plain((0.70, 0.50, 0.22), roughness=0.22, metallic=1.0, seed=seed)
    foot = lathe(
        [(0.0, 0.0), (0.065, 0.0), (0.067, 0.008), (0.03, 0.016), (0.009, 0.03), (0.009, 0.062), (0.0, 0.065)], sides=40
    )
    angle = np.radians(np.linspace(-100, 100, 25))
    arc = tube([(0.105 * np.cos(a), 0.0, 0.165 + 0.105 * np.sin(a)) for a in angle], 0.004, sides=8, smooth=2)
    chart = Finish(patterns.map_globe(seed), (1.0, 1.0), 0.25, 0.5)
    return [Thing("globe", sphere, chart), Thing("globe foot", merged([foot, arc]), brass)]


def basket(seed: int) -> list[Thing]:
    """A wicker basket with rolled papers and a folded cloth."""
    profile = [
        (0.0, 0.0),
        (0.15, 0.0),
        (0.17, 0.02),
        (0.195, 0.16),
        (0.20, 0.25),
        (0.205, 0.268),
        (0.195, 0.272),
        (0.185, 0.25),
        (0.155, 0.02),
        (0.0, 0.02),
    ]

    def weave(vertices: Vertices) -> Vertices:
        angle, radius = np.arctan2(vertices[:, 1], vertices[:, 0]), np.hypot(vertices[:, 0], vertices[:, 1])
        over = (
            0.004
            * np.sin(angle * 24 + np.pi * np.floor(vertices[:, 2] / 0.018))
            * np.abs(np.sin(np.pi * vertices[:, 2] / 0.018))
        )
        grow = 1 + np.where(radius > 0.1, over / np.maximum(radius, 0.1), 0)
        return vertices * np.stack([grow, grow, np.ones_like(grow)], -1)

    rng = np.random.default_rng(seed)
    rolls = [
        tube([(x, y, 0.05), (1.3 * x, 1.3 * y, 0.22), (1.7 * x, 1.7 * y, 0.34 + rng.uniform(0, 0.1))], 0.026, sides=18)
        for x, y in ((0.05, 0.03), (-0.06, 0.02), (0.0, -0.07), (-0.02, 0.08))
    ]
    paper = Finish(patterns.landscape(200, 200, seed + 1), (0.25, 0.25), 0.8, 0.2)
    return [
        Thing(
            "basket",
            lathe(profile, sides=240, smooth=14).bent(weave),
            Finish(patterns.wicker(seed), (0.30, 0.145), 0.6, 0.3),
        ),
        Thing("rolls", merged(rolls), paper),
    ]


def mug(seed: int, colour: Colour = (0.55, 0.24, 0.16)) -> list[Thing]:
    """A stoneware mug, 0.09 m high."""
    body = lathe(
        [(0.0, 0.0), (0.030, 0.0), (0.037, 0.006), (0.040, 0.04), (0.040, 0.088), (0.038, 0.091), (0.036, 0.088),
         (0.035, 0.012), (0.0, 0.010)], sides=48, smooth=3,
    )  # fmt: skip
    angle = np.linspace(-1.5, 1.5, 9)
    handle = tube([(0.036 + 0.026 * np.cos(a), 0.0, 0.047 + 0.026 * np.sin(a)) for a in angle], 0.0055, sides=10)
    glaze = Finish(stone(0.2, seed, colour), (0.2, 0.2), 0.15, 0.5)
    return [Thing("mug", merged([body, handle]), glaze)]


def jar(seed: int, colour: Colour, height: Number) -> list[Thing]:
    """A squat stoneware jar with a speckled glaze."""
    outline = [
        (0.0, 0.0),
        (0.5, 0.0),
        (0.56, 0.05),
        (0.72, 0.40),
        (0.60, 0.74),
        (0.34, 0.88),
        (0.38, 1.0),
        (0.32, 1.0),
        (0.26, 0.86),
        (0.0, 0.8),
    ]
    body = lathe([(r * height * 0.6, z * height) for r, z in outline], sides=64)
    return [Thing("jar", body, Finish(stone(0.2, seed, colour), (0.2, 0.2), 0.14, 0.5))]


def clock(picture: Picture) -> list[Thing]:
    """A round wall clock of 0.30 m, its back in the plane y = 0."""
    rim = lathe([(0.150, 0.0), (0.158, 0.01), (0.155, 0.034), (0.142, 0.036), (0.138, 0.02)], sides=96).moved(
        at(0, 0, 0, tilt=90)
    )
    face = sheet(
        lambda u, v: (
            np.stack([v * np.cos(-u), np.full_like(u, -0.020), v * np.sin(-u)], -1) * np.array([0.94, 1, 0.94])
        ),
        (2 * np.pi, 0.15),
        (72, 3),
    )
    faced = Mesh(face.vertices, face.normals, face.vertices[:, [0, 2]] / 0.30 + 0.5, face.faces[:, ::-1])
    brass = plain((0.60, 0.43, 0.20), roughness=0.3, metallic=1.0, seed=5)
    return [Thing("clock rim", rim, brass), Thing("clock face", faced, Finish(picture, (1.0, 1.0), 0.4, 0.4))]
