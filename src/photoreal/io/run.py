"""`run.json`, the record of how a scene folder came to be, and the right to write into one."""

import dataclasses
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from photoreal.core import FormatError, SceneError
from photoreal.io.files import (
    clean_partials,
    finite_or_null,
    is_partial,
    locked,
    read_json,
    remove,
    write_json,
    writing,
)

_log = logging.getLogger(__name__)

RUN_NAME = "run.json"
LOCK_NAME = ".lock"
_FORMAT = 1

SCENE_ENTRIES = (
    "images",
    "masks",
    "sparse",
    "transforms.json",
    "capture.json",
    "depths.safetensors",
    "points.ply",
    "gaussians.ply",
    "gaussians.spz",
    "background.safetensors",
    "mesh.glb",
    "mesh_seen.png",
    "renders",
    "orbit.mp4",
    "report.html",
    RUN_NAME,
)
"""Everything that a scene folder is known to contain; `claim` deletes nothing else."""

ClaimPolicy = Literal["new", "resume", "overwrite"]
"""What `claim` may do with a folder that holds a scene: refuse it, go on with it, or replace it."""
RecordT = TypeVar("RecordT", "StageRecord", "RunRecord")


class LeftOutRecord(TypedDict):
    """A photo that was handed in and not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class StageRecord:
    """What one finished stage did."""

    name: str
    seconds: float
    peak_memory_bytes: int = 0
    """Largest resident memory of the process up to the stage's end."""
    model: str = ""
    """The method or network that did the work."""
    figures: dict[str, float] = field(default_factory=dict)
    """Numbers by name; NaN and the infinities are stored as null and come back as NaN."""
    curves: dict[str, list[list[float]]] = field(default_factory=dict)
    """Rows of (x, y, ...) by name; stored like `figures`."""
    notes: list[str] = field(default_factory=list)
    fingerprint: str = ""
    """Equal for two stages exactly when all that they depend on is equal."""


@dataclass(frozen=True)
class RunRecord:
    """How a scene folder came to be: what went in, what was chosen, and each stage that is done."""

    version: str
    """Of photoreal."""
    source: str
    """What was handed in, as an absolute path."""
    preset: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """Every option as resolved, JSON values only."""
    seed: int = 0
    photos: list[str] = field(default_factory=list)
    """Names of the photos used."""
    left_out: list[LeftOutRecord] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    """Names of the photos used that no fit saw."""
    stages: list[StageRecord] = field(default_factory=list)
    """In the order in which they ended."""


def write_run(folder: Path, record: RunRecord) -> None:
    """Afterwards `folder/run.json` holds `record`, whole.

    Raises:
        SceneError: the disk is full or the folder cannot be written.
    """
    value = dataclasses.asdict(record) | {"format": _FORMAT, "stages": [_json_stage(stage) for stage in record.stages]}
    write_json(folder / RUN_NAME, value)


def read_run(folder: Path) -> RunRecord:
    """The record of a scene folder.

    Raises:
        SceneError: the folder has no run.json.
        FormatError: the file is of another format, or a field (named) is missing, unknown or of a wrong type.
    """
    path = folder / RUN_NAME
    if not path.is_file():
        raise SceneError(f"{folder} is not a scene folder: it has no {RUN_NAME}")
    value = read_json(path)
    if value.get("format") != _FORMAT:
        raise FormatError(
            f"{path} has format {value.get('format')!r} (photoreal {value.get('version', 'unknown')}); "
            f"this photoreal reads format {_FORMAT}: run again into another folder, or use the version that wrote it"
        )
    del value["format"]
    stages = value.get("stages")
    if not isinstance(stages, list):
        raise FormatError(f"{path}: field stages must be a list")
    value["stages"] = [_record(StageRecord, stage, f"{path}: stages[{i}]") for i, stage in enumerate(stages)]
    return _record(RunRecord, value, f"{path}: run")


@contextmanager
def claim(folder: Path, source: str, *, policy: ClaimPolicy = "new") -> Generator[RunRecord | None, None, None]:
    """Within the body this process alone may write the scene folder; yields the record to go on from, None if fresh.

    "new" takes an absent or empty folder only. "resume" also takes a scene of the same `source`. "overwrite" also takes
    any scene and first deletes what a scene folder is known to contain, and only that. The body must write run.json
    before any other file, for a folder with other files and no run.json is a stranger's.

    Raises:
        SceneError: the folder holds another scene, strange files or the source itself, cannot be written, or is
            in use by another run.
    """
    if Path(source).resolve().is_relative_to(folder.resolve()):
        raise SceneError(f"{folder} is where the photos come from ({source}); choose another folder for the scene")
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise SceneError(f"{folder} is a file; choose a folder")
        _refuse_strangers(folder)
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK_NAME):
        with writing(folder):
            clean_partials(folder)
            record = _admitted(folder, source, policy)
        yield record


