"""Runs that are stopped, killed or out of disk go on to the same result; what changed is done again, and only that."""

import dataclasses
import errno
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from captures import (
    BRIEF,
    COARSE,
    Program,
    heard,
    result,
    room,
    seconds_of,
    stages_of,
    true_cameras,
    write_photos,
    write_posed,
)
from PIL import Image

from photoreal.cli.main import main
from photoreal.io import read_capture, read_run
from photoreal.metrics import rotation_errors
from photoreal.recipes import reconstruct
from photoreal.stages import ReconstructConfig, preset

WRITTEN = ["images", "sparse", "capture.json", "gaussians.ply", "background.safetensors", "renders", "orbit.mp4"]
"""What a run renames into place, at least one of each stage."""
JUNK = {"broken.jpg", "cut.jpg", "dot.png"}


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_posed(tmp_path_factory.mktemp("posed") / "dataset")


@pytest.fixture(scope="module")
def unbroken(dataset: Path) -> dict[str, object]:
    """What a run that nothing stopped leaves."""
    main(["reconstruct", str(dataset), "-o", str(dataset.parent / "unbroken"), *BRIEF])
    return result(dataset.parent / "unbroken")


DIES = """
import os, signal, sys

name = sys.argv[1]

def dying(rename):
    def renamed(source, target, **options):
        if os.path.basename(target) == name:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target, **options)
    return renamed

os.replace, os.rename = dying(os.replace), dying(os.rename)
from photoreal.cli.main import main

main(sys.argv[2:])
"""


@pytest.mark.parametrize("name", ["capture.json", "gaussians.ply", "orbit.mp4", "report.html"])
def test_a_killed_run_goes_on_to_the_same_result(
    program: Program, tmp_path: Path, dataset: Path, unbroken: dict[str, object], name: str
) -> None:
    words = ["reconstruct", str(dataset), "-o", str(tmp_path / "out"), *BRIEF]
    done = subprocess.run([sys.executable, "-c", DIES, name, *words], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "out" / name).exists()
    before = seconds_of(tmp_path / "out")
    program.succeed(*words, "--resume")
    assert result(tmp_path / "out") == unbroken
    assert before.items() <= seconds_of(tmp_path / "out").items(), "a stage that was done is not done again"
    assert not list((tmp_path / "out").glob(".*")), "nothing half done and no lock is left"


@pytest.mark.parametrize("name", [*WRITTEN, "report.html"])
def test_an_interrupted_run_tells_how_to_go_on(
    program: Program,
    tmp_path: Path,
    dataset: Path,
    unbroken: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    def interrupting(rename: Callable[..., None]) -> Callable[..., None]:
        def renamed(source: Path, target: Path) -> None:
            if Path(target).name == name:
                signal.raise_signal(signal.SIGINT)
            rename(source, target)

        return renamed

    out = tmp_path / "the out"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupting(os.replace))
        patch.setattr(os, "rename", interrupting(os.rename))
        said = program("reconstruct", dataset, "-o", out, *BRIEF, "--overwrite")
    assert said.code == 130
    found = re.fullmatch(r"photoreal: stopped; what was finished is kept; go on with: photoreal (.*)", said.complaint)
    assert found
    assert not list(out.glob(".*")), "nothing half done and no lock is left"
    program.succeed(*shlex.split(found[1]))
    assert result(out) == unbroken


