"""Small captures on disk, and the program called as a user calls it; shared by the tests of whole runs."""

import shlex
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image

from photoreal.cli.main import main
from photoreal.core import Cameras, Photos
from photoreal.io import write_nerfstudio, write_points
from photoreal.io.files import read_json
from photoreal.io.run import read_run
from photoreal.synth.toy import ToyScene, toy_scene

_BRIEF_MESH = (
    "--mesh.depth-side",
    "64",
    "--mesh.surface.faces",
    "400",
    "--mesh.texture.side",
    "256",
    "--mesh.texture.rounds",
    "1",
)
BRIEF = ("--fit.steps", "20", "--fit.far-gaussians", "100", "--film.frames", "4", "--film.side", "64", *_BRIEF_MESH)
"""Options of a run that takes a second."""
COARSE = ("--preset", "draft", "--sfm.features.max-features", "2000")
"""Options with which cameras of `write_photos` are found in seconds."""


StepT = TypeVar("StepT")
ResultT = TypeVar("ResultT")


def heard(steps: Generator[StepT, None, ResultT]) -> tuple[list[StepT], ResultT]:
    """What a generator yields, and what it returns."""
    items: list[StepT] = []
    while True:
        try:
            items.append(next(steps))
        except StopIteration as end:
            return items, end.value


@dataclass(frozen=True)
class Said:
    """What one call of the program gave back."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line in which the program says what is wrong; all else on stderr must be progress."""
        lines = self.err.splitlines()
        assert lines, self
        assert lines[-1].startswith("photoreal: "), self
        stages = ("solve: ", "splat: ", "mesh: ", "render: ", "report: ", "note: ")
        assert all(line.startswith(stages) for line in lines[:-1]), self
        return lines[-1]


class Program:
    """`photoreal` in this process; calling it gives what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Said:
        self._capsys.readouterr()
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = self._capsys.readouterr()
        return Said(code, captured.out, captured.err)

    def succeed(self, *words: str | Path) -> str:
        """Its standard output; it must end well."""
        said = self(*words)
        assert said.code == 0, (shlex.join(map(str, words)), said)
        return said.out

    def fail(self, *words: str | Path) -> str:
        """Its complaint; it must end with code 1."""
        said = self(*words)
        assert said.code == 1, (shlex.join(map(str, words)), said)
        return said.complaint


@cache
def small_room(views: int = 6) -> ToyScene:
    """A room seen in pictures that are too small for finding cameras."""
    return toy_scene(0, views, (48, 64), points=400)


@cache
def room(views: int = 5) -> ToyScene:
    """A room seen in pictures in which cameras can be found."""
    return toy_scene(0, views, (300, 400))


def write_posed(folder: Path, *, views: int = 6) -> Path:
    """A dataset with given cameras and points: nothing has to be found."""
    scene = small_room(views)
    write_cameras(folder, scene)
    write_points(folder / "points.ply", scene.points)
    return folder


def write_cameras(folder: Path, scene: ToyScene) -> Path:
    """A dataset with given cameras alone."""
    (folder / "images").mkdir(parents=True)
    save_photos(folder / "images", scene.capture.photos)
    names = [f"images/{name}" for name in scene.capture.photos.names]
    write_nerfstudio(folder / "transforms.json", scene.capture.cameras, names)
    return folder


def write_photos(folder: Path, *, views: int = 5, chosen: int | None = None) -> Path:
    """Photographs from which cameras can be found; the first `chosen` of the scene of `views`."""
    photos = room(views).capture.photos
    folder.mkdir(parents=True)
    save_photos(folder, photos.take(list(range(chosen or views))))
    return folder


def save_photos(folder: Path, photos: Photos) -> None:
    for name, image in zip(photos.names, photos.images, strict=True):
        picture(image).save(folder / name)


def picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def write_strangers(folder: Path, count: int) -> Path:
    """Photographs of different things: each full of texture, none like another."""
    folder.mkdir(parents=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (15, 20, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.jpg")
    return folder


def result(folder: Path) -> dict[str, object]:
    """All that must be the same after a run that was stopped and resumed: bytes of files, and what run.json says.

    Seconds and memory, and what is made of them, differ from run to run.
    """
    wanted = ("images", "masks", "sparse", "renders")
    files = [path for name in wanted for path in sorted((folder / name).rglob("*")) if path.is_file()]
    files += [p for p in sorted(folder.iterdir()) if p.is_file() and p.name not in ("run.json", "report.html")]
    found: dict[str, object] = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    record = read_json(folder / "run.json")
    stages = [{k: v for k, v in s.items() if k not in ("seconds", "peak_memory_bytes")} for s in record.pop("stages")]
    return found | {"stages": stages, "record": record, "report": (folder / "report.html").is_file()}


def stages_of(folder: Path) -> list[str]:
    return [stage.name for stage in read_run(folder).stages]


def seconds_of(folder: Path) -> dict[str, float]:
    """Of each stage: equal exactly when it was not done again."""
    return {stage.name: stage.seconds for stage in read_run(folder).stages}


def true_cameras(names: tuple[str, ...], views: int = 5) -> Cameras:
    """Of the photos of `write_photos` with these names."""
    scene = room(views).capture
    return scene.cameras.take([scene.photos.names.index(name) for name in names])
