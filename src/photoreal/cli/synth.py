"""`photoreal synth`: render the bundled capture anew."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Synth:
    """Path trace the reading room and photograph it: the capture that `make demo` uses, with its truth."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = tyro.MISSING
    """Folder to write; it must not exist yet."""

    def run(self) -> None:
        """Carry out the verb."""
        raise NotImplementedError
