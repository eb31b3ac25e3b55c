"""Textured meshes: beside the photographs, beside the truth, and what their making takes."""

import dataclasses
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.closer import closer, nearest_alone, write_room
from benchmarks.figures import Figure
from benchmarks.subjects import CAPTURE, GIB, absent, photos_folder
from photoreal.core import Mesh
from photoreal.io import ReadConfig, read_run
from photoreal.mesh import simplify
from photoreal.mesh.texture.atlas import unwrap
from photoreal.recipes import reconstruct
from photoreal.stages import MeshConfig, ReconstructConfig, preset, score
from photoreal.stages.ledger import peak_memory, stage_of

_GOALS = {"reading_room": ">= 0.75"}
"""Of the F-score."""
CAPTURES = ("reading_room", "fox", "sceaux", "kitchen", "lego", "room")


def mesh(data: Path, *, quick: bool) -> list[Figure]:
    """Each capture by the preset `draft`: the mesh on held-out photos beside the splats, and the truth where known."""
    figures: list[Figure] = []
    for name in CAPTURES[: 1 if quick else None]:
        source = _source(data, name)
        with tempfile.TemporaryDirectory() as folder:
            if not source.is_dir():
                figures.append(absent(name, source))
            elif name == "room":
                write_room(source, Path(folder) / "posed")
                figures += _run(name, Path(folder) / "posed", Path(folder) / "posed", quick=quick)
            else:
                figures += _run(name, source, CAPTURE / "truth" if name == "reading_room" else None, quick=quick)
    return figures + ([] if quick else _pieces())


def _source(data: Path, name: str) -> Path:
    if name == "reading_room":
        return CAPTURE / "photos"
    return data / name if name in ("lego", "room") else photos_folder(data, name)


def _run(name: str, source: Path, truth: Path | None, *, quick: bool) -> list[Figure]:
    config = dataclasses.replace(preset("draft"), film=dataclasses.replace(preset("draft").film, frames=0))
    config = _quick(config) if quick else config
    if name == "lego":
        config = dataclasses.replace(config, fit=dataclasses.replace(config.fit, outside="empty"))
    on = f"{name}, preset draft" + (" (quick)" if quick else "")
    with tempfile.TemporaryDirectory() as folder:
        out, started = Path(folder) / name, time.perf_counter()
        for _ in reconstruct(source, out, config, preset="draft"):
            pass
        seconds = time.perf_counter() - started
        found = score(out, truth)
        made = stage_of(read_run(out), "mesh")
        more = closer(out, config.mesh, truth, on) if name == "reading_room" and truth and not quick else []
        more += nearest_alone(out, config.mesh, on) if name == "fox" and not quick else []
    assert made is not None
    rows = [
        ("splats, held-out PSNR", found["psnr"], "dB", ""),
        ("mesh, held-out PSNR", found["mesh_psnr"], "dB", ""),
        ("mesh, PSNR less than the splats'", _difference(found["psnr"], found["mesh_psnr"]), "dB", "<= 3"),
        ("splats, held-out LPIPS", found["lpips"], "", ""),
        ("mesh, held-out LPIPS", found.get("mesh_lpips"), "", ""),
        ("mesh, LPIPS more than the splats'", _difference(found.get("mesh_lpips"), found["lpips"]), "", "<= 0.08"),
        ("triangles", made.figures["faces"], "", ""),
        ("mesh stage", made.seconds, "s", ""),
        ("whole run", seconds, "s", "<= 300" if name == "sceaux" else ""),
        ("peak memory so far", peak_memory() / GIB, "GiB", "<= 6"),
    ]
    if truth is not None:
        rows += [
            ("mesh, F-score at 1 % of extent", found["mesh_f_score_1_percent"], "", _GOALS.get(name, "")),
            ("mesh, F-score at 0.5 % of extent", found["mesh_f_score_half_percent"], "", ""),
            ("mesh, accuracy", found["mesh_accuracy"], "of extent", ""),
            ("mesh, completeness", found["mesh_completeness"], "of extent", ""),
            ("mesh, Chamfer distance", found["mesh_chamfer"], "of extent", ""),
        ]
    return more + [
        Figure(f"{name}: {label}", value, unit, "" if quick else goal, on) for label, value, unit, goal in rows
    ]


def _quick(config: ReconstructConfig) -> ReconstructConfig:
    return dataclasses.replace(
        config,
        read=ReadConfig(max_side=320),
        fit=dataclasses.replace(config.fit, steps=100),
        mesh=dataclasses.replace(MeshConfig(), depth_side=160),
    )


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _pieces() -> list[Figure]:
    """Half a million triangles made fewer, and unwrapped."""
    rough = _waves(500)
    started = time.perf_counter()
    small = simplify(rough, 100_000)
    simplified = time.perf_counter() - started
    texel = torch.full((len(small.faces),), float((small.face_areas.sum() / (0.6 * 4096**2)).sqrt()))
    started = time.perf_counter()
    atlas = unwrap(small, texel, side=4096)
    unwrapped = time.perf_counter() - started
    on = f"a wavy sheet of {len(rough.faces):,} triangles"
    return [
        Figure("simplify to 100,000 triangles", simplified, "s", "", on),
        Figure(f"unwrap 100,000 triangles, {atlas.pages} pages of {atlas.side}", unwrapped, "s", "", on),
    ]


def _waves(side: int) -> Mesh:
    x, y = np.meshgrid(np.linspace(0, 1, side + 1), np.linspace(0, 1, side + 1))
    z = 0.05 * np.sin(20 * x) * np.cos(15 * y) + 0.0005 * np.random.default_rng(0).standard_normal(x.shape)
    vertices = torch.from_numpy(np.stack([x, y, z], -1).reshape(-1, 3)).float()
    corner = torch.arange(side)[:, None] * (side + 1) + torch.arange(side)
    a, b, c, d = corner, corner + 1, corner + side + 1, corner + side + 2
    return Mesh(vertices, torch.stack([a, b, c, b, d, c], -1).reshape(-1, 3))
