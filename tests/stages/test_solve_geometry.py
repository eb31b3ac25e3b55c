"""Cameras and depths of a geometry model become a scene folder like any other."""

import dataclasses
from pathlib import Path

import pytest
import torch
from captures import Program, heard, save_photos, write_posed

from photoreal.core import project, unproject
from photoreal.io import read_capture, read_depths
from photoreal.metrics import rotation_errors
from photoreal.models import VggtConfig
from photoreal.recipes import reconstruct
from photoreal.stages import ReconstructConfig, preset
from photoreal.stages import solve as solving
from photoreal.synth import ToyGeometry, ToyScene, toy_scene


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture(scope="module")
def truth() -> ToyScene:
    return toy_scene(0, views=5, size=(60, 80))


@pytest.fixture
def photos(tmp_path: Path, truth: ToyScene) -> Path:
    (tmp_path / "photos").mkdir()
    save_photos(tmp_path / "photos", truth.capture.photos)
    return tmp_path / "photos"


def test_the_folder_holds_cameras_depths_and_points_of_the_model(
    photos: Path, tmp_path: Path, truth: ToyScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "geometry_model", lambda config: ToyGeometry(truth))
    config = dataclasses.replace(preset("draft"), geometry="vggt")
    out = tmp_path / "out"
    _, record = heard(reconstruct(photos, out, config, until="solve"))
    stage = record.stages[0]
    assert stage.model == "toy: the truth, with errors"
    assert stage.notes == ["depth of metric gauge is in depths.safetensors"]
    scene, depths = read_capture(out), read_depths(out)
    assert float(rotation_errors(scene.capture.cameras, truth.capture.cameras).max()) < 0.01
    assert len(scene.points) == stage.figures["points"] > 1000
    places = unproject(scene.capture.cameras.resized(depths.size), depths.depth)[0].reshape(-1, 3)
    pixels, _ = project(scene.capture.cameras.take([1]), places.to(scene.capture.cameras.intrinsics))
    cameras = truth.capture.cameras
    expected, _ = project(cameras.take([1]), unproject(cameras, truth.depths.depth)[0].reshape(-1, 3))
    torch.testing.assert_close(pixels.float(), expected, rtol=1e-2, atol=0.1)

    _, again = heard(reconstruct(write_posed(tmp_path / "posed"), out, config, until="solve", policy="overwrite"))
    assert again.stages[0].notes[0] == "--geometry vggt is not used: the dataset brings its cameras"
    assert not (out / "depths.safetensors").exists()


def test_a_matcher_that_nobody_asks_is_told_so(
    photos: Path, tmp_path: Path, truth: ToyScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "geometry_model", lambda config: ToyGeometry(truth))
    config = dataclasses.replace(preset("draft"), geometry="vggt", matcher="xfeat")
    _, record = heard(reconstruct(photos, tmp_path / "out", config, until="solve"))
    assert "--matcher xfeat is not used: vggt matches nothing" in record.stages[0].notes
    posed = dataclasses.replace(config, geometry="sfm")
    _, record = heard(reconstruct(write_posed(tmp_path / "posed"), tmp_path / "other", posed, until="solve"))
    assert record.stages[0].notes[0] == "--matcher xfeat is not used: the dataset brings its cameras"


def test_weights_that_were_replaced_make_the_cameras_anew(
    photos: Path, tmp_path: Path, truth: ToyScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def model(config: ReconstructConfig) -> ToyGeometry:
        made.append(1)
        return ToyGeometry(truth)

    monkeypatch.setattr(solving, "geometry_model", model)
    weights = tmp_path / "own.safetensors"
    config = dataclasses.replace(preset("draft"), geometry="vggt", vggt=VggtConfig(weights=weights))
    for content, count in ((b"one", 1), (b"one", 1), (b"another", 2)):
        if not weights.exists() or weights.read_bytes() != content:
            weights.write_bytes(content)
        heard(reconstruct(photos, tmp_path / "out", config, until="solve", policy="resume" if made else "new"))
        assert len(made) == count


def test_without_weights_the_program_says_how_to_get_them(photos: Path, tmp_path: Path, program: Program) -> None:
    said = program.fail("solve", photos, "-o", tmp_path / "out", "--geometry", "vggt")
    assert "vggt-1b needs model.safetensors of facebook/VGGT-1B" in said
    assert "photoreal weights get vggt-1b" in said
