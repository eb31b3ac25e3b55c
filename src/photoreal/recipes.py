"""The stories, read top to bottom."""

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from photoreal import __version__
from photoreal.core import SceneError
from photoreal.io import ClaimPolicy, RunRecord, claim, detect, read_run, write_run
from photoreal.stages import (
    CAMERA_FILES,
    MESH_FILES,
    SPLAT_FILES,
    FilmConfig,
    MeshConfig,
    Progress,
    ReconstructConfig,
    check_options,
    fingerprint,
    mesh_stage,
    metres_per_unit,
    plain,
    render_stage,
    run_stage,
    settle_scale,
    solve_stage,
    source_fingerprint,
    splat_stage,
    split,
    stage_of,
)
from photoreal.view import write_report

Telling = Generator[Progress, None, RunRecord]
"""A story tells its progress and ends with the record of the run."""


def reconstruct(
    source: Path,
    out: Path,
    config: ReconstructConfig,
    *,
    preset: str = "",
    policy: ClaimPolicy = "new",
    until: Literal["solve", "report"] = "report",
) -> Telling:
    """Turn photographs, a video or a dataset into a scene folder.

    Cameras are found (or read), splats fitted, held-out photos rendered and judged, a film and a report made. A run
    that was stopped goes on with policy "resume" and ends in the same files as an unbroken one.

    Raises:
        PhotorealError: an option cannot be.
        CaptureError, AlignmentError: the photographs cannot be used.
        SceneError: the folder holds something else, is in use, or cannot be written.
    """
    check_options(config)
    source, out = source.resolve(), out.resolve()
    detect(source)  # a folder is not begun for nothing
    weights = config.vggt.weights if config.geometry == "vggt" else None
    given = [source_fingerprint(path, without=out) for path in (source, config.read.masks, weights) if path is not None]
    found = (config.geometry, config.matcher, config.sfm, config.vggt)
    solved = fingerprint("solve", given, config.read, config.video, *found)
    with claim(out, str(source), policy=policy) as former:
        record = former or RunRecord(__version__, str(source))
        record = dataclasses.replace(record, preset=preset, options=plain(config), seed=config.seed)
        write_run(out, record)
        record = yield from run_stage(
            out, record, "solve", solved, lambda: solve_stage(out, source, config), makes=CAMERA_FILES
        )
        record = settle_scale(out, record, config.scale)
        if until == "report":
            record = yield from _show_and_judge(out, record, config)
        return record


def refit(scene: Path, config: ReconstructConfig, *, preset: str = "") -> Telling:
    """Fit splats anew to a scene folder whose cameras are known, then render, judge and report as `reconstruct` does.

    Raises:
        PhotorealError: an option cannot be.
        SceneError: the folder has no cameras yet.
    """
    check_options(config)
    scene = scene.resolve()
    with claim(scene, read_run(scene).source, policy="resume") as record:
        if record is None or stage_of(record, "solve") is None:
            raise SceneError(f"{scene} has no cameras yet; run photoreal solve first")
        known = record.options | {
            name: plain(getattr(config, name)) for name in ("fit", "mesh", "film", "hold_out", "held_out")
        }
        record = dataclasses.replace(record, preset=preset, options=known, seed=config.seed)
        return (yield from _show_and_judge(scene, record, config))


def remesh(scene: Path, mesh: MeshConfig) -> Telling:
    """Make the mesh of a scene folder whose splats are fitted anew, then render, judge and report as before.

    Raises:
        PhotorealError: an option cannot be.
        SceneError: the folder has no splats yet.
    """
    config = ReconstructConfig(mesh=mesh)
    check_options(config)
    scene = scene.resolve()
    with claim(scene, read_run(scene).source, policy="resume") as record:
        splat = record and stage_of(record, "splat")
        if record is None or splat is None:
            raise SceneError(f"{scene} has no splats yet; run photoreal splat first")
        film = FilmConfig(**record.options.get("film", {}))
        record = dataclasses.replace(record, options=record.options | {"mesh": plain(mesh)})
        return (yield from _mesh_and_show(scene, record, splat.fingerprint, mesh, film))


def _show_and_judge(out: Path, record: RunRecord, config: ReconstructConfig) -> Telling:
    split(tuple(record.photos), config)  # before anything that was done is given up
    solve = stage_of(record, "solve")
    fitted = fingerprint(solve and solve.fingerprint, config.fit, config.hold_out, config.held_out, config.seed)
    record = yield from run_stage(out, record, "splat", fitted, lambda: splat_stage(out, config), makes=SPLAT_FILES)
    return (yield from _mesh_and_show(out, record, fitted, config.mesh, config.film))


def _mesh_and_show(out: Path, record: RunRecord, fitted: str, mesh: MeshConfig, film: FilmConfig) -> Telling:
    held_out, meshed = record.held_out, fingerprint(fitted, mesh, metres_per_unit(record))
    if mesh.make:
        record = yield from run_stage(
            out, record, "mesh", meshed, lambda: mesh_stage(out, held_out, mesh), makes=MESH_FILES
        )
    shown = ("renders", "orbit.mp4") if film.frames else ("renders",)
    drawn = fingerprint(meshed, film)
    record = yield from run_stage(out, record, "render", drawn, lambda: render_stage(out, held_out, film), makes=shown)
    yield Progress("report", "writing", 0, 1)
    write_report(out)
    yield Progress("report", "writing", 1, 1)
    return record
