"""`photoreal solve`: cameras only."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from photoreal.cli.display import show
from photoreal.cli.reconstruct import policy_of
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
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with a stopped run in this folder."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the scene that the folder holds."""
    config: Annotated[ReconstructConfig, tyro.conf.arg(name="")] = field(default_factory=ReconstructConfig)
    """Options; only those of reading, of cameras and of the scale matter here."""

    def run(self) -> None:
        """Carry out the verb."""
        policy = policy_of(resume=self.resume, overwrite=self.overwrite)
        steps = reconstruct(self.source, self.out, self.config, preset=self.preset, policy=policy, until="solve")
        record = show(steps)
        solved = record.stages[0]
        figures = ", ".join(f"{name} {told(value)}" for name, value in solved.figures.items())
        print(f"{solved.model}: {figures}")
        for note in solved.notes:
            print(f"  {note}")
        for item in record.left_out:
            print(f"  left out: {item['name']}: {item['reason']}")
        print(f"next: photoreal splat {self.out}")


def told(value: float) -> str:
    """Four digits, or all of a large number's."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
