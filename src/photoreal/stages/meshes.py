"""The splats and photos of a scene folder in; its textured mesh out."""

import dataclasses
from collections.abc import Generator
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from photoreal.core import (
    Capture,
    Depths,
    Gaussians,
    Points,
    SceneError,
    TexturedMesh,
    bytes_from_unit,
)
from photoreal.io import RunRecord, read_capture, read_glb, read_run, write_glb, write_seen
from photoreal.mesh import Surface, agree, bake, build_surface, finish_surface
from photoreal.splat import FitConfig, empty_pixels
from photoreal.splat.harmonics import Y_0
from photoreal.stages.config import MeshConfig
from photoreal.stages.depths import splat_depths
from photoreal.stages.ledger import Work, stage_of
from photoreal.stages.progress import Outcome, Progress, told
from photoreal.stages.scale import metres_per_unit
from photoreal.stages.splats import read_splats

MESH_FILES = ("mesh.glb", "mesh_seen.png")
"""What a scene folder holds once its mesh is made."""


def mesh_stage(folder: Path, held_out: list[str], config: MeshConfig) -> Work:
    """Afterwards the folder holds `mesh.glb`, made of all photos but the held-out ones, and its mask of seen texels.

    The file is in metres where run.json knows the scale.

    Raises:
        CaptureError: no depth is confirmed, or there is too little memory; the text offers a size.
    """
    record, scene, gaussians = read_run(folder), read_capture(folder).capture, read_splats(folder).gaussians
    kept = scene.take([i for i, name in enumerate(scene.photos.names) if name not in held_out])
    kept = kept.replace(cameras=kept.cameras.map(torch.Tensor.float))
    surface = yield from surface_of(kept, gaussians, config, _empty(kept, record))
    baked = yield from told("mesh", bake(kept, surface, points_of(gaussians), config.texture))
    yield Progress("mesh", "writing", 0, 1)
    write_seen(folder / "mesh_seen.png", baked.mesh)
    write_glb(folder / "mesh.glb", baked.mesh, config.file, metres_per_unit=metres_per_unit(record))
    return Outcome(
        "embedded: fused splat depths, xatlas, photo texture",
        surface.figures
        | {
            "texel": baked.texel,
            "pages": float(len(baked.mesh.pages)),
            "page_side": float(baked.mesh.pages.shape[-1]),
            "unseen_share": baked.unseen,
            "gain_least": float(baked.gains.min()),
            "gain_most": float(baked.gains.max()),
        },
    )


def surface_of(
    capture: Capture, gaussians: Gaussians, config: MeshConfig, empty: Bool[Tensor, "V H W"] | None = None
) -> Generator[Progress, None, Surface]:
    """The surface that splats agree on, moved to where the photographs agree, of the wanted size.

    `empty`: pixels that are known to show nothing, around what was cut out of its photos; then there is no outer shell.

    Raises:
        CaptureError: no depth is confirmed, or there is too little memory; the text offers a size.
    """
    height, width = capture.cameras.size
    scale = min(1.0, config.depth_side / max(height, width))
    cameras = capture.cameras.resized((max(1, round(height * scale)), max(1, round(width * scale))))
    depths = yield from told("mesh", splat_depths(gaussians, cameras, config.depth))
    surface = config.surface
    if empty is not None:
        depths, surface = _emptied(depths, empty), dataclasses.replace(surface, background="none")
    dense = yield from told("mesh", build_surface(depths, cameras, surface))
    if config.surface.photometric:
        yield Progress("mesh", "moving to where photos agree", 0, 0)
        *_, dense = agree(dense, capture)
    yield Progress("mesh", "simplifying", 0, 0)
    return finish_surface(dense, capture, surface)


def _empty(capture: Capture, record: RunRecord) -> Bool[Tensor, "V H W"] | None:
    """The pixels that the splats' fit took for empty space."""
    given = record.options.get("fit", {})
    known = {name: given[name] for name in ("outside", "plain_backdrop") if name in given}
    return empty_pixels(capture, FitConfig(**known))


def _emptied(depths: Depths, empty: Bool[Tensor, "V H W"]) -> Depths:
    """Infinite where all is empty."""
    clear = torch.nn.functional.interpolate(empty[None].float(), depths.size, mode="area")[0] == 1
    return Depths(torch.where(clear, torch.inf, depths.depth), torch.where(clear, torch.ones(()), depths.confidence))


def points_of(gaussians: Gaussians) -> Points:
    """The Gaussians' middles with the means of their colours over all directions; confidence is the mean opacity."""
    colours = (0.5 + Y_0 * gaussians.colour_harmonics[:, 0]).clamp(0, 1)
    opacity = torch.sigmoid(Y_0 * gaussians.opacity_harmonics[:, 0])
    return Points(gaussians.means, bytes_from_unit(colours), opacity)


def read_mesh(folder: Path) -> TexturedMesh:
    """The textured mesh of a scene folder.

    Raises:
        SceneError: the folder is no scene, or its mesh is not finished.
    """
    if stage_of(read_run(folder), "mesh") is None:
        raise SceneError(f"{folder} holds no finished mesh; run photoreal mesh {folder}")
    return read_glb(folder / "mesh.glb", folder / "mesh_seen.png")
