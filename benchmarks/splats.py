"""What keeps splats from becoming fog: regularised surfaces against true depth, and few photographs."""

import dataclasses
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.figures import Figure
from benchmarks.subjects import CAPTURE, absent, floats, photos_folder, solved, view_psnr
from photoreal.core import Capture, Points, invert_rigid, pixel_rays, transform_points
from photoreal.io import ReadConfig, read_nerfstudio, read_photos
from photoreal.metrics import depth_error
from photoreal.splat import FitConfig, FitStep, fit, rasterize_numba
from photoreal.splat.fitting.surface import depth_normals
from photoreal.stages import preset
from photoreal.synth import read_depths

WITHOUT = {"distortion": 0.0, "plain_backdrop": False, "steps_a_photo": 10**6}
"""The same trainer without the measures against fog."""


def surfaces(_data: Path, *, quick: bool) -> list[Figure]:
    """The bundled capture at its true cameras, judged on its held-out views: colours, depth, normals."""
    seen, judge, points = _reading_room(240 if quick else 480)
    steps = 100 if quick else 2000
    kinds = {"no regulariser": (0.0, 0.0), "distortion 0.1 (default)": (0.1, 0.0), "and normals 0.02": (0.1, 0.02)}
    figures: list[Figure] = []
    for name, (distortion, normals) in kinds.items():
        config = FitConfig(steps=steps, distortion=distortion, normals=normals, report_every=steps)
        *_, last = fit(seen, points, config)
        found = np.mean([_against_depth(last, judge, view) for view in range(len(judge))], axis=0)
        psnr = float(np.mean([view_psnr(last, judge, view) for view in range(len(judge))]))
        on = f"reading room, true cameras, {steps} steps, {len(judge)} held-out views; {name}"
        figures += [
            Figure("held-out PSNR", psnr, "dB", "", on),
            Figure("expected depth, mean relative error", float(found[0]), "%", "", on),
            Figure("median depth, mean relative error", float(found[1]), "%", "", on),
            Figure("normals of the Gaussians, mean error", float(found[2]), "degrees", "", on),
            Figure("normals of the depth, mean error", float(found[3]), "degrees", "", on),
        ]
    return figures


def _reading_room(side: int) -> tuple[Capture, Capture, Points]:
    """Photos, held-out views, and points on the true surfaces with an error of a hundredth of their depth."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("photos", "held_out"):
            shutil.copytree(CAPTURE / name, Path(folder) / name)
        shutil.copy(CAPTURE / "truth" / "transforms.json", folder)
        capture = read_nerfstudio(Path(folder), ReadConfig(max_side=side)).capture
    capture = floats(capture)
    held = [name.startswith("view") for name in capture.photos.names]
    seen, judge = (capture.take([i for i, h in enumerate(held) if h is which]) for which in (False, True))
    depths, generator = _true_depths(seen), torch.Generator().manual_seed(0)
    coarse = seen.cameras.resized((depths.shape[1], depths.shape[2]))
    noisy = depths * (1 + 0.01 * torch.randn(depths.shape, generator=generator))
    inside = (pixel_rays(coarse) * noisy[..., None]).flatten(1, 2)
    world = torch.cat(
        [transform_points(invert_rigid(p), x) for p, x in zip(coarse.cam_from_world, inside, strict=True)]
    )
    area = torch.nn.functional.interpolate
    small = area(seen.photos.images.float(), size=depths.shape[1:], mode="area").round().byte()
    colours = small.permute(0, 2, 3, 1).reshape(-1, 3)
    known = torch.nonzero(depths.flatten() > 0)[:, 0]
    chosen = known[torch.randint(0, len(known), (6000,), generator=generator)]
    return seen, judge, Points(world[chosen], colours[chosen], torch.full((len(chosen),), 3.0))


def _true_depths(capture: Capture) -> torch.Tensor:
    return read_depths([CAPTURE / "truth" / "depth" / f"{Path(n).stem}.png" for n in capture.photos.names]).depth


def _against_depth(step: FitStep, judge: Capture, view: int) -> tuple[float, float, float, float]:
    """Errors of expected and median depth in percent, of the Gaussians' and the depth's normals in degrees."""
    truth = _true_depths(judge)[view]
    camera = judge.cameras.take([view]).resized((truth.shape[0], truth.shape[1]))
    with torch.no_grad():
        renders = rasterize_numba(step.gaussians, camera, torch.zeros(1, 3))
    expected, median = renders.depth_expected[0], renders.depth_median[0]
    there = truth > 0
    true_normals, known = depth_normals(truth, there, camera)
    found, solid = depth_normals(expected, there & (renders.alpha[0] > 0.5), camera)
    drawn = torch.nn.functional.normalize(renders.normals[0], dim=0)
    return (
        100 * depth_error(expected, truth, there).abs_rel,
        100 * depth_error(median, truth, there).abs_rel,
        _angle(drawn, true_normals, known & there),
        _angle(found, true_normals, known & solid),
    )


def _angle(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    return float(torch.rad2deg(torch.acos((one * other).sum(0).clamp(-1, 1)))[where].mean())


def few(data: Path, *, quick: bool) -> list[Figure]:
    """Three to sixteen photographs by the preset `draft`: held-out photos with the measures against fog and without."""
    figures: list[Figure] = []
    draft, standard = preset("draft").fit.steps, preset("standard").fit.steps
    trials = (
        ("temple_sparse_ring", (1, 4), draft),
        ("kermit", (1, 4), draft),
        ("kermit", (1,), standard),
        ("berlin", (0, 1, 2), draft),
    )
    for name, folds, steps in trials:
        source = photos_folder(data, name)
        if not source.is_dir():
            figures.append(absent(name, source))
        elif not quick or (name, steps) == ("kermit", draft):
            figures += _few(name, source, folds[: 1 if quick else None], 60 if quick else steps)
    return figures


def _few(name: str, source: Path, folds: tuple[int, ...], steps: int) -> list[Figure]:
    """Every sixth photo held out, from each of `folds` on; of fewer photos, one."""
    settings = preset("draft")
    solution, _ = solved(read_photos(source, settings.read).photos)
    capture, points = floats(solution.capture), floats(solution.points)
    count, every = len(capture), min(len(capture), 6)
    figures: list[Figure] = []
    for label, changes in (("without", WITHOUT), ("with", {})):
        config = dataclasses.replace(settings.fit, steps=steps, **changes)
        found: list[float] = []
        for fold in folds:
            held = [i for i in range(count) if i % every == fold % every]
            *_, last = fit(capture.take([i for i in range(count) if i not in held]), points, config)
            found += [view_psnr(last, capture.take(held), view) for view in range(len(held))]
        on = f"{name}, {count} photos, {len(folds)} fits, preset draft"
        text = f"{name}, {steps} steps: held-out PSNR, {label} measures"
        figures.append(Figure(text, float(np.mean(found)), "dB", "", f"{on}; {len(found)} held-out photos"))
    return figures
