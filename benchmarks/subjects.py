"""What is measured: each subject is a function from a data folder to figures."""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from benchmarks.figures import Figure
from photoreal.align import DRAFT_SFM, Solution, solve
from photoreal.core import Cameras, Capture, Photos, Points, Value, drained, unit_from_bytes
from photoreal.io import ReadConfig, read_nerfstudio, read_nerfstudio_cameras, read_photos
from photoreal.metrics import pose_auc, psnr, rotation_errors
from photoreal.recipes import reconstruct
from photoreal.splat import FitConfig, FitStep, background_image, carved_points, fit, render_colour
from photoreal.stages import preset, score
from photoreal.stages.ledger import peak_memory

CAPTURE = Path(__file__).parent.parent / "examples" / "captures" / "reading_room"
GIB = 2**30
ValueT = TypeVar("ValueT", bound=Value)
ResultT = TypeVar("ResultT")
OVER_WHITE = FitConfig(max_gaussians=100_000, background="white", far_gaussians=0, exposure=False)
"""For objects on white."""


def demo(_data: Path, *, quick: bool) -> list[Figure]:
    """The bundled capture by the preset `draft`, as `make demo` runs it."""
    config = preset("draft")
    if quick:
        config = dataclasses.replace(
            config,
            read=ReadConfig(max_side=320),
            fit=dataclasses.replace(config.fit, steps=100),
            film=dataclasses.replace(config.film, frames=0),
        )
    with tempfile.TemporaryDirectory() as folder:
        out, started = Path(folder) / "demo", time.perf_counter()
        for _ in reconstruct(CAPTURE / "photos", out, config, preset="draft"):
            pass
        seconds = time.perf_counter() - started
        found = score(out, CAPTURE / "truth")
    on = "bundled reading room, 28 photos, preset draft" + (" (quick)" if quick else "")

    def goal(text: str) -> str:
        return "" if quick else text

    return [
        Figure("whole run", seconds, "s", goal("<= 360"), on),
        Figure("held-out PSNR", found["psnr"], "dB", goal(">= 24"), on),
        Figure("held-out SSIM", found["ssim"], "", "", on),
        Figure("held-out LPIPS (alex)", found["lpips"], "", "", on),
        Figure("rotation error, mean", found["rotation_error_degrees"], "degrees", "", on),
        Figure("pose AUC at 5 degrees", found["pose_auc_5"], "%", "", on),
        Figure("median depth, mean relative error", found["depth_abs_rel"], "", "", on),
        Figure("points, F-score at 1 % of extent", found["points_f_score_1_percent"], "", "", on),
        Figure("peak memory", peak_memory() / GIB, "GiB", goal("<= 6"), on),
    ]


def fox(data: Path, *, quick: bool) -> list[Figure]:
    """Phone stills against COLMAP's cameras and OpenSplat's picture."""
    folder = data / "fox"
    if not folder.is_dir():
        return [absent("fox", folder)]
    if quick:
        reading = read_nerfstudio(folder, ReadConfig(max_side=240))
        seen, judge = split(floats(reading.capture), "0030")
        points = carved_points(seen, count=5000)
        steps, _ = _fit(seen, judge, points, FitConfig(steps=150, max_gaussians=8000), at=(150,))
        return [Figure("held-out PSNR, 150 steps", steps[150], "dB", "", "fox at 134x240, given cameras, quick")]
    solution, seconds = solved(read_photos(folder / "images", ReadConfig(max_side=960)).photos)
    figures = _pose_figures("fox", solution, *read_nerfstudio_cameras(folder / "transforms.json"))
    figures.append(Figure("cameras", seconds, "s", "", "fox, 50 photos at 540x960"))
    small = resized(solution.capture, 480)
    for held, count, goal in (("0030", 1000, "> 23.4"), ("0030", 3000, ""), ("", 3000, "")):
        seen, judge = split(small, held)
        on = f"fox at 270x480, held out: {'photo 0030' if held else f'{len(judge)} of 50 photos'}"
        steps, spent = _fit(seen, judge, solution.points, FitConfig(steps=count, max_gaussians=60_000), at=(count,))
        figures.append(Figure(f"held-out PSNR, {count} steps", steps[count], "dB", goal, on))
        figures.append(Figure(f"fit, {count} steps", spent, "s", "", on))
    return [*figures, Figure("peak memory", peak_memory() / GIB, "GiB", "<= 6", "fox, 50 photos")]


