"""`photoreal export`: the scene in another format."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from photoreal.core import SceneError
from photoreal.io import (
    atomic_folder,
    read_capture,
    write_gaussians_ply,
    write_spz,
)
from photoreal.stages import read_splats

ExportFormat = Literal["ply", "spz", "colmap", "nerfstudio"]


@dataclass(frozen=True)
class Export:
    """Write the splats (ply, spz) or the cameras with their photos (colmap, nerfstudio) for other programs."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    to: ExportFormat = "spz"
    """ply: INRIA's layout, exact; spz: a tenth of the size; colmap, nerfstudio: a folder."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File or folder to write; by default beside the scene folder, named after it."""

    def run(self) -> None:
        """Carry out the verb."""
        name = self.scene.resolve().name
        out = self.out or self.scene.resolve().parent / (f"{name}.{self.to}" if self._is_file else f"{name}_{self.to}")
        if out.exists():
            raise SceneError(f"{out} exists already; choose another with -o")
        if self._is_file:
            gaussians = read_splats(self.scene).gaussians
            (write_gaussians_ply if self.to == "ply" else write_spz)(out, gaussians)
        else:
            export_dataset(self.scene, out, self.to)
        print(f"written: {out}")

    @property
    def _is_file(self) -> bool:
        return self.to in ("ply", "spz")


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
