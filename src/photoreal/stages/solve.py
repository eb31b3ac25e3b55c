"""Photographs, a video or a dataset in; the capture of a scene folder out."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from tempfile import gettempdir

import torch

from photoreal.align import Solution, settled, solve, triangulate
from photoreal.core import CaptureError, Photos, SceneError, Tracks
from photoreal.io import (
    LeftOutRecord,
    PhotoReading,
    PosedReading,
    Skipped,
    SourceKind,
    detect,
    read_colmap,
    read_nerfstudio,
    read_photos,
    read_video,
    write_capture,
    write_depths,
)
from photoreal.stages.config import ReconstructConfig
from photoreal.stages.geometry import geometry_model
from photoreal.stages.ledger import Work
from photoreal.stages.progress import Outcome, Progress, told
from photoreal.stages.scale import gps_figures

CAMERA_FILES = ("images", "sparse", "transforms.json", "points.ply", "capture.json")
"""What a scene folder holds once its cameras are known; `masks` only where some pixel is masked."""
DEPTH_FILE = "depths.safetensors"
"""What it holds besides if a geometry model found them."""
ENOUGH_POINTS = 100
"""Fewer say too little of where things are."""

_POINTS = 60_000
_NO_TRACKS = Tracks(torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long), torch.empty(0, 2))


def solve_stage(folder: Path, source: Path, config: ReconstructConfig) -> Work:
    """Afterwards the folder holds undistorted photos with their cameras and points.

    Datasets bring their cameras along, and without points these are triangulated; for photographs and videos both are
    found by structure from motion, or by the geometry model that the options name, which gives depths as well.

    Raises:
        CaptureError: there is nothing to read.
        AlignmentError: no cameras could be found.
        SceneError: the disk is full or cannot be written.
    """
    kind = detect(source)
    (folder / DEPTH_FILE).unlink(missing_ok=True)
    yield Progress("solve", f"reading {_NOUNS[kind]}", 0, 0)
    if kind == "colmap" or kind == "nerfstudio":
        reading = (read_colmap if kind == "colmap" else read_nerfstudio)(source, config.read)
        return (yield from _keep_posed(folder, reading, kind, config))
    reading = read_video(source, config.video, max_side=config.read.max_side) if kind == "video" else None
    reading = reading or read_photos(source, config.read)
    if config.geometry != "sfm":
        return (yield from _keep_geometry(folder, reading, config))
    _check_several(reading)
    with _working_files():
        solution = yield from told("solve", solve(reading.photos, config.sfm, matcher=config.matcher))
    return _keep_solved(folder, reading, solution)


_NOUNS: dict[SourceKind, str] = {
    "photos": "photographs",
    "video": "the video",
    "colmap": "the COLMAP dataset",
    "nerfstudio": "the nerfstudio dataset",
}


def _check_several(reading: PhotoReading) -> None:
    if len(reading.photos) < 2:
        rest = f" ({len(reading.skipped)} more could not be used)" if reading.skipped else ""
        raise CaptureError(f"1 photo is not enough to find cameras{rest}; give at least 2 that show the same place")


@contextmanager
def _working_files() -> Generator[None]:
    """COLMAP keeps features in a database in the temporary folder, and says in its own way that there is no room."""
    try:
        yield
    except RuntimeError as error:
        if "SQLite" not in str(error):
            raise
        folder = gettempdir()
        raise SceneError(
            f"no room for working files in {folder} ({str(error).rpartition(': ')[2]}): "
            f"{disk_usage(folder).free:,} bytes are free there; free some space or let TMPDIR name another folder, "
            "then go on with --resume"
        ) from error


def _keep_geometry(
    folder: Path, reading: PhotoReading, config: ReconstructConfig
) -> Generator[Progress, None, Outcome]:
    """What a geometry model says of the photos, in an upright world; its depths beside it, and points of them."""
    model = geometry_model(config)
    geometry = yield from told("solve", model(reading.photos))
    geometry, points = settled(geometry, points=_POINTS, seed=config.seed)
    write_capture(folder, geometry.capture, points, _NO_TRACKS)
    known, named = geometry.depths.known, config.matcher != "auto"
    write_depths(folder, geometry.depths.map(lambda values: torch.where(known, values, torch.zeros(()))))
    gps, notes = gps_figures(geometry.capture, reading.places)
    return Outcome(
        geometry.model,
        figures={
            "photos": float(len(reading.photos) + len(reading.skipped)),
            "registered": float(len(geometry)),
            "points": float(len(points)),
            "depth_confidence": float(geometry.depths.confidence[known].median()),
            **gps,
        },
        notes=(
            f"depth of {geometry.gauge.replace('_', '-')} gauge is in {DEPTH_FILE}",
            *((f"--matcher {config.matcher} is not used: {config.geometry} matches nothing",) if named else ()),
            *notes,
        ),
        record={"photos": list(geometry.capture.photos.names), "left_out": _left_out(reading.skipped)},
    )


def _keep_solved(folder: Path, reading: PhotoReading, solution: Solution) -> Outcome:
    left_out = _left_out(reading.skipped) + [
        LeftOutRecord(name=item.name, reason=item.reason) for item in solution.left_out
    ]
    write_capture(folder, solution.capture, solution.points, solution.tracks)
    gps, notes = gps_figures(solution.capture, reading.places)
    return Outcome(
        f"embedded: {solution.method}",
        figures={
            **solution.figures,
            "photos": float(len(reading.photos) + len(reading.skipped)),
            "registered": float(len(solution.capture)),
            "points": float(len(solution.points)),
            **gps,
        },
        notes=solution.notes + _padding_note(solution.capture.photos) + notes,
        record={"photos": list(solution.capture.photos.names), "left_out": left_out},
    )


def _keep_posed(
    folder: Path, reading: PosedReading, kind: SourceKind, config: ReconstructConfig
) -> Generator[Progress, None, Outcome]:
    points, tracks = reading.points, _NO_TRACKS
    unused = [f"--geometry {config.geometry}"] if config.geometry != "sfm" else []
    unused += [f"--matcher {config.matcher}"] if config.matcher != "auto" else []
    notes = tuple(f"{option} is not used: the dataset brings its cameras" for option in unused)
    if len(points) < ENOUGH_POINTS and config.sfm.triangulate:
        with _working_files():
            found, sightings = yield from told("solve", triangulate(reading.capture, config.sfm))
        notes = (*notes, f"{len(points)} points came with the cameras; {len(found)} were triangulated from the photos")
        if len(found) > len(points):
            points, tracks = found, sightings
    write_capture(folder, reading.capture, points, tracks)
    return Outcome(
        f"cameras of the {kind} dataset",
        figures={
            "photos": float(len(reading.capture) + len(reading.skipped)),
            "registered": float(len(reading.capture)),
            "points": float(len(points)),
        },
        notes=notes,
        record={"photos": list(reading.capture.photos.names), "left_out": _left_out(reading.skipped)},
    )


def _left_out(skipped: tuple[Skipped, ...]) -> list[LeftOutRecord]:
    return [LeftOutRecord(name=item.name, reason=item.reason) for item in skipped]


def _padding_note(photos: Photos) -> tuple[str, ...]:
    covered = photos.masks.float().mean().item()
    if covered > 0.9:
        return ()
    return (
        f"{1 - covered:.0%} of the pixels are masked or lie outside the smaller photos and are ignored; if the photos "
        "are cut-outs of an object, --fit.outside empty makes their surroundings empty",
    )