def _refuse_strangers(folder: Path) -> None:
    """Before even a lock is written: a folder of other files is left exactly as it is."""
    names = sorted(path.name for path in folder.glob("*") if not _is_ours(path))
    if not names or (folder / RUN_NAME).is_file():
        return
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    raise SceneError(f"{folder} holds {shown} and no {RUN_NAME}, so it is not a scene; choose an empty or new folder")


def _is_ours(path: Path) -> bool:
    return path.name == LOCK_NAME or is_partial(path)


def _admitted(folder: Path, source: str, policy: ClaimPolicy) -> RunRecord | None:
    _refuse_strangers(folder)
    if not (folder / RUN_NAME).is_file():
        return None
    try:
        record = read_run(folder)
    except FormatError as error:
        raise SceneError(f"{folder} cannot be continued or overwritten; choose another folder ({error})") from error
    if policy == "overwrite":
        _clear(folder, record)
        return None
    done = ", ".join(stage.name for stage in record.stages) or "no stage"
    if policy == "new":
        raise SceneError(
            f"{folder} already holds a scene of {record.source} ({done} done): use --resume to go on, "
            "--overwrite to start again, or another folder"
        )
    if record.source != source:
        raise SceneError(
            f"{folder} holds a scene of {record.source}, not of {source}: use --overwrite to replace it, "
            "or another folder"
        )
    return record


def _clear(folder: Path, record: RunRecord) -> None:
    # First no stage counts as done, last the record goes: killed in between, this is still a scene and tells no lie.
    write_run(folder, dataclasses.replace(record, stages=[]))
    for name in SCENE_ENTRIES:
        if name != RUN_NAME:
            remove(folder / name)
    remove(folder / RUN_NAME)
    _log.info("deleted the former scene of %s in %s", record.source, folder)


def _json_stage(stage: StageRecord) -> dict[str, Any]:
    return dataclasses.asdict(stage) | {
        "seconds": finite_or_null(stage.seconds),
        "figures": {name: finite_or_null(number) for name, number in stage.figures.items()},
        "curves": {name: [[finite_or_null(x) for x in row] for row in rows] for name, rows in stage.curves.items()},
    }


def _record(kind: type[RecordT], value: object, where: str) -> RecordT:
    if not isinstance(value, dict):
        raise FormatError(f"{where} must be an object")
    names = [f.name for f in dataclasses.fields(kind)]
    for problem, wrong in (("misses", set(names) - set(value)), ("has unknown", set(value) - set(names))):
        if wrong:
            raise FormatError(f"{where} {problem} fields: {', '.join(sorted(wrong))}")
    return kind(**{name: _READERS[name](value[name], f"{where}: field {name}") for name in names})


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise FormatError(f"{where} must be a text, not {value!r}")
    return value


def _integer(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormatError(f"{where} must be a whole number, not {value!r}")
    return value


def _number(value: object, where: str) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FormatError(f"{where} must be a number or null, not {value!r}")
    return float(value)


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(f"{where} must be a list, not {value!r}")
    return value


def _dict(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{where} must be an object, not {value!r}")
    return value


def _texts(value: object, where: str) -> list[str]:
    return [_text(item, where) for item in _list(value, where)]


def _left_out(value: object, where: str) -> list[LeftOutRecord]:
    records: list[LeftOutRecord] = []
    for item in _list(value, where):
        entry = _dict(item, where)
        if set(entry) != {"name", "reason"}:
            raise FormatError(f"{where} must hold objects of name and reason, not {item!r}")
        records.append(LeftOutRecord(name=_text(entry["name"], where), reason=_text(entry["reason"], where)))
    return records


def _figures(value: object, where: str) -> dict[str, float]:
    return {name: _number(number, f"{where}.{name}") for name, number in _dict(value, where).items()}


def _curves(value: object, where: str) -> dict[str, list[list[float]]]:
    return {
        name: [[_number(x, f"{where}.{name}") for x in _list(row, f"{where}.{name}")] for row in _list(rows, where)]
        for name, rows in _dict(value, where).items()
    }


_READERS: dict[str, Any] = {
    "name": _text, "seconds": _number, "peak_memory_bytes": _integer, "model": _text, "figures": _figures,
    "curves": _curves, "notes": _texts, "fingerprint": _text, "version": _text, "source": _text, "preset": _text,
    "options": _dict, "seed": _integer, "photos": _texts, "left_out": _left_out, "held_out": _texts,
    "stages": _list,
}  # fmt: skip
