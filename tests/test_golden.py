"""End to end on a scene with known truth: the metrics keep the bounds of golden.toml."""

import tomllib
from pathlib import Path

import pytest
from captures import true_cameras, write_photos

from photoreal.cli.main import main
from photoreal.io import read_capture, read_run
from photoreal.metrics import rotation_errors, translation_errors

GOLDEN = tomllib.loads((Path(__file__).parent / "golden.toml").read_text(encoding="utf-8"))
VIEWS = 8


@pytest.fixture(scope="module")
def toy_room(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("golden")
    photos, out = write_photos(folder / "photos", views=VIEWS), folder / "out"
    words = ["reconstruct", photos, "-o", out, "--preset", "draft", "--fit.steps", "300", "--fit.max-gaussians", "8000"]
    main([*map(str, words), "--film.frames", "4"])
    figures = {name: value for stage in read_run(out).stages for name, value in stage.figures.items()}
    capture = read_capture(out).capture
    truth = true_cameras(capture.photos.names, VIEWS)
    return figures | {
        "rotation_error_degrees": float(rotation_errors(capture.cameras, truth).mean()),
        "camera_position_error_share": float(translation_errors(capture.cameras, truth).mean()),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN["toy_room"])
def test_toy_room_keeps_its_bounds(toy_room: dict[str, float], name: str) -> None:
    bound = GOLDEN["toy_room"][name]
    value = toy_room[name]
    told = f"{name} is {value:.4g}; when the bound was set it was {bound['measured']}"
    assert bound.keys() <= {"at_least", "at_most", "measured"}
    assert value >= bound.get("at_least", value), told
    assert value <= bound.get("at_most", value), told


def test_every_bound_has_a_side_and_lies_behind_what_was_measured() -> None:
    for section in GOLDEN.values():
        for name, bound in section.items():
            assert "measured" in bound, name
            assert ("at_least" in bound) != ("at_most" in bound), name
            assert bound.get("at_least", bound["measured"]) <= bound["measured"], name
            assert bound["measured"] <= bound.get("at_most", bound["measured"]), name
