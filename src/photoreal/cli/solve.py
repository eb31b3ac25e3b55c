"""`photoreal solve`: cameras only."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from photoreal.cli.display import show
from photoreal.io import ClaimPolicy
from photoreal.recipes import reconstruct
from photoreal.stages import Preset, ReconstructConfig


@dataclass(frozen=True)
class Solve:
    """Find the cameras of photographs and write a scene folder, which is also a COLMAP and a nerfstudio dataset."""

    source: tyro.conf.Positional[Path] = tyro.MISSING
    """Folder of photographs, video file, or dataset."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = tyro.MISSING
    """Scene folder to write."""
    preset: Preset = "standard"
    """Which preset's options to start from."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the scene that the folder holds."""
    config: Annotated[ReconstructConfig, tyro.conf.arg(name="")] = field(default_factory=ReconstructConfig)
    """Options; only those of reading and of cameras matter here."""

    def run(self) -> None:
        """Carry out the verb."""
        policy: ClaimPolicy = "overwrite" if self.overwrite else "new"
        steps = reconstruct(self.source, self.out, self.config, preset=self.preset, policy=policy, until="solve")
        record = show(steps)
        figures = ", ".join(f"{name} {value:.4g}" for name, value in record.stages[-1].figures.items())
        print(f"{record.stages[-1].model}: {figures}")
        for item in record.left_out:
            print(f"  left out: {item['name']}: {item['reason']}")
        print(f"next: photoreal splat {self.out}")
