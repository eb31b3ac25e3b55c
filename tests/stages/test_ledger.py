"""What is done is done once; fingerprints tell what a stage depends on."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from captures import heard

from photoreal.io import RunRecord, StageRecord, read_run, write_run
from photoreal.stages import Outcome, Progress, fingerprint, plain, run_stage, source_fingerprint, stage_of
from photoreal.stages.ledger import Work


@dataclass(frozen=True)
class Choice:
    steps: int = 1
    folder: Path | None = None
    levels: tuple[tuple[float, float], ...] = ((0.5, 1.0),)


def test_fingerprints_tell_values_apart() -> None:
    same = [fingerprint("solve", Choice()), fingerprint("solve", Choice(1)), fingerprint("solve", plain(Choice()))]
    assert len(set(same)) == 1
    others = [
        fingerprint(),
        fingerprint("splat", Choice()),
        fingerprint("solve", Choice(2)),
        fingerprint("solve", Choice(folder=Path("a"))),
        fingerprint("solve", Choice(levels=())),
        fingerprint("solve", Choice(), 0),
        fingerprint(Choice(), "solve"),
    ]
    assert len({*same, *others}) == 1 + len(others)


def test_plain_values_are_json() -> None:
    value = plain({"a": Choice(folder=Path("x/y")), 3: (1, [2.0, "b"], None, True)})
    assert value == {
        "a": {"steps": 1, "folder": "x/y", "levels": [[0.5, 1.0]]},
        "3": [1, [2.0, "b"], None, True],
    }


def test_a_source_is_its_files(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    (source / "deep" / "deeper" / "deepest").mkdir(parents=True)
    (source / "a.jpg").write_text("a")
    (source / "deep" / "deeper" / "b.jpg").write_text("b")
    elsewhere = tmp_path / "out"

    def now() -> str:
        return source_fingerprint(source, without=elsewhere)

    first = now()
    assert now() == first
    (source / "deep" / "deeper" / "deepest" / "c.jpg").write_text("too deep to matter")
    assert now() == first
    seen = {first}
    for change in (
        lambda: (source / "b.jpg").write_text("b"),
        lambda: (source / "deep" / "deeper" / "b.jpg").write_text("longer"),
        lambda: os.utime(source / "a.jpg", ns=(1, 1)),
        lambda: (source / "a.jpg").rename(source / "c.jpg"),
        lambda: (source / "c.jpg").unlink(),
    ):
        change()
        assert now() not in seen
        seen.add(now())


def test_a_moved_source_with_the_same_files_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "here" / "photos").mkdir(parents=True)
    (tmp_path / "here" / "photos" / "a.jpg").write_text("a")
    before = source_fingerprint(tmp_path / "here" / "photos", without=tmp_path / "out")
    (tmp_path / "here").rename(tmp_path / "there")
    assert source_fingerprint(tmp_path / "there" / "photos", without=tmp_path / "out") == before


def test_a_single_file_and_an_output_inside_the_source(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_text("x")
    before = [source_fingerprint(source, without=tmp_path / "out") for source in (film, tmp_path)]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    assert [source_fingerprint(source, without=tmp_path / "out") for source in (film, tmp_path)] == before
    film.write_text("longer")
    after = [source_fingerprint(source, without=tmp_path / "out") for source in (film, tmp_path)]
    assert all(new != old for new, old in zip(after, before, strict=True))


def test_a_transforms_json_stands_for_its_folder(tmp_path: Path) -> None:
    stated = tmp_path / "transforms.json"
    stated.write_text("{}")
    before = source_fingerprint(stated, without=tmp_path / "out")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_text("a")
    assert source_fingerprint(stated, without=tmp_path / "out") != before


class Stage:
    """A stage that counts how often it was done."""

    def __init__(self, **record: object) -> None:
        self.count = 0
        self._record = record

    def work(self) -> Work:
        self.count += 1
        yield Progress("x", "working", 1, 2)
        return Outcome("by hand", {"psnr": 1.0}, {"loss": [[0.0, 1.0]]}, ("a note",), self._record)


def done(folder: Path, record: RunRecord, name: str, mark: str, stage: Stage) -> tuple[list[Progress], RunRecord]:
    return heard(run_stage(folder, record, name, mark, stage.work))


def test_a_stage_is_done_once_and_recorded(tmp_path: Path) -> None:
    stage = Stage(photos=["a.jpg"], held_out=["a.jpg"])
    told, record = done(tmp_path, RunRecord("0", "source"), "solve", "mark", stage)
    assert told == [Progress("x", "working", 1, 2)]
    assert record == read_run(tmp_path)
    assert (record.photos, record.held_out) == (["a.jpg"], ["a.jpg"])
    found = stage_of(record, "solve")
    assert found is not None
    assert (found.model, found.figures, found.notes, found.fingerprint) == (
        "by hand", {"psnr": 1.0}, ["a note"], "mark",
    )  # fmt: skip
    assert found.seconds >= 0
    assert found.peak_memory_bytes > 10_000_000
    told, again = done(tmp_path, record, "solve", "mark", stage)
    assert [step.phase for step in told] == ["done before"]
    assert again == record
    assert stage.count == 1


def test_a_stage_that_is_done_again_takes_the_later_ones_with_it(tmp_path: Path) -> None:
    stages = [StageRecord(name, 1.0, fingerprint=name) for name in ("solve", "splat", "render")]
    record = RunRecord("0", "source", stages=stages)
    write_run(tmp_path, record)
    steps = run_stage(tmp_path, record, "splat", "changed", Stage().work)
    next(steps)
    assert [stage.name for stage in read_run(tmp_path).stages] == ["solve"], "a run killed now tells no lie"
    steps.close()
    _, record = done(tmp_path, record, "splat", "changed", Stage())
    assert [(stage.name, stage.fingerprint) for stage in record.stages] == [("solve", "solve"), ("splat", "changed")]


def test_a_stage_that_fails_is_not_recorded(tmp_path: Path) -> None:
    def failing() -> Work:
        yield Progress("x", "working", 0, 1)
        raise ValueError("no")

    write_run(tmp_path, RunRecord("0", "source"))
    with pytest.raises(ValueError, match="no"):
        list(run_stage(tmp_path, RunRecord("0", "source"), "solve", "mark", failing))
    assert read_run(tmp_path).stages == []
