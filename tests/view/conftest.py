"""A small scene folder as a run leaves it, with names that try to break out of the page."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from photoreal.core import Tracks
from photoreal.io.run import RunRecord, StageRecord, write_run
from photoreal.io.scene import write_capture, write_gaussians
from photoreal.synth.toy import ToyScene, toy_scene
from photoreal.view.film import write_film

EVIL = "<script>alert(1)<\u2044script>\"'&.jpg"
NO_TRACKS = Tracks(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0, 2))


@pytest.fixture(scope="session")
def toy() -> ToyScene:
    scene = toy_scene(0, 10, (60, 80), arc_degrees=120.0, points=600)
    names = (scene.capture.photos.names[0], EVIL, *scene.capture.photos.names[2:])
    capture = scene.capture.replace(photos=scene.capture.photos.replace(names=names))
    return scene.replace(capture=capture)


@pytest.fixture
def folder(tmp_path: Path, toy: ToyScene) -> Path:
    return scene_folder(tmp_path / "a scene", toy)


def scene_folder(folder: Path, scene: ToyScene) -> Path:
    """A finished scene folder; the renders of its two held-out photos are the photos, 8 of 255 brighter."""
    folder.mkdir()
    held = (scene.capture.photos.names[1], scene.capture.photos.names[5])
    write_run(folder, record_of(scene, held))
    write_capture(folder, scene.capture, scene.points, NO_TRACKS, image_format="png")
    write_gaussians(folder, scene.gaussians)
    renders = folder / "renders" / "held_out"
    renders.mkdir(parents=True)
    for name in held:
        image = scene.capture.photos.images[scene.capture.photos.names.index(name)]
        brighter = (image.int() + 8).clamp(max=255).to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(brighter)).save(renders / f"{name}.png")
    write_film(folder / "orbit.mp4", iter(scene.capture.photos.images), 12)
    return folder


def record_of(scene: ToyScene, held: tuple[str, ...]) -> RunRecord:
    figures = {"psnr": 24.5, "ssim": 0.81, "lpips": math.nan}
    figures |= {f"psnr/{name}": 24.0 + index for index, name in enumerate(held)}
    stages = [
        StageRecord("read", 1.5, 200_000_000, notes=["2 frames <are> missing"]),
        StageRecord("solve", 60.0, 800_000_000, model="SIFT, incremental mapping"),
        StageRecord("splat", 120.0, 900_000_000, "numba", {"gaussians": 12345.0}, _curves()),
        StageRecord("render", 10.0, 900_000_000, "numba", figures),
    ]
    return RunRecord(
        "0.1.0",
        "/photos/garden & gate",
        "draft",
        {"splat": {"steps": 500, "name": "<b>"}},
        7,
        list(scene.capture.photos.names),
        [{"name": "../<img src=x>.jpg", "reason": "truncated <file>"}],
        list(held),
        stages,
    )


def _curves() -> dict[str, list[list[float]]]:
    return {
        "loss": [[float(step), 0.3 * math.exp(-step / 100) + 0.05] for step in range(0, 500, 2)],
        "held_out_psnr": [[0.0, 12.0], [250.0, math.nan], [500.0, 24.5]],
        "gaussians": [[0.0, 600.0], [500.0, 12345.0]],
    }
