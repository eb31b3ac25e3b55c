"""`photoreal synth`: render the bundled capture anew."""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from photoreal.cli.display import show
from photoreal.core import SceneError
from photoreal.stages import Progress
from photoreal.synth import CaptureConfig, render_capture


@dataclass(frozen=True)
class Synth:
    """Path trace the reading room and photograph it: the capture that `make demo` uses, with its truth."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = tyro.MISSING
    """Folder to write; a stopped rendering in it goes on."""
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """How it is rendered."""

    def run(self) -> None:
        """Carry out the verb."""
        if (self.out / "truth" / "transforms.json").exists():
            raise SceneError(f"{self.out} already holds a finished capture; choose another folder")
        show(self._progress())
        print(f"capture: {self.out}")

    def _progress(self) -> Generator[Progress, None, None]:
        for step in render_capture(self.out, self.capture):
            yield Progress("synth", step.phase, step.done, step.total)
