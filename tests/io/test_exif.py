import io
import math

import pytest
from PIL import Image, TiffImagePlugin

from photoreal.io.exif import Exif, Place, focal_hint, lens_identity, read_exif, turned


def reread(
    tags: dict[int, object], details: dict[int, object], gps: dict[int, object] | None = None, *, kind: str = "JPEG"
) -> Exif:
    """What comes back after a trip through a file."""
    exif = Image.Exif()
    exif.update(tags)
    exif.get_ifd(0x8769).update(details)
    exif.get_ifd(0x8825).update(gps or {})
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40)).save(buffer, kind, exif=exif)
    with Image.open(buffer) as image:
        return read_exif(image)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_tags_come_back(kind: str):
    tags = {0x0112: 8, 0x010F: "Maker ", 0x0110: "Model"}
    details = {0xA434: "50mm f/2", 0x920A: 5.4, 0xA405: 35, 0xA20E: 3100.0, 0xA210: 2, 0xA002: 4000, 0xA003: 3000}
    exif = reread(tags, details, kind=kind)
    assert (exif.orientation, exif.camera, exif.focal_35mm) == (8, "Maker Model 50mm f/2", 35.0)
    assert exif.focal_mm == pytest.approx(5.4)
    assert exif.pixels_per_mm == pytest.approx(3100 / 25.4)
    assert exif.written_size == (3000, 4000)


def test_film_equivalent_is_by_the_diagonal():
    """A 36 x 24 mm sensor is its own equivalent: 36 mm of focal length see as many pixels as the picture is wide."""
    assert focal_hint(Exif(focal_35mm=36.0), (800, 1200)) == pytest.approx(1200, rel=1e-5)
    assert focal_hint(Exif(focal_35mm=36.0), (1200, 800)) == pytest.approx(1200, rel=1e-5)
    assert focal_hint(Exif(focal_35mm=36.0), (400, 600)) == pytest.approx(600, rel=1e-5)


def test_sensor_resolution_follows_a_later_scaling():
    exif = Exif(focal_mm=5.0, pixels_per_mm=200.0, written_size=(3000, 4000))
    assert focal_hint(exif, (3000, 4000)) == pytest.approx(1000)
    assert focal_hint(exif, (1500, 2000)) == pytest.approx(500)
    assert focal_hint(Exif(focal_mm=5.0, pixels_per_mm=200.0, zoom=2.0), (800, 1000)) == pytest.approx(2000)


@pytest.mark.parametrize(("unit", "expected"), [(1, 25.4), (2, 25.4), (3, 10.0), (4, 1.0), (5, 0.001)])
def test_units_of_the_sensor(unit: int, expected: float):
    exif = reread({}, {0xA20E: 254.0, 0xA210: unit})
    assert exif.pixels_per_mm == pytest.approx(254.0 / expected)


@pytest.mark.parametrize(
    "exif",
    [Exif(), Exif(focal_35mm=0.01), Exif(focal_35mm=1e6), Exif(focal_mm=5.0), Exif(pixels_per_mm=100.0)],
)
def test_no_hint_without_sense(exif: Exif):
    assert focal_hint(exif, (1000, 1500)) == 0


def test_nonsense_falls_through_to_the_sensor():
    assert focal_hint(Exif(focal_35mm=1e6, focal_mm=10.0, pixels_per_mm=100.0), (800, 1000)) == pytest.approx(1000)


@pytest.mark.parametrize("details", [{0x920A: (1, 0)}, {0xA405: "abc"}, {0x920A: -5.0}])
def test_broken_numbers_count_as_none(details: dict[int, object]):
    image = Image.new("RGB", (40, 40))
    image.getexif().get_ifd(0x8769).update(details)
    image.getexif()[0x0112] = 77
    exif = read_exif(image)
    assert (exif.focal_mm, exif.focal_35mm, exif.orientation) == (0, 0, 1)
    assert all(math.isfinite(value) for value in (exif.focal_mm, exif.focal_35mm, exif.pixels_per_mm))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_block_counts_as_none():
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40)).save(buffer, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    with Image.open(buffer) as image:
        assert read_exif(image) == Exif()


def test_portrait_and_landscape_are_two_lenses():
    exif = Exif(camera="A", focal_mm=4.0)
    assert turned((30, 40), 6) == (40, 30)
    assert turned((30, 40), 3) == (30, 40)
    assert lens_identity(exif, (30, 40)) != lens_identity(exif, (40, 30))
    assert lens_identity(exif, (30, 40)) == lens_identity(Exif(camera="A", focal_mm=4.0, orientation=3), (30, 40))


BERLIN: dict[int, object] = {1: "N", 2: (52.0, 31.0, 8.57), 3: "E", 4: (13.0, 24.0, 1.61), 5: b"\0", 6: 39.0}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_place_comes_back(kind: str):
    place = reread({0x0112: 1}, {}, BERLIN, kind=kind).place
    assert place is not None
    assert place.latitude == pytest.approx(52 + 31 / 60 + 8.57 / 3600, abs=1e-7)
    assert place.longitude == pytest.approx(13 + 24 / 60 + 1.61 / 3600, abs=1e-7)
    assert place.altitude == pytest.approx(39)


def test_south_west_and_below_the_sea_are_negative():
    shore = {1: "S", 2: (31.5, 0.0, 0.0), 3: "W", 4: (35.0, 30.0, 0.0), 5: b"\1", 6: 430.5}
    assert reread({}, {}, shore).place == Place(-31.5, -35.5, -430.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {1: None},
        {1: "X"},
        {2: None},
        {2: (91.0, 0.0, 0.0)},
        {4: (181.0, 0.0, 0.0)},
        {4: (13.0, 24.0, TiffImagePlugin.IFDRational(0, 0))},
        {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
        {9: "V"},
    ],
)
def test_places_without_sense_count_as_none(wrong: dict[int, object]):
    assert reread({}, {}, {tag: value for tag, value in (BERLIN | wrong).items() if value is not None}).place is None


@pytest.mark.parametrize("wrong", [{6: None}, {6: TiffImagePlugin.IFDRational(0, 0)}, {6: 1e6}])
def test_a_place_needs_no_altitude(wrong: dict[int, object]):
    place = reread({}, {}, {tag: value for tag, value in (BERLIN | wrong).items() if value is not None}).place
    assert place is not None
    assert place.altitude is None


@pytest.mark.parametrize("value", ["52.5", 52.5, (), (1.0, 2.0, 3.0, 4.0), ("a", "b", "c"), (10**400, 0, 0), b"N"])
def test_a_place_of_another_kind_counts_as_none(value: object):
    image = Image.new("RGB", (40, 40))
    image.getexif().get_ifd(0x8825).update(BERLIN | {2: value})
    assert read_exif(image).place is None
