"""How many metres one unit of a scene is: stated by the user, or told by the places in the photos."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from photoreal.align import metric_scale
from photoreal.core import AlignmentError, Capture, CaptureError
from photoreal.io import Place, RunRecord, read_capture, write_run
from photoreal.stages.config import ScaleConfig
from photoreal.stages.ledger import stage_of

_FIGURES = ("metres_per_unit", "metres_per_unit_uncertainty")
_GPS = ("gps_metres_per_unit", "gps_uncertainty", "gps_photos")
_SIGN = "scale: "


def gps_figures(capture: Capture, places: Mapping[str, Place]) -> tuple[dict[str, float], tuple[str, ...]]:
    """What the places say of the scale, as figures, or else a note why they say nothing; neither without places."""
    rows = [row for row, name in enumerate(capture.photos.names) if name in places]
    if not rows:
        return {}, ()
    names = [capture.photos.names[row] for row in rows]
    try:
        found = metric_scale(capture.cameras.centres[rows], [places[name] for name in names])
    except AlignmentError as error:
        return {}, (f"GPS is not used for the scale: {error}",)
    return dict(zip(_GPS, (found.metres_per_unit, found.uncertainty, float(found.places)), strict=True)), ()


def settle_scale(folder: Path, record: RunRecord, config: ScaleConfig) -> RunRecord:
    """The record, and run.json, with the scale that the config asks for among the figures and notes of `solve`.

    What is stated wins over GPS. Nothing else is done again for it but the files of the mesh, which follow the scale.

    Raises:
        CaptureError: a stated name is no photo's with a camera, or the two cameras are at one place.
    """
    solve = stage_of(record, "solve")
    assert solve is not None  # the recipes solve first
    figures = {name: value for name, value in solve.figures.items() if name not in _FIGURES}
    notes = [note for note in solve.notes if not note.startswith(_SIGN)]
    scale, uncertainty, origin = 0.0, 0.0, ""
    if config.metres_per_unit is not None:
        scale, origin = config.metres_per_unit, "stated"
    elif config.between is not None and config.metres is not None:
        scale = config.metres / _distance(read_capture(folder).capture, config.between)
        origin = f"{config.metres:g} m between {' and '.join(config.between)}"
    elif config.gps and _GPS[0] in figures:
        scale, uncertainty, photos = (figures[name] for name in _GPS)
        origin = f"GPS, {photos:.0f} photos, +-{uncertainty:.0%}"
    if scale:
        figures[_FIGURES[0]] = scale
        notes.append(f"{_SIGN}1 unit is {scale:.3g} m ({origin})")
    if uncertainty:
        figures[_FIGURES[1]] = uncertainty
    solve = dataclasses.replace(solve, figures=figures, notes=notes)
    stages = [solve if stage.name == "solve" else stage for stage in record.stages]
    record = dataclasses.replace(record, stages=stages)
    write_run(folder, record)
    return record


def metres_per_unit(record: RunRecord) -> float:
    """What one unit of the scene is; 1 where it is not known."""
    solve = stage_of(record, "solve")
    return solve.figures.get(_FIGURES[0], 1.0) if solve else 1.0


def scale_note(record: RunRecord) -> str:
    """The scale and where it comes from, in one line; empty where it is not known."""
    solve = stage_of(record, "solve")
    return next((note for note in (solve.notes if solve else ()) if note.startswith(_SIGN)), "")


def _distance(capture: Capture, between: tuple[str, str]) -> float:
    """Units between the cameras of two photos."""
    first, second = (_row(capture.photos.names, name) for name in between)
    centres = capture.cameras.centres.double()
    distance, extent = float((centres[first] - centres[second]).norm()), float((centres - centres[0]).norm(dim=1).max())
    if distance <= 1e-6 * extent or first == second:
        raise CaptureError(f"--scale.between: {' and '.join(between)} were taken at one place; name two that were not")
    return distance


def _row(names: tuple[str, ...], wanted: str) -> int:
    found = [row for row, name in enumerate(names) if wanted in (name, Path(name).stem)]
    if not found:
        raise CaptureError(f"--scale.between: none of the {len(names)} photos with a camera is named {wanted}")
    return found[0]
