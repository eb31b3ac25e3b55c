"""Drawings of a scene from above and from the side: points as dots, cameras as frustums, the film's path as a line."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from photoreal.core import Cameras, Points
from photoreal.view.gaze import horizontal_basis, up_direction
from photoreal.view.html import Content, Markup, join, tag

WIDTH = 460
MARGIN = 14
MOST_DOTS = 5000


@dataclass(frozen=True)
class _Sketch:
    """A scene in drawing axes: two level directions and up."""

    dots: Float[Tensor, "N 3"]
    colours: UInt8[Tensor, "N 3"]
    frustums: Float[Tensor, "V 5 3"]
    """Of each camera its centre, then the corners of its image in the air before it, clockwise from the top left."""
    names: Sequence[str]
    marked: Collection[str]
    path: Float[Tensor, "F 3"]
    """Of a film; may have no frame."""
    axes: tuple[str, str, str]


@dataclass(frozen=True)
class _Sheet:
    """A drawing's two axes and where they lie on the paper."""

    axes: tuple[int, int]
    left: float
    top: float
    scale: float
    """Drawing units for one world unit."""
    height: float

    def place(self, positions: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 2"]:
        """Paper coordinates, x to the right and y down."""
        x, y = positions[..., self.axes[0]], positions[..., self.axes[1]]
        return torch.stack([MARGIN + (x - self.left) * self.scale, MARGIN + (self.top - y) * self.scale], -1)


def drawings(
    cameras: Cameras, points: Points, names: Sequence[str], held_out: Collection[str], path: Float[Tensor, "F 3"]
) -> tuple[Markup, Markup]:
    """The scene from above and from the side, at one scale, held-out cameras marked."""
    sketch = _sketch(cameras, points, names, held_out, path)
    low, high = _extent(sketch)
    scale = (WIDTH - 2 * MARGIN) / float(high[0] - low[0])
    sheets = [
        _Sheet((0, row), float(low[0]), float(high[row]), scale, float(high[row] - low[row]) * scale + 2 * MARGIN)
        for row in (1, 2)
    ]
    told = f"{len(cameras)} cameras and the scene's points"
    return (
        _drawing(sketch, sheets[0], f"Seen from above: {told}"),
        _drawing(sketch, sheets[1], f"Seen from the side: {told}"),
    )


def _sketch(
    cameras: Cameras, points: Points, names: Sequence[str], held_out: Collection[str], path: Float[Tensor, "F 3"]
) -> _Sketch:
    cameras = cameras.map(lambda tensor: tensor.double())
    up = up_direction(cameras)
    basis = horizontal_basis(up)
    stride = max(1, math.ceil(len(points) / (4 * MOST_DOTS)))
    dots = points.positions[::stride].double() @ basis.T
    corners = _corners(cameras, _frustum_depth(cameras.centres))
    return _Sketch(
        dots,
        points.colours[::stride],
        torch.cat([cameras.centres[:, None], corners], dim=1) @ basis.T,
        names,
        frozenset(held_out),
        path.double() @ basis.T,
        ("x", "y", "z") if float(up[2]) == 1 else ("", "", "up"),
    )


def _corners(cameras: Cameras, depth: float) -> Float[Tensor, "V 4 3"]:
    height, width = cameras.size
    pixels = cameras.intrinsics.new_tensor([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
    rays = depth * pixels @ torch.linalg.inv(cameras.intrinsics).transpose(1, 2)
    world_from_cam = cameras.world_from_cam
    return rays @ world_from_cam[:, :3, :3].transpose(1, 2) + world_from_cam[:, None, :3, 3]


def _frustum_depth(centres: Float[Tensor, "V 3"]) -> float:
    """Half the usual distance of neighbours, between a 25th and a 12th of the cameras' extent; 0.3 for one camera."""
    extent = float((centres.amax(0) - centres.amin(0)).norm())
    if extent < 1e-9:
        return 0.3
    distances = torch.cdist(centres, centres)
    distances.fill_diagonal_(torch.inf)
    return min(max(0.5 * float(distances.amin(1).median()), extent / 25), extent / 12)


def _extent(sketch: _Sketch) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]]:
    """The box to draw: all cameras and the film, and the bulk of the points as far as a camera's extent around them."""
    flown = torch.cat([sketch.frustums.flatten(0, 1), sketch.path])
    low, high = flown.amin(0), flown.amax(0)
    if len(sketch.dots):
        reach = (high - low).max()
        bulk = torch.quantile(sketch.dots, torch.tensor([0.02, 0.98], dtype=torch.float64), dim=0)
        low, high = (
            torch.minimum(low, torch.maximum(bulk[0], low - reach)),
            torch.maximum(high, torch.minimum(bulk[1], high + reach)),
        )
    middle, half = (low + high) / 2, (high - low) / 2 * 1.04
    widest = half.max()
    half = torch.maximum(half, widest * torch.tensor([0.8, 0.25, 0.25], dtype=torch.float64))
    return middle - half, middle + half


def _drawing(sketch: _Sketch, sheet: _Sheet, title: str) -> Markup:
    height = round(sheet.height, 1)
    return tag(
        "svg",
        tag("title", title),
        _dots(sketch, sheet),
        _film_path(sketch, sheet),
        *_frustums(sketch, sheet),
        _axes(sketch, sheet),
        _scale_bar(sheet),
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=title,
        class_="plan",
    )


def _dots(sketch: _Sketch, sheet: _Sheet) -> Markup:
    """Points of nearly one colour share one path, whose every step is a dot."""
    place = sheet.place(sketch.dots)
    limit = torch.tensor([WIDTH, sheet.height], dtype=place.dtype)
    inside = ((place > 2) & (place < limit - 2)).all(-1).nonzero()[:, 0]
    inside = inside[:: max(1, math.ceil(len(inside) / MOST_DOTS))]
    colours = (sketch.colours[inside].long() + 16) // 32 * 32
    groups: dict[tuple[int, ...], list[str]] = {}
    for (x, y), colour in zip(place[inside].tolist(), colours.clamp(max=255).tolist(), strict=True):
        groups.setdefault(tuple(colour), []).append(f"M{x:.1f} {y:.1f}h0")
    paths = [
        tag("path", d="".join(steps), stroke=f"#{red:02x}{green:02x}{blue:02x}")
        for (red, green, blue), steps in sorted(groups.items())
    ]
    return tag("g", *paths, class_="dots")


def _frustums(sketch: _Sketch, sheet: _Sheet) -> list[Markup]:
    """The held-out ones last, so that they lie on top."""
    order = sorted(range(len(sketch.names)), key=lambda view: sketch.names[view] in sketch.marked)
    place = sheet.place(sketch.frustums)
    return [_frustum(place[view], sketch.names[view], sketch.names[view] in sketch.marked) for view in order]


def _frustum(corners: Float[Tensor, "5 2"], name: str, marked: object) -> Markup:
    centre, *image = [f"{x:.1f} {y:.1f}" for x, y in corners.tolist()]
    edges = "".join(f"M{centre}L{corner}" for corner in image)
    return tag(
        "g",
        tag("title", f"{name}, held out" if marked else name),
        tag("path", d=f"M{'L'.join(image)}Z", class_="face"),
        tag("path", d=edges),
        class_="camera held" if marked else "camera",
    )


def _film_path(sketch: _Sketch, sheet: _Sheet) -> Content:
    if not len(sketch.path):
        return None
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in sheet.place(sketch.path).tolist())
    return tag("path", tag("title", "The film's path"), d=f"M{steps}Z", class_="flight")


