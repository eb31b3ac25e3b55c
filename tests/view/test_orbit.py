"""The film's path: closed, smooth, among the cameras, aimed at what they look at, the same in any gauge."""

import math

import pytest
import torch
from torch import Tensor

from photoreal.core import Cameras, Points, SceneError, look_at, project, rigid, rotation_from_vector, transform_points
from photoreal.view.gaze import gaze, geometric_median, horizontal_basis, up_direction
from photoreal.view.orbit import layout, orbit_cameras

UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
SIZE = (60, 80)
MIDDLE = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def cameras_at(centres: Tensor, targets: Tensor, up: Tensor = UP) -> Cameras:
    lens = torch.tensor([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]], dtype=torch.float64)
    return Cameras(look_at(centres, targets.expand_as(centres), up), lens.repeat(len(centres), 1, 1), SIZE)


def cloud(positions: Tensor) -> Points:
    return Points(positions, torch.zeros(len(positions), 3, dtype=torch.uint8), torch.ones(len(positions)))


def ring(count: int = 20, degrees: float = 360.0) -> Tensor:
    angle = torch.arange(count, dtype=torch.float64) / count * math.radians(degrees)
    height = 0.8 + 0.3 * (3 * angle).sin()
    return MIDDLE + torch.stack([2 * angle.cos(), 2 * angle.sin(), height], dim=-1)


def blob(count: int = 500) -> Points:
    generator = torch.Generator().manual_seed(3)
    return cloud(MIDDLE + 0.2 * torch.randn(count, 3, generator=generator, dtype=torch.float64))


def wall(count: int = 2000) -> Points:
    generator = torch.Generator().manual_seed(4)
    uniform = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    return cloud(torch.stack([20 * uniform[:, 0] - 10, torch.zeros(count).double(), 3 * uniform[:, 1]], dim=-1))


def facade() -> Cameras:
    along = torch.linspace(-6, 6, 13, dtype=torch.float64)
    centres = torch.stack([along, torch.full_like(along, -3), torch.ones_like(along)], dim=-1)
    return cameras_at(centres, centres + torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))


def azimuths(centres: Tensor) -> Tensor:
    offset = centres - MIDDLE
    return torch.atan2(offset[:, 1], offset[:, 0])


def steps(centres: Tensor) -> Tensor:
    return (centres.roll(-1, 0) - centres).norm(dim=-1)


def test_gaze_finds_the_point_of_interest() -> None:
    look = gaze(cameras_at(ring(), MIDDLE), blob())
    assert torch.allclose(look.interest, MIDDLE, atol=1e-3)
    assert torch.equal(look.up, UP)


def test_parallel_axes_look_no_farther_than_the_wall() -> None:
    look = gaze(facade(), wall())
    assert torch.allclose(look.targets[:, 1], torch.zeros(13).double(), atol=1e-6)


def test_without_points_a_ring_still_meets() -> None:
    assert torch.allclose(gaze(cameras_at(ring(), MIDDLE), blob(0)).interest, MIDDLE, atol=1e-3)


def test_up_survives_looking_down_from_an_arc() -> None:
    """The mean image top would be wrong by 45 degrees here."""
    centres = ring(12, 120.0) + torch.tensor([0.0, 0.0, 1.2], dtype=torch.float64)
    turn = rotation_from_vector(torch.tensor([0.9, 0.2, 0.0], dtype=torch.float64))
    tilted = cameras_at(centres @ turn.T, turn @ MIDDLE, turn @ UP)
    cosine = float(torch.dot(up_direction(tilted), turn @ UP))
    assert cosine > math.cos(math.radians(8))


@pytest.mark.parametrize("up", [(0.0, 0, 1), (1.0, 0, 0), (0.3, -0.8, 0.2)])
def test_horizontal_basis_is_a_rotation(up: tuple[float, float, float]) -> None:
    direction = torch.nn.functional.normalize(torch.tensor(up, dtype=torch.float64), dim=0)
    basis = horizontal_basis(direction)
    assert torch.allclose(basis @ basis.T, torch.eye(3).double(), atol=1e-12)
    assert float(torch.linalg.det(basis)) == pytest.approx(1.0)
    assert torch.allclose(basis[2], direction)


