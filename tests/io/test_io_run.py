"""The record of a scene folder and the right to write into one."""

import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photoreal.core import FormatError, SceneError
from photoreal.io.run import (
    SCENE_ENTRIES,
    ClaimPolicy,
    LeftOutRecord,
    RunRecord,
    StageRecord,
    claim,
    read_run,
    write_run,
)

stage = StageRecord(
    "solve", 1.5, 1 << 30, "SIFT", {"photos": 3.0}, {"loss": [[0.0, 1.0], [1.0, 0.5]]}, ["a note"], "f00"
)
record = RunRecord(
    "0.1.0", "/photos", "draft", {"max_side": 800, "fit": {"steps": 10}}, 7, ["a.jpg"],
    [LeftOutRecord(name="b.jpg", reason="it is black")], ["a.jpg"], [stage],
)  # fmt: skip

numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=4)


@given(
    name=texts,
    seconds=numbers,
    memory=st.integers(0, 1 << 62),
    figures=st.dictionaries(texts, numbers, max_size=2),
    curve=st.lists(st.lists(numbers, max_size=2), max_size=2),
)
@settings(max_examples=20)
def test_a_record_comes_back(
    name: str, seconds: float, memory: int, figures: dict[str, float], curve: list[list[float]]
) -> None:
    written = RunRecord(
        "0.1.0", "/photos", stages=[StageRecord(name, seconds, memory, "", figures, {"loss": curve})] * 2
    )
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), written)
        assert read_run(Path(folder)) == written


def test_a_full_record_comes_back(tmp_path: Path) -> None:
    write_run(tmp_path, record)
    assert read_run(tmp_path) == record


def test_figures_without_a_value_come_back_as_nan(tmp_path: Path) -> None:
    odd = StageRecord("eval", 1.0, figures={"psnr": math.inf, "lpips": math.nan}, curves={"loss": [[0.0, -math.inf]]})
    write_run(tmp_path, RunRecord("0.1.0", "/photos", stages=[odd]))
    assert '"psnr": null' in (tmp_path / "run.json").read_text()
    back = read_run(tmp_path).stages[0]
    assert all(math.isnan(number) for number in [*back.figures.values(), back.curves["loss"][0][1]])