def _axes(sketch: _Sketch, sheet: _Sheet) -> Markup:
    """A small cross of axes in the lower left corner."""
    x, y = MARGIN, round(sheet.height - MARGIN, 1)
    across, upwards = sketch.axes[sheet.axes[0]], sketch.axes[sheet.axes[1]]
    return tag(
        "g",
        tag("path", d=f"M{x} {y - 26:g}V{y:g}H{x + 26}"),
        tag("text", across, x=x + 31, y=y + 4),
        tag("text", upwards, x=x, y=y - 32, class_="mid"),
        class_="axes",
    )


def _scale_bar(sheet: _Sheet) -> Markup:
    """A bar of a round length, 1, 2 or 5 times a power of ten, of at most a third of the drawing."""
    third = WIDTH / 3 / sheet.scale
    power = 10.0 ** math.floor(math.log10(third))
    length = max(factor * power for factor in (1, 2, 5) if factor * power <= third)
    right, y = WIDTH - MARGIN, round(sheet.height - MARGIN, 1)
    left = right - length * sheet.scale
    bar = tag("path", d=f"M{left:.1f} {y - 4:g}v4H{right}v-4")
    text = tag("text", f"{length:g}", x=f"{(left + right) / 2:.1f}", y=y - 6, class_="mid")
    return join(tag("g", bar, text, class_="axes"))