def test_geometric_median_ignores_a_stray_point() -> None:
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(50, 3, generator=generator, dtype=torch.float64) * 0.01
    positions[0] = 1e3
    assert float(geometric_median(positions).norm()) < 0.02


def test_layouts() -> None:
    centres = ring()
    outward = cameras_at(MIDDLE + 0.1 * (centres - MIDDLE), MIDDLE + 5 * (centres - MIDDLE))
    found = [layout(c, gaze(c, p)) for c, p in ((cameras_at(centres, MIDDLE), blob()), (facade(), wall()))]
    assert found == ["inward", "sideways"]
    walls = cloud(MIDDLE + 4 * torch.nn.functional.normalize(blob().positions - MIDDLE, dim=-1))
    assert layout(outward, gaze(outward, walls)) == "outward"


def test_a_ring_is_flown_around_once_and_closed() -> None:
    cameras = cameras_at(ring(), MIDDLE)
    film = orbit_cameras(cameras, blob(), 90, (72, 128))
    turned = torch.remainder(azimuths(film.centres).diff(), 2 * math.pi)
    assert film.size == (72, 128)
    assert float(turned.sum()) == pytest.approx(2 * math.pi * 89 / 90, abs=0.1)
    assert float(steps(film.centres).max()) < 1.3 * float(steps(film.centres).min())


def test_a_ring_keeps_distance_and_aim() -> None:
    cameras = cameras_at(ring(), MIDDLE)
    film = orbit_cameras(cameras, blob(), 60, SIZE)
    nearest = torch.cdist(film.centres, cameras.centres).min(1).values
    pixels, depth = project(film, gaze(cameras, blob()).interest[None])
    assert float(nearest.max()) < 0.5
    assert bool((depth > 1.5).all())
    assert torch.allclose(pixels[:, 0], torch.tensor([40.0, 30.0], dtype=torch.float64), atol=1e-6)
    assert float(film.cam_from_world[:, 0, 2].abs().max()) < 1e-9  # level horizon: image rows orthogonal to up


def test_an_arc_is_swung_inside() -> None:
    centres = ring(9, 150.0)
    film = orbit_cameras(cameras_at(centres, MIDDLE), blob(), 64, SIZE)
    assert float(azimuths(film.centres).min()) >= float(azimuths(centres).min())
    assert float(azimuths(film.centres).max()) <= float(azimuths(centres).max())
    bend = (film.centres.roll(-1, 0) - 2 * film.centres + film.centres.roll(1, 0)).norm(dim=-1)
    assert float(bend.max()) < 0.2 * float(steps(film.centres).max())


def test_a_facade_is_passed_in_parallel() -> None:
    film = orbit_cameras(facade(), wall(), 64, SIZE)
    assert torch.allclose(film.centres[:, 1], torch.full((64,), -3.0).double(), atol=1e-6)
    assert float(film.centres[:, 0].abs().max()) < 6
    assert float(film.cam_from_world[:, 2, 1].min()) > 0.9  # forwards stay nearly along +y


def test_of_two_rows_one_is_followed() -> None:
    """Half way between the rows no photo was taken."""
    low, high = ring(24), ring(8, 90.0) + torch.tensor([0.0, 0.0, 2.5], dtype=torch.float64)
    film = orbit_cameras(cameras_at(torch.cat([low, high]), MIDDLE), blob(), 60, SIZE)
    assert float(torch.cdist(film.centres, low).min(1).values.max()) < 0.5


def test_up_of_cameras_that_lay_on_their_side() -> None:
    """A camera turned around a thing, its image rows along gravity: the image tops point everywhere."""
    centres = ring(16) * torch.tensor([1.0, 1.0, 0.0]) + 0.5 * UP
    upright = cameras_at(centres, MIDDLE)
    roll = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    lying = upright.replace(cam_from_world=rigid(roll, torch.zeros(3, dtype=torch.float64)) @ upright.cam_from_world)
    assert abs(float(up_direction(lying)[2])) > 0.99


