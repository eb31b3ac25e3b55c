"""The capture of a scene folder in; its Gaussians, background and exposures out."""

from pathlib import Path

import torch

from photoreal.core import Capture, CaptureError, SceneError, unit_from_bytes
from photoreal.io import read_capture, read_gaussians, read_run, read_tensors, write_gaussians, write_tensors
from photoreal.metrics import psnr
from photoreal.splat import (
    Background,
    FitConfig,
    FitStep,
    Splats,
    backdrop_of,
    background_image,
    carved_points,
    config_for,
    device_of,
    fit,
    gsplat_problem,
    render_colour,
)
from photoreal.stages.config import ReconstructConfig
from photoreal.stages.ledger import Work, stage_of
from photoreal.stages.progress import Outcome, Progress
from photoreal.stages.solve import ENOUGH_POINTS

SPLAT_FILES = ("gaussians.ply", "gaussians.spz", "background.safetensors")
"""What a scene folder holds once its splats are fitted."""

_CURVE_POINTS = 10
_CURVE_PHOTOS = 3


def splat_stage(folder: Path, config: ReconstructConfig) -> Work:
    """Afterwards the folder holds Gaussians fitted to all photos but the held-out ones, and the background.

    Raises:
        CaptureError: there are too few points to start from, or the photos to hold out cannot be.
    """
    scene = read_capture(folder)
    kept, held = split(scene.capture.photos.names, config)
    seen, judge = scene.capture.take(kept), scene.capture.take(held[:: max(1, len(held) // _CURVE_PHOTOS)])
    points = scene.points
    notes: tuple[str, ...] = ()
    if len(points) < ENOUGH_POINTS:
        points = carved_points(seen, seed=config.seed)
        notes = (f"{len(scene.points)} points are known, so splats start from {len(points)} random ones",)
    if backdrop := backdrop_of(seen, config.fit):
        colour = ", ".join(f"{round(255 * float(c))}" for c in backdrop[0])
        notes = (*notes, f"the photos' plain backdrop, RGB {colour}, is taken as empty space")
    planned = config_for(len(seen), config.fit)
    if planned.steps < config.fit.steps:
        notes = (
            *notes,
            f"{len(seen)} photos are fitted in {planned.steps} steps (--fit.steps-a-photo): more add needles",
        )
    yield Progress("splat", "compiling kernels (up to a minute the first time)", 0, 0)
    device = device_of(config.fit)
    if device == "cpu" and config.fit.device == "auto" and torch.cuda.is_available():
        notes = (*notes, f"the GPU is not used for splats: {gsplat_problem()}")
    curves: dict[str, list[list[float]]] = {"loss": [], "held_out_psnr": [], "gaussians": []}
    last: FitStep | None = None
    for last in fit(seen, points, planned, seed=config.seed):
        _extend(curves, last, judge, planned)
        yield Progress("splat", "fitting", last.index, planned.steps, _note(curves))
    assert last is not None  # fit yields at least once
    write_gaussians(folder, last.gaussians)
    write_tensors(
        folder / "background.safetensors",
        {
            "harmonics": last.background.harmonics,
            "exposure_matrices": last.exposures.matrices,
            "exposure_offsets": last.exposures.offsets,
        },
    )
    figures = {"gaussians": float(len(last.gaussians)), "steps": float(last.index), "loss": last.loss}
    return Outcome(
        "embedded: numba rasterizer" if device == "cpu" else "gsplat on CUDA",
        figures,
        curves,
        notes,
        {"held_out": [scene.capture.photos.names[i] for i in held]},
    )


def split(names: tuple[str, ...], config: ReconstructConfig) -> tuple[list[int], list[int]]:
    """Numbers of the photos to fit and of those to hold out: the middle one of every `hold_out`, or the named ones.

    Raises:
        CaptureError: none has a name that is to be held out, or none is left to fit.
    """
    if config.held_out:
        held = [i for i, name in enumerate(names) if name in config.held_out or Path(name).stem in config.held_out]
        if not held:
            raise CaptureError(f"0 of the {len(names)} photos used are named {' or '.join(config.held_out)}")
    else:
        every = config.hold_out
        held = [i for i in range(len(names)) if every and i % every == every // 2]
    kept = [i for i in range(len(names)) if i not in held]
    if not kept:
        raise CaptureError(f"all {len(names)} photos used are held out; leave some to fit")
    return kept, held


def read_splats(folder: Path) -> Splats:
    """The Gaussians and background of a scene folder.

    Raises:
        SceneError: the folder is no scene, or its splats are not finished.
    """
    if stage_of(read_run(folder), "splat") is None:
        raise SceneError(f"{folder} holds no finished splats; run photoreal splat, or reconstruct with --resume")
    tensors = read_tensors(folder / "background.safetensors")
    return Splats(read_gaussians(folder), Background(tensors["harmonics"]))


def _extend(curves: dict[str, list[list[float]]], step: FitStep, judge: Capture, config: FitConfig) -> None:
    curves["loss"].append([float(step.index), step.loss])
    curves["gaussians"].append([float(step.index), float(len(step.gaussians))])
    due = max(1, config.steps // (config.report_every * _CURVE_POINTS)) * config.report_every
    if len(judge) and (step.index % due == 0 or step.index == config.steps):
        curves["held_out_psnr"].append([float(step.index), _held_out_psnr(step, judge)])


def _held_out_psnr(step: FitStep, judge: Capture) -> float:
    values: list[float] = []
    for view in range(len(judge)):
        camera = judge.cameras.take([view])
        with torch.no_grad():
            colour, transmittance = render_colour(step.gaussians, camera)
            image = (colour + transmittance * background_image(step.background, camera)).clamp(0, 1)
        values.append(psnr(image, unit_from_bytes(judge.photos.images[view]), judge.photos.masks[view]))
    return sum(values) / len(values)


def _note(curves: dict[str, list[list[float]]]) -> str:
    note = f"loss {curves['loss'][-1][1]:.3f}, {curves['gaussians'][-1][1]:,.0f} splats"
    psnrs = curves["held_out_psnr"]
    return note + (f", held-out {psnrs[-1][1]:.1f} dB" if psnrs else "")
