"""`photoreal export`: the scene in another format."""

import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from photoreal.core import PhotorealError, SceneError
from photoreal.io import (
    GlbConfig,
    atomic_folder,
    read_capture,
    read_run,
    write_gaussians_ply,
    write_glb,
    write_obj,
    write_spz,
    write_textured_ply,
    write_usdz,
)
from photoreal.stages import metres_per_unit, read_mesh, read_splats

ExportFormat = Literal["ply", "spz", "glb", "usdz", "obj", "mesh-ply", "colmap", "nerfstudio"]


@dataclass(frozen=True)
class Export:
    """Write splats (ply, spz), the mesh (glb, usdz, obj, mesh-ply) or cameras and photos (colmap, nerfstudio)."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    to: ExportFormat = "spz"
    """ply: INRIA's layout, exact; spz: a tenth of the size; glb, usdz (for Apple's devices): one file; obj, mesh-ply,
    colmap, nerfstudio: a folder."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File or folder to write; by default beside the scene folder, named after it."""
    mesh: GlbConfig = field(default_factory=GlbConfig)
    """How glb and usdz are written."""
    metres_per_unit: float | None = None
    """What one unit of the scene is, for the mesh's formats; by default what run.json says; 1 leaves the units."""

    def run(self) -> None:
        """Carry out the verb."""
        if self.metres_per_unit is not None and not 0 < self.metres_per_unit < math.inf:
            raise PhotorealError(f"--metres-per-unit is {self.metres_per_unit}; it must be a positive number")
        name = self.scene.resolve().name
        out = self.out or self.scene.resolve().parent / (f"{name}.{self.to}" if self._is_file else f"{name}_{self.to}")
        if out.exists():
            raise SceneError(f"{out} exists already; choose another with -o")
        if self._is_file:
            self._write_file(out)
        elif self.to in ("obj", "mesh-ply"):
            mesh = read_mesh(self.scene)
            mesh = mesh.replace(vertices=mesh.vertices * self._metres())  # these formats have no node to scale
            (write_obj if self.to == "obj" else write_textured_ply)(out, mesh, name)
        else:
            export_dataset(self.scene, out, self.to)
        print(f"written: {out}")

    def _write_file(self, out: Path) -> None:
        if self.to in ("glb", "usdz"):
            write = write_glb if self.to == "glb" else write_usdz
            write(out, read_mesh(self.scene), self.mesh, metres_per_unit=self._metres())
        else:
            (write_gaussians_ply if self.to == "ply" else write_spz)(out, read_splats(self.scene).gaussians)

    def _metres(self) -> float:
        return metres_per_unit(read_run(self.scene)) if self.metres_per_unit is None else self.metres_per_unit

    @property
    def _is_file(self) -> bool:
        return self.to in ("ply", "spz", "glb", "usdz")


def export_dataset(scene: Path, out: Path, to: ExportFormat) -> None:
    """Copy the scene's photos, masks, points and cameras, and nothing else, into a new folder of the given kind."""
    read_capture(scene)
    wanted = ("images", "masks", "sparse") if to == "colmap" else ("images", "masks", "transforms.json", "points.ply")
    with atomic_folder(out) as partial:
        partial.mkdir(exist_ok=True)
        for name in wanted:
            origin = scene / name
            if origin.is_dir():
                shutil.copytree(origin, partial / name)
            elif origin.is_file():
                shutil.copy2(origin, partial / name)
