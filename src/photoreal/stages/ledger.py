"""Stages that run once: what is done is kept in `run.json`, and done again only when what it depends on changed."""

import dataclasses
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from photoreal import __version__
from photoreal.io import RunRecord, StageRecord, write_run
from photoreal.stages.progress import Outcome, Progress

_ORDER = ("solve", "splat", "mesh", "render")
Work = Generator[Progress, None, Outcome]


def fingerprint(*parts: Any) -> str:
    """A short digest that is equal for equal configs, strings, numbers and paths, for this version of photoreal."""
    text = json.dumps([__version__, *map(plain, parts)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def source_fingerprint(source: Path, *, without: Path) -> str:
    """A digest of the names, sizes and times of the files of a source, to a depth of two folders.

    A transforms.json stands for its folder. A scene folder inside the source is no part of it: name it in `without`.
    """
    source = source.parent if source.is_file() and source.suffix == ".json" else source
    found = [source] if source.is_file() else sorted(p for g in ("*", "*/*", "*/*/*") for p in source.glob(g))
    files = [p for p in found if p.is_file() and not p.is_relative_to(without)]
    facts = [(str(p.relative_to(source.parent)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return fingerprint(facts)


def plain(value: Any) -> Any:
    """A config as JSON values: dataclasses become objects, tuples lists, paths strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def stage_of(record: RunRecord, name: str) -> StageRecord | None:
    """The finished stage of that name, if it is done."""
    return next((stage for stage in record.stages if stage.name == name), None)


def run_stage(
    folder: Path, record: RunRecord, name: str, print_: str, work: Callable[[], Work], *, makes: tuple[str, ...] = ()
) -> Generator[Progress, None, RunRecord]:
    """Do a stage unless the record has it with the same fingerprint; returns the record with the stage in it.

    A stage of which an entry that it `makes` is gone from the folder is not done; one that is done takes with it all
    that come after it in the order of stages.
    """
    done = stage_of(record, name)
    if done is not None and done.fingerprint == print_ and all((folder / made).exists() for made in makes):
        yield Progress(name, "done before", 1, 1)
        return record
    before = [stage for stage in record.stages if _ORDER.index(stage.name) < _ORDER.index(name)]
    if len(before) < len(record.stages):
        record = dataclasses.replace(record, stages=before)
        write_run(folder, record)
    started = time.perf_counter()
    outcome = yield from work()
    stage = StageRecord(
        name=name,
        seconds=time.perf_counter() - started,
        peak_memory_bytes=peak_memory(),
        model=outcome.model,
        figures=outcome.figures,
        curves=outcome.curves,
        notes=list(outcome.notes),
        fingerprint=print_,
    )
    record = dataclasses.replace(record, stages=[*record.stages, stage], **outcome.record)
    write_run(folder, record)
    return record


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