@contextmanager
def largest_file(size: int) -> Generator[None]:
    """The kernel refuses to let any file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    program: Program, tmp_path: Path, dataset: Path, unbroken: dict[str, object]
) -> None:
    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    with largest_file(50_000):
        said = program.fail(*words)
    assert re.search(
        r"no room to write .*gaussians\.ply .*[\d,]+ bytes are free there; free some space .*--resume", said
    )
    assert stages_of(tmp_path / "out") == ["solve"]
    program.succeed(*words, "--resume")
    assert result(tmp_path / "out") == unbroken


@pytest.mark.parametrize("name", [*WRITTEN, "report.html", "run.json"])
def test_a_disk_that_is_full_at_any_file_is_told(
    program: Program,
    tmp_path: Path,
    dataset: Path,
    unbroken: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    flush = os.fsync

    def full(handle: int) -> None:
        place = os.readlink(f"/proc/self/fd/{handle}") if Path("/proc/self/fd").exists() else ""
        if f"-{name}" in place:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(handle)

    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell the names of open files")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        said = program.fail(*words)
    assert re.search(rf"no room to write .*{name} \(No space left on device\): [\d,]+ bytes are free there", said)
    program.succeed(*words, "--resume")
    assert result(tmp_path / "out") == unbroken


def config(seed: int = 0) -> ReconstructConfig:
    """As BRIEF."""
    standard = preset("standard")
    fit = dataclasses.replace(standard.fit, steps=20, far_gaussians=100)
    film = dataclasses.replace(standard.film, frames=4, side=64)
    mesh = dataclasses.replace(
        standard.mesh,
        depth_side=64,
        surface=dataclasses.replace(standard.mesh.surface, faces=400),
        texture=dataclasses.replace(standard.mesh.texture, side=256, rounds=1),
    )
    return dataclasses.replace(standard, fit=fit, film=film, mesh=mesh, seed=seed)


def test_the_story_tells_its_stages_in_order_and_ends_with_the_record(tmp_path: Path, dataset: Path) -> None:
    items, record = heard(reconstruct(dataset, tmp_path / "out", config(), preset="mine"))
    assert list(dict.fromkeys(item.stage for item in items)) == ["solve", "splat", "mesh", "render", "report"]
    assert all(0 <= item.done <= max(item.total, item.done) for item in items)
    assert record == read_run(tmp_path / "out")
    assert (record.preset, record.seed, record.source) == ("mine", 0, str(dataset.resolve()))
    assert [stage.name for stage in record.stages] == ["solve", "splat", "mesh", "render"]
    assert record.options["fit"]["steps"] == 20
    assert all(stage.model and stage.fingerprint and stage.peak_memory_bytes > 0 for stage in record.stages)


def test_a_story_that_is_closed_lets_go_of_the_folder(
    tmp_path: Path, dataset: Path, unbroken: dict[str, object]
) -> None:
    story = reconstruct(dataset, tmp_path / "out", config())
    for step in story:
        if step.stage == "splat":
            break
    story.close()
    assert not list((tmp_path / "out").glob(".*"))
    heard(reconstruct(dataset, tmp_path / "out", config(), preset="standard", policy="resume"))
    assert result(tmp_path / "out") == unbroken


def test_the_same_seed_gives_the_same_result_and_another_seed_another(
    tmp_path: Path, dataset: Path, unbroken: dict[str, object]
) -> None:
    for seed in (0, 1):
        heard(reconstruct(dataset, tmp_path / str(seed), config(seed=seed), preset="standard"))
    assert result(tmp_path / "0") == unbroken
    assert result(tmp_path / "1")["gaussians.ply"] != unbroken["gaussians.ply"]
    assert result(tmp_path / "1")["capture.json"] == unbroken["capture.json"]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ((), {"solve", "splat", "mesh", "render"}),
        (("--film.frames", "5"), {"solve", "splat", "mesh"}),
        (("--mesh.surface.faces", "300"), {"solve", "splat"}),
        (("--fit.steps", "21"), {"solve"}),
        (("--hold-out", "3"), {"solve"}),
        (("--held-out", "toy_001"), {"solve"}),
        (("--seed", "1"), {"solve"}),
        (("--read.max-side", "50"), set()),
    ],
)
def test_only_what_depends_on_a_changed_option_is_done_again(
    program: Program, tmp_path: Path, dataset: Path, changes: tuple[str, ...], kept: set[str]
) -> None:
    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    program.succeed(*words)
    before = seconds_of(tmp_path / "out")
    program.succeed(*words, "--resume", *changes)
    after = seconds_of(tmp_path / "out")
    assert list(after) == ["solve", "splat", "mesh", "render"]
    assert {name for name in after if after[name] == before[name]} == kept


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("capture.json", set()),
        ("gaussians.ply", {"solve"}),
        ("background.safetensors", {"solve"}),
        ("orbit.mp4", {"solve", "splat", "mesh"}),
    ],
)
def test_what_was_deleted_is_made_again(
    program: Program, tmp_path: Path, dataset: Path, unbroken: dict[str, object], name: str, kept: set[str]
) -> None:
    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    program.succeed(*words)
    before = seconds_of(tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    program.succeed(*words, "--resume")
    after = seconds_of(tmp_path / "out")
    assert {name for name in after if after[name] == before[name]} == kept
    assert result(tmp_path / "out") == unbroken


def test_a_changed_source_does_everything_again(program: Program, tmp_path: Path) -> None:
    dataset = write_posed(tmp_path / "dataset")
    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    program.succeed(*words)
    before, fitted = seconds_of(tmp_path / "out"), (tmp_path / "out" / "gaussians.ply").read_bytes()
    Image.new("RGB", (64, 48), "red").save(dataset / "images" / "toy_001.png")
    program.succeed(*words, "--resume")
    after = seconds_of(tmp_path / "out")
    assert all(after[name] != before[name] for name in before)
    assert (tmp_path / "out" / "gaussians.ply").read_bytes() != fitted


def test_changed_masks_do_everything_again(program: Program, tmp_path: Path, dataset: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.new("L", (64, 48), 255).save(masks / "toy_001.png")
    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF, "--read.masks", masks)
    program.succeed(*words)
    before = seconds_of(tmp_path / "out")
    program.succeed(*words, "--resume")
    assert seconds_of(tmp_path / "out") == before
    mask = Image.new("L", (64, 48), 255)
    mask.paste(0, (0, 0, 10, 10))
    mask.save(masks / "toy_001.png")
    program.succeed(*words, "--resume")
    assert seconds_of(tmp_path / "out")["solve"] != before["solve"]
    assert not bool(read_capture(tmp_path / "out").capture.photos.masks[1, :10, :10].any())


def test_a_scene_folder_inside_the_source_does_not_change_the_source(program: Program, tmp_path: Path) -> None:
    dataset = write_posed(tmp_path / "dataset")
    words = ("reconstruct", dataset, "-o", dataset / "out", *BRIEF)
    program.succeed(*words)
    before = seconds_of(dataset / "out")
    program.succeed(*words, "--resume")
    assert seconds_of(dataset / "out") == before


def test_a_scene_without_a_film_keeps_none_of_an_earlier_run(program: Program, tmp_path: Path, dataset: Path) -> None:
    words = ("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    program.succeed(*words)
    assert (tmp_path / "out" / "orbit.mp4").is_file()
    program.succeed(*words, "--resume", "--film.frames", "0")
    assert not (tmp_path / "out" / "orbit.mp4").exists()


def test_without_held_out_photos_the_record_says_that_nothing_was_judged(
    program: Program, tmp_path: Path, dataset: Path
) -> None:
    out = program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF, "--hold-out", "0")
    assert "PSNR" not in out
    record = read_run(tmp_path / "out")
    assert record.held_out == []
    assert "no photo was held out" in " ".join(record.stages[-1].notes)
    assert "psnr" not in record.stages[-1].figures


def test_fewer_steps_for_few_photos_are_told(program: Program, tmp_path: Path, dataset: Path) -> None:
    program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF, "--fit.steps-a-photo", "2")
    splat = next(stage for stage in read_run(tmp_path / "out").stages if stage.name == "splat")
    photos = len(read_capture(tmp_path / "out").capture) - len(read_run(tmp_path / "out").held_out)
    assert splat.figures["steps"] == 2 * photos < 20
    assert f"{photos} photos are fitted in {2 * photos} steps (--fit.steps-a-photo)" in " ".join(splat.notes)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good ones among files that cannot be used."""
    folder = write_photos(tmp_path_factory.mktemp("photos") / "photos")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and then nothing that makes sense")
    Image.open(folder / "toy_000.png").save(folder / "whole.jpg", quality=90)
    data = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "notes.txt").write_text("taken on a sunny day")
    return folder