def set_stage(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda run: run["stages"][0].__setitem__(key, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: run.update(format=2), r"has format 2 .*reads format 1"),
        (lambda run: run.pop("format"), "has format None"),
        (lambda run: run.pop("seed"), "misses fields: seed"),
        (lambda run: run.update(colour=1, smell=2), "has unknown fields: colour, smell"),
        (lambda run: run.update(seed="7"), "field seed must be a whole number, not '7'"),
        (lambda run: run.update(seed=True), "field seed must be a whole number"),
        (lambda run: run.update(photos=[1]), "field photos must be a text"),
        (lambda run: run.update(options=[]), "field options must be an object"),
        (lambda run: run.update(left_out=[{"name": "a"}]), "field left_out must hold objects of name and reason"),
        (lambda run: run.update(stages={}), "field stages must be a list"),
        (lambda run: run.update(stages=[3]), r"stages\[0\] must be an object"),
        (set_stage("seconds", "long"), r"stages\[0\]: field seconds must be a number"),
        (set_stage("figures", {"psnr": "good"}), r"stages\[0\]: field figures.psnr must be a number"),
        (set_stage("curves", {"loss": [1]}), r"stages\[0\]: field curves.loss must be a list"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, damage: Callable[[dict[str, Any]], Any], message: str) -> None:
    write_run(tmp_path, record)
    path = tmp_path / "run.json"
    run = json.loads(path.read_text())
    damage(run)
    path.write_text(json.dumps(run))
    with pytest.raises(FormatError, match=message):
        read_run(tmp_path)


def test_a_folder_without_a_record_is_no_scene(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"not a scene folder: it has no run\.json"):
        read_run(tmp_path)


policies: list[ClaimPolicy] = ["new", "resume", "overwrite"]


@pytest.mark.parametrize("policy", policies)
@pytest.mark.parametrize("made", [False, True])
def test_an_absent_or_empty_folder_may_be_claimed(tmp_path: Path, policy: ClaimPolicy, made: bool) -> None:
    folder = tmp_path / "deep" / "scene"
    if made:
        folder.mkdir(parents=True)
    with claim(folder, "/photos", policy=policy) as former:
        assert former is None
        assert (folder / ".lock").exists()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("policy", policies)
def test_a_strangers_folder_stays_as_it_is(tmp_path: Path, policy: ClaimPolicy) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.jpg").write_text("mine")
    with pytest.raises(SceneError, match=r"holds images and no run\.json"), claim(tmp_path, "/photos", policy=policy):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["images", "mine.jpg"]


def test_a_run_killed_before_its_record_leaves_a_folder_that_may_be_claimed(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("{")
    (tmp_path / f".partial-{os.getpid()}-99999-run.json").write_text("{")
    with claim(tmp_path, "/photos") as former:
        assert former is None
    assert not list(tmp_path.iterdir())


def test_another_scene_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    write_run(tmp_path, record)
    with pytest.raises(SceneError, match=r"already holds a scene of /photos \(solve done\).*--resume.*--overwrite"):  # noqa: SIM117
        with claim(tmp_path, "/photos", policy="new"):
            pass
    with pytest.raises(SceneError, match=r"a scene of /photos, not of /others.*--overwrite"):  # noqa: SIM117
        with claim(tmp_path, "/others", policy="resume"):
            pass
    assert read_run(tmp_path) == record


def test_the_same_scene_may_be_resumed(tmp_path: Path) -> None:
    write_run(tmp_path, record)
    with claim(tmp_path, "/photos", policy="resume") as former:
        assert former == record
    assert read_run(tmp_path) == record


def test_overwriting_deletes_a_scene_and_nothing_else(tmp_path: Path) -> None:
    write_run(tmp_path, record)
    for name in SCENE_ENTRIES:
        if "." in name:
            (tmp_path / name).touch()
        else:
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").touch()
    write_run(tmp_path, record)
    (tmp_path / "diary.txt").write_text("mine")
    with claim(tmp_path, "/others", policy="overwrite") as former:
        assert former is None
        write_run(tmp_path, record)
    assert {path.name for path in tmp_path.iterdir()} == {"diary.txt", "run.json"}


def test_overwriting_that_is_cut_short_leaves_a_scene_without_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, record)
    (tmp_path / "gaussians.ply").touch()

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("photoreal.io.run.remove", killed)
    with pytest.raises(KeyboardInterrupt), claim(tmp_path, "/photos", policy="overwrite"):
        pass
    assert read_run(tmp_path).stages == []


def test_a_folder_of_a_strange_record_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"laps": 3}')
    (tmp_path / "images").mkdir()
    for policy in policies:
        with pytest.raises(SceneError, match="choose another folder"), claim(tmp_path, "/photos", policy=policy):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "images"}


@pytest.mark.parametrize("source", [".", "images"])
def test_a_scene_never_overwrites_what_it_is_made_from(tmp_path: Path, source: str) -> None:
    write_run(tmp_path, record)
    (tmp_path / "images").mkdir()
    for policy in policies:
        with pytest.raises(SceneError, match="is where the photos come from"):  # noqa: SIM117
            with claim(tmp_path, str(tmp_path / source), policy=policy):
                pass
    assert (tmp_path / "images").is_dir()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "scene").touch()
    with pytest.raises(SceneError, match="is a file; choose a folder"), claim(tmp_path / "scene", "/photos"):
        pass


def test_two_runs_on_one_folder_are_refused(tmp_path: Path) -> None:
    with claim(tmp_path, "/photos"):
        write_run(tmp_path, record)
        with pytest.raises(SceneError, match="in use by another run"), claim(tmp_path, "/photos", policy="resume"):
            pass


@pytest.mark.parametrize("below", [False, True])
def test_a_read_only_folder_is_told(below: bool) -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as name:
            os.chmod(name, 0o555)
            folder = Path(name) / "scene" if below else Path(name)
            with pytest.raises(SceneError, match=r"cannot write .*Permission denied"), claim(folder, "/photos"):
                pass
            os.chmod(name, 0o755)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
