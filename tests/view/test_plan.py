"""Drawings that are to scale, the right way up, and complete."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from torch import Tensor

from photoreal.core import Cameras, Points, look_at
from photoreal.view.plan import WIDTH, drawings


def scene(up: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> tuple[Cameras, Points]:
    """Three cameras at x = 0, 2, 4, of heights 1, 1, 2, that look along +y at a wall."""
    centres = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [4.0, 0.0, 2.0]])
    poses = look_at(centres, centres + torch.tensor([0.0, 1.0, 0.0]), torch.tensor(up))
    lens = torch.tensor([[50.0, 0, 40], [0, 50, 30], [0, 0, 1]]).repeat(3, 1, 1)
    generator = torch.Generator().manual_seed(0)
    wall = torch.rand(400, 3, generator=generator) * torch.tensor([4.0, 0.0, 2.0]) + torch.tensor([0.0, 3.0, 0.0])
    colours = torch.full((400, 3), 200, dtype=torch.uint8)
    return Cameras(poses, lens, (60, 80)), Points(wall, colours, torch.ones(400))


NAMES = ("a.jpg", "<b>.jpg", "c.jpg")


def centres_of(drawing: str) -> dict[str, tuple[float, float]]:
    """Where the edges of each frustum start, by its title."""
    root = ElementTree.fromstring(drawing)
    found: dict[str, tuple[float, float]] = {}
    for group in root.iter("g"):
        if (group.get("class") or "").startswith("camera"):
            edges = group.findall("path")[1].attrib["d"]
            x, y = re.findall(r"[-\d.]+", edges)[:2]
            found[group.findall("title")[0].text or ""] = (float(x), float(y))
    return found


def test_cameras_lie_to_scale_and_up_is_up() -> None:
    cameras, points = scene()
    above, side = (drawing.text for drawing in drawings(cameras, points, NAMES, {"<b>.jpg"}, torch.zeros(0, 3)))
    plan, elevation = centres_of(above), centres_of(side)
    assert set(plan) == {"a.jpg", "<b>.jpg, held out", "c.jpg"}
    a, b, c = (plan[name] for name in ("a.jpg", "<b>.jpg, held out", "c.jpg"))
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.11)
    assert a[1] == pytest.approx(c[1], abs=0.11)
    assert elevation["c.jpg"][1] < elevation["a.jpg"][1]
    assert elevation["a.jpg"][1] - elevation["c.jpg"][1] == pytest.approx((c[0] - a[0]) / 4, abs=0.2)


def test_the_wall_lies_beyond_the_cameras() -> None:
    cameras, points = scene()
    above = drawings(cameras, points, NAMES, (), torch.zeros(0, 3))[0].text
    dots = [float(y) for y in re.findall(r"M[-\d.]+ ([-\d.]+)h0", above)]
    assert len(dots) > 300
    assert max(dots) < min(y for _, y in centres_of(above).values())


def test_the_scale_bar_measures_world_units() -> None:
    cameras, points = scene()
    above = drawings(cameras, points, NAMES, (), torch.zeros(0, 3))[0].text
    plan = centres_of(above)
    unit = (plan["c.jpg"][0] - plan["a.jpg"][0]) / 4
    left, right = re.search(r"M([\d.]+) [\d.]+v4H([\d.]+)v-4", above).groups()  # type: ignore[union-attr]
    said = float(re.findall(r">([\d.e-]+)</text>", above)[-1])
    assert float(right) - float(left) == pytest.approx(said * unit, rel=0.01)
    assert said in (1.0, 2.0, 5.0)


def test_the_film_is_drawn_whole() -> None:
    cameras, points = scene()
    path = torch.tensor([[-3.0, 0.0, 1.0], [7.0, 0.0, 1.0], [2.0, -4.0, 1.0]])
    above = drawings(cameras, points, NAMES, (), path)[0].text
    steps = re.search(r'<path d="M([^"]*)Z" class="flight"|class="flight"[^>]*', above)
    assert steps is not None
    numbers = re.findall(r"[-\d.]+", ElementTree.fromstring(above).find("path").attrib["d"])  # type: ignore[union-attr]
    xs = [float(x) for x in numbers[::2]]
    assert min(xs) >= 0
    assert max(xs) <= WIDTH


@pytest.mark.parametrize("count", [0, 5])
def test_one_camera_and_few_points_are_enough(count: int) -> None:
    cameras, points = scene()
    few = Points(points.positions[:count], points.colours[:count], points.confidence[:count])
    for drawing in drawings(cameras.take([0]), few, NAMES[:1], (), torch.zeros(0, 3)):
        assert "nan" not in drawing.text
        ElementTree.fromstring(drawing.text)


def test_a_stray_point_does_not_shrink_the_drawing() -> None:
    cameras, points = scene()
    stray: Tensor = points.positions.clone()
    stray[0] = 1e5
    plan = centres_of(drawings(cameras, points.replace(positions=stray), NAMES, (), torch.zeros(0, 3))[0].text)
    assert plan["c.jpg"][0] - plan["a.jpg"][0] > WIDTH / 4
