"""`photoreal reconstruct`: the whole job."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from photoreal.cli.display import show
from photoreal.core import PhotorealError
from photoreal.io import ClaimPolicy, RunRecord
from photoreal.recipes import reconstruct
from photoreal.stages import Preset, ReconstructConfig, scale_note


@dataclass(frozen=True)
class Reconstruct:
    """Turn photographs (a folder), a video, or a COLMAP or nerfstudio dataset into a scene folder."""

    source: tyro.conf.Positional[Path] = tyro.MISSING
    """Folder of photographs, video file, or dataset."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = tyro.MISSING
    """Scene folder to write."""
    preset: Preset = "standard"
    """draft: minutes; standard: what to use; best: hours on a CPU. Options below change single values of it."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with a stopped run in this folder."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the scene that the folder holds."""
    config: Annotated[ReconstructConfig, tyro.conf.arg(name="")] = field(default_factory=ReconstructConfig)
    """Options of every stage."""

    def run(self) -> None:
        """Carry out the verb."""
        policy = policy_of(resume=self.resume, overwrite=self.overwrite)
        steps = reconstruct(self.source, self.out, self.config, preset=self.preset, policy=policy)
        record = show(steps)
        print(summary(self.out, record))


def _judged(render: dict[str, float]) -> str:
    """What the mesh reaches on held-out photos."""
    if not math.isfinite(render.get("mesh_psnr", math.nan)):
        return ""
    return f", held out: PSNR {render['mesh_psnr']:.2f} dB" + (
        f", LPIPS {render['mesh_lpips']:.3f}" if "mesh_lpips" in render else ""
    )


def policy_of(*, resume: bool, overwrite: bool) -> ClaimPolicy:
    """What may be done with a folder that holds a scene.

    Raises:
        PhotorealError: both are asked for.
    """
    if resume and overwrite:
        raise PhotorealError("--resume and --overwrite exclude each other; choose one")
    return "resume" if resume else "overwrite" if overwrite else "new"


def summary(folder: Path, record: RunRecord) -> str:
    """What a run gave, in a few lines."""
    found = {stage.name: stage for stage in record.stages}
    stages = ("solve", "splat", "mesh", "render")
    solve, splat, mesh, render = (found[name].figures if name in found else {} for name in stages)
    lines = [f"{len(record.photos)} photos used, {len(record.left_out)} left out"]
    lines += [f"  left out: {item['name']}: {item['reason']}" for item in record.left_out[:5]]
    if len(record.left_out) > 5:
        lines.append(f"  and {len(record.left_out) - 5} more; see run.json")
    lines.append(f"{solve.get('points', 0):,.0f} points, {splat.get('gaussians', 0):,.0f} Gaussians")
    lines += [note] if (note := scale_note(record)) else []
    if math.isfinite(render.get("psnr", math.nan)):
        shares = [f"PSNR {render['psnr']:.2f} dB", f"SSIM {render['ssim']:.3f}"]
        shares += [f"LPIPS {render['lpips']:.3f}"] if "lpips" in render else []
        lines.append(f"{len(record.held_out)} held-out photos: " + ", ".join(shares))
    if mesh:
        lines.append(f"mesh: {mesh['faces']:,.0f} triangles" + _judged(render))
    spent = ", ".join(f"{stage.name} {stage.seconds:.0f} s" for stage in record.stages)
    models = "; ".join(f"{stage.name}: {stage.model}" for stage in record.stages)
    lines += [
        f"time: {spent}",
        f"models: {models}",
        *([f"mesh: {folder / 'mesh.glb'}"] if mesh else []),
        f"report: {folder / 'report.html'}",
        f"look: photoreal view {folder}",
    ]
    return "\n".join(lines)