def lego(data: Path, *, quick: bool) -> list[Figure]:
    """NeRF-synthetic lego: exact cameras, alpha, its own test views over white."""
    folder = data / "lego"
    if not folder.is_dir():
        return [absent("lego", folder)]
    side = 100 if quick else 400
    seen, judge, points = lego_scene(folder, side)
    count = 200 if quick else 3000
    config = dataclasses.replace(OVER_WHITE, steps=count)
    steps, seconds = _fit(seen, judge, points, config, at=(count,))
    on = f"lego at {side}x{side}, 50 training and {len(judge)} test views"
    figures = [
        Figure(f"test PSNR, {count} steps", steps[count], "dB", "" if quick else ">= 27", on),
        Figure(f"fit, {count} steps", seconds, "s", "", on),
    ]
    return figures if quick else [*figures, *_at_other_sizes(folder, judge)]


def _at_other_sizes(folder: Path, judge: Capture) -> list[Figure]:
    """Fitted to small photographs, drawn half and four times as large: with Mip-Splatting's filters and without."""
    seen, same, points = lego_scene(folder, 100)
    figures: list[Figure] = []
    small = resized(judge, 50)
    filters = {
        "no filter": (False, False),
        "3D filter": (True, False),
        "2D filter": (False, True),
        "both": (True, True),
    }
    for name, (smoothing, antialiased) in filters.items():
        config = dataclasses.replace(OVER_WHITE, steps=1500, max_gaussians=60_000, coarse=())
        config = dataclasses.replace(config, smoothing=smoothing, antialiased=antialiased)
        *_, last = fit(seen, points, config)
        on = f"lego fitted at 100x100, {name}"
        for views, size in ((small, 50), (same, 100), (judge, 400)):
            value = float(np.mean([view_psnr(last, views, view) for view in range(len(views))]))
            figures.append(Figure(f"test PSNR, drawn at {size}x{size}", value, "dB", "", on))
    return figures


def lego_scene(folder: Path, side: int) -> tuple[Capture, Capture, Points]:
    """Training views, test views, and points inside of what the training views show."""
    seen, judge = (resized(_over_white(folder, name), side) for name in ("train", "test"))
    return seen, judge, carved_points(_cut_out(seen), count=10_000)


def captures(data: Path, *, quick: bool) -> list[Figure]:
    """Other people's captures to the end, by the preset `draft`."""
    figures: list[Figure] = []
    for name, photos in (("sceaux", 11), ("kitchen", 25), ("kermit", 11), ("temple_sparse_ring", 16)):
        source = photos_folder(data, name)
        if not source.is_dir():
            figures.append(absent(name, source))
        elif not quick or name == "kermit":
            figures += _run_capture(name, source, photos, quick=quick)
    return figures


def _run_capture(name: str, source: Path, photos: int, *, quick: bool) -> list[Figure]:
    config = preset("draft")
    if quick:
        config = dataclasses.replace(
            config, fit=dataclasses.replace(config.fit, steps=60), film=dataclasses.replace(config.film, frames=0)
        )
    with tempfile.TemporaryDirectory() as folder:
        record = drained(reconstruct(source, Path(folder) / name, config, preset="draft"))
    on = f"{name}, {photos} photos, preset draft" + (" (quick)" if quick else "")
    render = next(stage for stage in record.stages if stage.name == "render").figures
    return [
        Figure(f"{name}: photos registered", float(len(record.photos)), f"of {photos}", "", on),
        Figure(f"{name}: held-out PSNR", render.get("psnr"), "dB", "", on),
        Figure(f"{name}: held-out LPIPS", render.get("lpips"), "", "", on),
        *(Figure(f"{name}: {stage.name}", stage.seconds, "s", "", on) for stage in record.stages),
        Figure(f"{name}: peak memory so far", peak_memory() / GIB, "GiB", "<= 6", on),
    ]


def resized(capture: Capture, side: int) -> Capture:
    """The capture with its longer side scaled down to `side` pixels by area averaging."""
    height, width = capture.photos.size
    scale = side / max(height, width)
    size = (round(height * scale), round(width * scale))
    photos, area = capture.photos, torch.nn.functional.interpolate
    images = torch.stack([area(image[None].float(), size=size, mode="area")[0] for image in photos.images])
    masks = area(photos.masks[:, None].float(), size=size, mode="area")[:, 0] > 0.99
    small = Photos((images + 0.5).to(torch.uint8), masks, photos.names, photos.focal_hints * scale, photos.lens_ids)
    return Capture(small, capture.cameras.resized(size))


