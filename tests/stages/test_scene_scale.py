"""The scale of a scene, as a user states it; cameras are given, so nothing has to be found."""

import re
from pathlib import Path

import pytest
import torch
from captures import BRIEF, Program, seconds_of, small_room, write_posed

from photoreal.io import Place, read_glb, read_run
from photoreal.io.meshes.glb_reading import glb_metres_per_unit
from photoreal.stages import metres_per_unit, scale_note
from photoreal.stages.scale import gps_figures


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_a_known_distance_is_the_scale(program: Program, tmp_path: Path) -> None:
    dataset, out = write_posed(tmp_path / "dataset"), tmp_path / "out"
    words = ("--scale.between", "toy_000", "toy_003.png", "--scale.metres", "1.25")
    said = program.succeed("solve", dataset, "-o", out, *words)
    centres = small_room().capture.cameras.centres
    expected = 1.25 / float((centres[0] - centres[3]).norm())
    assert metres_per_unit(read_run(out)) == pytest.approx(expected, rel=1e-4)
    assert f"scale: 1 unit is {expected:.3g} m (1.25 m between toy_000 and toy_003.png)" in said


def test_a_scale_stated_later_costs_a_mesh_only(program: Program, tmp_path: Path) -> None:
    dataset, out = write_posed(tmp_path / "dataset"), tmp_path / "out"
    words = ("reconstruct", dataset, "-o", out, *BRIEF)
    assert "scale:" not in program.succeed(*words)
    before, vertices = seconds_of(out), read_glb(out / "mesh.glb").vertices
    assert glb_metres_per_unit(out / "mesh.glb") == 1
    assert "\nscale: 1 unit is 0.5 m (stated)\n" in program.succeed(
        *words, "--resume", "--scale.metres-per-unit", "0.5"
    )
    after = seconds_of(out)
    assert (after["solve"], after["splat"]) == (before["solve"], before["splat"])
    assert glb_metres_per_unit(out / "mesh.glb") == 0.5
    assert torch.equal(read_glb(out / "mesh.glb").vertices, vertices), "a reader of ours sees the scene's units"
    program.succeed("export", out, "--to", "obj", "-o", tmp_path / "a")
    program.succeed("export", out, "--to", "obj", "-o", tmp_path / "b", "--metres-per-unit", "1")
    metres, units = (extent_of(folder / "out.obj") for folder in (tmp_path / "a", tmp_path / "b"))
    assert metres == pytest.approx(0.5 * units, rel=1e-5)
    program.succeed("export", out, "--to", "glb", "-o", tmp_path / "a.glb", "--metres-per-unit", "2")
    assert glb_metres_per_unit(tmp_path / "a.glb") == 2
    said = program.fail("export", out, "--to", "glb", "-o", tmp_path / "b.glb", "--metres-per-unit", "-2")
    assert "--metres-per-unit is -2.0; it must be a positive number" in said


def extent_of(path: Path) -> float:
    return max(
        abs(float(word)) for line in path.read_text().splitlines() if line[:2] == "v " for word in line.split()[1:]
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--scale.metres", "2"), "give both"),
        (("--scale.between", "a", "b"), "give both"),
        (("--scale.between", "a", "b", "--scale.metres", "0"), "--scale.metres is 0.0; it must be at least 1e-06"),
        (("--scale.metres-per-unit", "-1"), "--scale.metres-per-unit is -1.0; it must be at least 1e-06"),
        (
            ("--scale.between", "a", "b", "--scale.metres", "1", "--scale.metres-per-unit", "1"),
            "both say the scale; give one of them",
        ),
        (
            ("--scale.between", "toy_000", "none", "--scale.metres", "1"),
            "none of the 6 photos with a camera is named none",
        ),
        (
            ("--scale.between", "toy_000", "toy_000.png", "--scale.metres", "1"),
            "toy_000 and toy_000.png were taken at one place",
        ),
    ],
)
def test_a_scale_that_cannot_be_is_said(
    program: Program, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    dataset = write_posed(tmp_path / "dataset")
    assert re.search(re.escape(complaint), program.fail("solve", dataset, "-o", tmp_path / "out", *words))


def test_places_that_tell_nothing_leave_a_note() -> None:
    capture = small_room().capture
    assert gps_figures(capture, {}) == ({}, ())
    figures, notes = gps_figures(capture, {capture.photos.names[0]: Place(52.0, 13.0)})
    assert figures == {}
    assert notes == ("GPS is not used for the scale: 3 places are needed, not 1",)


def test_a_scene_without_a_scale_says_none(program: Program, tmp_path: Path) -> None:
    program.succeed("solve", write_posed(tmp_path / "dataset"), "-o", tmp_path / "out")
    record = read_run(tmp_path / "out")
    assert metres_per_unit(record) == 1
    assert scale_note(record) == ""
