import math
from collections.abc import Sequence

import pycolmap
import pytest
import torch

from photoreal.align import metric_scale
from photoreal.align.scale import local_metres
from photoreal.core import AlignmentError, rotation_from_vector
from photoreal.io import Place

METRES_PER_UNIT = 0.37


def places_of(metres: torch.Tensor, latitude: float = 52.5, longitude: float = 13.4) -> list[Place]:
    """Places at east, north and up about a point, by the lengths of a degree that tables of WGS84 give there."""
    north, east = 111_276.0, 67_910.0
    return [Place(latitude + y / north, longitude + x / east, 40 + z) for x, y, z in metres.tolist()]


def walk(count: int, width: float, seed: int) -> torch.Tensor:
    """Metres of cameras all around, held up by people."""
    generator = torch.Generator().manual_seed(seed)
    angles = 2 * math.pi * torch.rand(count, generator=generator).double()
    heights = torch.rand(count, generator=generator).double()
    return torch.stack([width / 2 * angles.cos(), width / 2 * angles.sin(), heights], 1)


def world_of(metres: torch.Tensor, seed: int) -> torch.Tensor:
    """The same cameras in a world that is turned, moved and scaled."""
    generator = torch.Generator().manual_seed(seed)
    rotation = rotation_from_vector(torch.randn(3, generator=generator).double() * 2)
    return (metres @ rotation.T + 3) / METRES_PER_UNIT


def noise(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randn(count, 3, generator=generator).double() * torch.tensor([5.0, 5.0, 10.0])


@pytest.mark.parametrize(("latitude", "north", "east"), [(0.0, 110_574, 111_320), (52.5, 111_276, 67_910)])
def test_a_degree_is_as_long_as_tables_say(latitude: float, north: float, east: float) -> None:
    """Of WGS84, in metres, rounded."""
    metres = local_metres([Place(latitude - 5e-4, 8.0), Place(latitude, 8.0), Place(latitude + 5e-4, 8.001)])
    assert float(metres[2, 1] - metres[0, 1]) == pytest.approx(north / 1000, rel=1e-4)
    assert float(metres[2, 0] - metres[0, 0]) == pytest.approx(east / 1000, rel=1e-4)


def test_places_are_where_colmap_puts_them() -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = 2 * torch.rand(15, 2, generator=generator).double() - 1
    places = [Place(-33.9 + 0.005 * y, 151.2 + 0.005 * x, 20.0) for x, y in offsets.tolist()]
    rows = [[place.latitude, place.longitude, 20.0] for place in places]
    middle = torch.tensor(rows, dtype=torch.float64).median(0).values.tolist()
    transform = pycolmap.GPSTransform(pycolmap.GPSTransformEllipsoid.WGS84)
    theirs = torch.from_numpy(transform.ellipsoid_to_enu(rows, *middle))
    assert float((local_metres(places) - theirs)[:, :2].abs().max()) < 0.5
    assert float(theirs[:, :2].abs().max()) > 400


def test_the_date_line_is_no_border() -> None:
    metres = local_metres([Place(-17.0, 179.9999), Place(-17.0, -179.9999), Place(-17.0, 180.0)])
    assert float(metres[:, 0].abs().max()) == pytest.approx(10.65, abs=0.05)


def test_exact_places_give_the_scale_of_a_world_turned_in_any_way() -> None:
    for seed in range(4):
        metres = walk(9, 60, seed)
        found = metric_scale(world_of(metres, seed), places_of(metres))
        assert found.metres_per_unit == pytest.approx(METRES_PER_UNIT, rel=2e-3)
        assert found.places == 9
        assert 0.03 < found.uncertainty < 0.1, "of errors that are usual, not of those that are seen"


def test_the_uncertainty_is_the_error() -> None:
    """Receivers err by 5 m, and by 10 m in height."""
    shares: list[float] = []
    for seed in range(12):
        metres = walk(20, 60, seed)
        found = metric_scale(world_of(metres, seed), places_of(metres + noise(20, seed)))
        shares.append((found.metres_per_unit / METRES_PER_UNIT - 1) / found.uncertainty)
    assert 0.4 < math.sqrt(sum(share**2 for share in shares) / len(shares)) < 1.6
    assert max(map(abs, shares)) < 3


def test_a_third_of_the_places_may_be_wrong() -> None:
    for seed in range(4):
        metres, wrong = walk(12, 80, seed), torch.zeros(12, 3, dtype=torch.float64)
        wrong[:4] = torch.tensor([[150.0, -200, 0], [90, 0, 800], [0, -3e6, 0], [60, 60, 0]])
        found = metric_scale(world_of(metres, seed), places_of(metres + 0.4 * noise(12, seed) + wrong))
        assert found.places == 8
        assert found.metres_per_unit == pytest.approx(METRES_PER_UNIT, rel=0.15)


def test_altitudes_may_be_missing_or_of_another_kind() -> None:
    metres = walk(9, 60, 0)
    places = places_of(metres)
    for changed in (
        [Place(place.latitude, place.longitude) for place in places],
        [Place(place.latitude, place.longitude, 87.0 if row < 2 else 40.0) for row, place in enumerate(places)],
    ):
        assert metric_scale(world_of(metres, 0), changed).metres_per_unit == pytest.approx(METRES_PER_UNIT, rel=0.02)


def said(centres: torch.Tensor, places: Sequence[Place]) -> str:
    with pytest.raises(AlignmentError) as caught:
        metric_scale(centres, places)
    return str(caught.value)


def test_too_little_is_refused_with_numbers() -> None:
    metres = walk(9, 60, 0)
    assert said(metres[:2], places_of(metres[:2])) == "3 places are needed, not 2"
    assert said(metres, places_of(metres / 5)) == "9 places lie within 12 m; 20 m are needed"
    assert "3 places with errors of 5 m would tell the scale to" in said(metres[:3], places_of(metres[:3] / 2))


def test_places_that_contradict_the_cameras_are_refused() -> None:
    for seed in range(6):
        other = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed)).double() * 60
        assert "of 12 places are within 15 m of where the cameras would be" in said(
            walk(12, 60, seed), places_of(other)
        )


def test_cameras_at_one_place_are_refused() -> None:
    said(torch.zeros(9, 3).double(), places_of(walk(9, 60, 0)))
    said(torch.zeros(9, 3).double(), places_of(walk(9, 25, 0)))


def test_errors_alone_are_no_scale() -> None:
    for seed in range(8):
        said(walk(12, 3, seed), places_of(noise(12, seed)))


def test_cameras_in_a_row_have_a_scale() -> None:
    metres = torch.tensor([[10.0 * number, 0, 1.5] for number in range(8)]).double()
    assert metric_scale(world_of(metres, 1), places_of(metres)).metres_per_unit == pytest.approx(
        METRES_PER_UNIT, rel=2e-3
    )
