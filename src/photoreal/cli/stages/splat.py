"""`photoreal splat`: splats, renders and report of a scene folder whose cameras are known."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from photoreal.cli.display import show
from photoreal.cli.reconstruct import summary
from photoreal.io import read_run
from photoreal.recipes import refit
from photoreal.splat import FitConfig
from photoreal.stages import FilmConfig, MeshConfig, Preset, ReconstructConfig


@dataclass(frozen=True)
class Splat:
    """Fit splats to a scene folder that `solve` or `reconstruct` made, then render, judge and report."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    preset: Preset = "standard"
    """Which preset's options to start from."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Fitting."""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """The textured mesh."""
    film: FilmConfig = field(default_factory=FilmConfig)
    """The film."""
    hold_out: int = 8
    """Every so many-th photo is held out; 0 for none."""
    held_out: tuple[str, ...] = ()
    """Names of photos to hold out instead."""
    seed: int = 0
    """The same seed gives the same result on the same machine."""

    def run(self) -> None:
        """Carry out the verb."""
        read_run(self.scene)
        config = ReconstructConfig(
            fit=self.fit,
            mesh=self.mesh,
            film=self.film,
            hold_out=self.hold_out,
            held_out=self.held_out,
            seed=self.seed,
        )
        print(summary(self.scene, show(refit(self.scene, config, preset=self.preset))))