@pytest.fixture(scope="module")
def found(photographs: Path) -> Path:
    out = photographs.parent / "found"
    main(["reconstruct", str(photographs), "-o", str(out), *COARSE, *BRIEF])
    return out


def test_cameras_are_found_among_files_that_cannot_be_used(found: Path) -> None:
    record = read_run(found)
    assert record.photos == list(room().capture.photos.names)
    assert {item["name"]: item["reason"] for item in record.left_out}.keys() == JUNK
    assert all(item["reason"] and "\n" not in item["reason"] for item in record.left_out)
    assert record.stages[0].figures["photos"] == 8
    assert record.stages[0].figures["registered"] == 5
    cameras = read_capture(found).capture.cameras
    assert float(rotation_errors(cameras, true_cameras(tuple(record.photos))).max()) < 0.2
    report = (found / "report.html").read_text(encoding="utf-8")
    assert all(name in report for name in JUNK), "the report names what was left out"


def test_the_program_that_is_interrupted_while_it_looks_for_cameras(
    program: Program, photographs: Path, found: Path, tmp_path: Path
) -> None:
    words = ["reconstruct", str(photographs), "-o", str(tmp_path / "out"), *COARSE, *BRIEF]
    code = "from photoreal.cli.launch import launch; launch()"
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stderr
        lines: list[str] = []
        for line in child.stderr:
            lines.append(line)
            if line.startswith("solve: matching"):
                child.send_signal(signal.SIGINT)
                break
        rest = child.stderr.read().splitlines()
    assert child.returncode == 130, (lines, rest)
    assert rest[-1].startswith("photoreal: stopped; what was finished is kept; go on with: photoreal reconstruct ")
    assert not list((tmp_path / "temporary").iterdir())
    program.succeed(*words, "--resume")
    assert result(tmp_path / "out") == result(found)


def test_two_photos_are_a_capture(program: Program, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", chosen=2)
    out = program.succeed("reconstruct", photos, "-o", tmp_path / "out", *COARSE, *BRIEF)
    assert out.startswith("2 photos used, 0 left out\n")
    record = read_run(tmp_path / "out")
    assert record.held_out == []
    assert record.stages[1].figures["gaussians"] > 100


def test_no_room_for_the_work_of_finding_cameras(photographs: Path, tmp_path: Path) -> None:
    """The database of features grows outside the scene folder."""
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY));"
        "from photoreal.cli.launch import launch; launch()"
    )
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [sys.executable, "-c", limited, "reconstruct", photographs, "-o", tmp_path / "out", *COARSE, *BRIEF],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TMPDIR": temporary},
        )
        assert not list(Path(temporary).iterdir())
    assert done.returncode == 1, done.stderr
    assert re.search(r"^photoreal: .*(room|space|disk)", done.stderr.splitlines()[-1]), done.stderr