def test_looking_around_from_within() -> None:
    centres = ring()
    cameras = cameras_at(MIDDLE + 0.1 * (centres - MIDDLE), MIDDLE + 5 * (centres - MIDDLE))
    walls = cloud(MIDDLE + 4 * torch.nn.functional.normalize(blob().positions - MIDDLE, dim=-1))
    film = orbit_cameras(cameras, walls, 48, SIZE)
    forwards = film.cam_from_world[:, 2, :3]
    assert float((film.centres - MIDDLE).norm(dim=-1).max()) < 0.3
    assert float(forwards.mean(0)[:2].norm()) < 0.05


def test_looking_straight_down_is_no_degenerate_case() -> None:
    grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0)).double()
    centres = torch.cat([grid, torch.full((12, 1), 5.0).double()], dim=-1)
    down = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)
    cameras = cameras_at(centres, centres + down, torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
    ground = cloud(wall().positions[:, [0, 2, 1]])
    film = orbit_cameras(cameras, ground, 24, SIZE)
    assert bool(film.cam_from_world.isfinite().all())
    assert float(film.cam_from_world[:, 2, 2].max()) < -0.7


def test_the_path_does_not_depend_on_the_gauge() -> None:
    """Turned about gravity, moved and scaled, the same photos give the same film."""
    cameras, points = cameras_at(ring(9, 150.0), MIDDLE), blob()
    turn = rotation_from_vector(torch.tensor([0.0, 0.0, 1.1], dtype=torch.float64))
    shift, scale = torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64), 2.5
    similarity = rigid(scale * turn, shift)
    moved = cameras_at(transform_points(similarity, cameras.centres), transform_points(similarity, MIDDLE))
    there = orbit_cameras(moved, points.replace(positions=transform_points(similarity, points.positions)), 32, SIZE)
    here = orbit_cameras(cameras, points, 32, SIZE)
    assert torch.allclose(there.centres, transform_points(similarity, here.centres), atol=1e-6)


def test_the_film_shows_no_more_than_the_photos() -> None:
    cameras = cameras_at(ring(), MIDDLE)
    for height, width in ((60, 80), (90, 160), (160, 90)):
        lens = orbit_cameras(cameras, blob(), 2, (height, width)).intrinsics[0]
        assert width / float(lens[0, 0]) <= 80 / 70 + 1e-9
        assert height / float(lens[1, 1]) <= 60 / 70 + 1e-9


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_cameras_are_enough(count: int) -> None:
    cameras = cameras_at(ring()[:count], MIDDLE).map(lambda tensor: tensor.float())
    film = orbit_cameras(cameras, blob(), 16, SIZE)
    assert film.cam_from_world.dtype == torch.float32
    assert bool(film.cam_from_world.isfinite().all())
    assert float(steps(film.centres).max()) > 0


def test_the_path_stays_clear_of_a_pillar_in_the_smooth_way() -> None:
    """Cameras that step around a pillar: smoothing alone would run the film through it."""
    angle = torch.linspace(0, math.pi, 25, dtype=torch.float64)
    distance = 2 + 1.2 * torch.exp(-((angle - math.pi / 2) ** 2) / 0.02)
    centres = MIDDLE + torch.stack([distance * angle.cos(), distance * angle.sin(), 0.3 * torch.ones(25)], dim=-1)
    pillar = MIDDLE + torch.tensor([0.0, 2.25, 0.3], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    stone = pillar + 0.08 * torch.randn(300, 3, generator=generator, dtype=torch.float64)
    points = cloud(torch.cat([blob().positions, stone]))
    film = orbit_cameras(cameras_at(centres, MIDDLE), points, 80, SIZE)
    assert float((film.centres - pillar).norm(dim=-1).min()) > 0.25


def test_nothing_to_fly_among() -> None:
    with pytest.raises(SceneError, match="0 cameras"):
        orbit_cameras(cameras_at(ring(), MIDDLE).take([]), blob(), 10, SIZE)