def absent(name: str, folder: Path) -> Figure:
    """Says that a capture is not there."""
    return Figure(name, None, "", "", f"{folder} is not there; give --data")


def floats(value: ValueT) -> ValueT:
    """The same with every floating-point number as float32."""
    return value.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)


def photos_folder(data: Path, name: str) -> Path:
    """Where the photos of a capture are."""
    return data / name / "images" if (data / name / "images").is_dir() else data / name


def solved(photos: Photos) -> tuple[Solution, float]:
    """Cameras by the draft's settings, and the seconds they took."""
    started = time.perf_counter()
    solution = drained(solve(photos, DRAFT_SFM))
    return solution, time.perf_counter() - started


def _pose_figures(name: str, solution: Solution, truth: Cameras, names: list[str]) -> list[Figure]:
    """The photos that truth and solution share; a photo without a camera counts as a failure of the AUC."""
    number = {Path(n).stem: i for i, n in enumerate(names)}
    ours = solution.capture.photos.names
    shared = [(i, number[Path(n).stem]) for i, n in enumerate(ours) if Path(n).stem in number]
    wanted = [
        number[Path(n).stem] for n in (*ours, *(item.name for item in solution.left_out)) if Path(n).stem in number
    ]
    cameras, kept = solution.capture.cameras.take([i for i, _ in shared]), sorted(wanted)
    errors = rotation_errors(cameras, truth.take([j for _, j in shared]))
    auc = pose_auc(cameras, truth.take(kept), (5,), views=[kept.index(j) for _, j in shared])
    on = f"{name} against transforms.json"
    return [
        Figure("photos registered", float(len(ours)), f"of {len(ours) + len(solution.left_out)}", ">= 50", on),
        Figure("rotation error, mean", float(errors.mean()), "degrees", "<= 0.3", on),
        Figure("pose AUC at 5 degrees", auc[5], "%", "", on),
    ]


def split(capture: Capture, held_out: str) -> tuple[Capture, Capture]:
    """Training and held-out photos: the named one, or the middle one of every eight."""
    names = capture.photos.names
    held = [i for i, name in enumerate(names) if (held_out in name if held_out else i % 8 == 4)]
    return capture.take([i for i in range(len(names)) if i not in held]), capture.take(held)


def _fit(
    seen: Capture, judge: Capture, points: Points, config: FitConfig, *, at: tuple[int, ...]
) -> tuple[dict[int, float], float]:
    """Mean held-out PSNR after each number of steps in `at`, and the seconds of the whole fit."""
    found: dict[int, float] = {}
    started = time.perf_counter()
    for step in fit(seen, points, config):
        if step.index in at:
            found[step.index] = float(np.mean([view_psnr(step, judge, view) for view in range(len(judge))]))
    return found, time.perf_counter() - started


def view_psnr(step: FitStep, judge: Capture, view: int) -> float:
    """PSNR of one photo against its render."""
    camera = judge.cameras.take([view])
    with torch.no_grad():
        colour, transmittance = render_colour(step.gaussians, camera)
        image = (colour + transmittance * background_image(step.background, camera)).clamp(0, 1)
    return psnr(image, unit_from_bytes(judge.photos.images[view]), judge.photos.masks[view])


def _over_white(folder: Path, name: str) -> Capture:
    """Photos composited over white, everywhere unmasked; names keep the alpha for `_cut_out`."""
    reading = read_nerfstudio(folder / f"transforms_{name}.json", ReadConfig(max_side=400))
    images: list[np.ndarray] = []
    for file in reading.capture.photos.names:
        rgba = np.asarray(Image.open(next(folder.rglob(f"{name}/{Path(file).stem}.png"))).convert("RGBA"), np.float32)
        alpha = rgba[..., 3:] / 255
        images.append((rgba[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8))
    whole = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    photos = reading.capture.photos
    photos = photos.replace(images=whole, masks=torch.ones_like(photos.masks))
    return floats(Capture(photos, reading.capture.cameras))


def _cut_out(capture: Capture) -> Capture:
    """Masks for carving: what is not white."""
    dark = (capture.photos.images < 250).any(1)
    grown = torch.nn.functional.max_pool2d(dark[:, None].float(), 5, stride=1, padding=2)[:, 0] > 0
    return Capture(capture.photos.replace(masks=grown), capture.cameras)
