"""`photoreal mesh`: a textured mesh of a scene folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from photoreal.cli.display import show
from photoreal.cli.reconstruct import summary
from photoreal.recipes import remesh
from photoreal.stages import MeshConfig, Preset


@dataclass(frozen=True)
class Mesh:
    """Make the textured mesh of a scene folder whose splats are fitted, then render, judge and report."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    preset: Preset = "standard"
    """Which preset's options to start from."""
    mesh: Annotated[MeshConfig, tyro.conf.arg(name="mesh")] = field(default_factory=MeshConfig)
    """The textured mesh."""

    def run(self) -> None:
        """Carry out the verb."""
        print(summary(self.scene, show(remesh(self.scene, self.mesh))))
