"""`photoreal eval`: how good a scene is."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from photoreal.stages import score


@dataclass(frozen=True)
class Eval:
    """Measure a scene on its held-out photos, and its cameras and geometry where the truth is given."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    truth: Path | None = None
    """Folder with transforms.json and, where known, depth/NAME.png (16-bit, mm) and mesh.ply; or a transforms.json."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Carry out the verb."""
        figures = score(self.scene, self.truth)
        print(_as_json(figures) if self.json else _as_table(figures))


def _as_json(figures: dict[str, float | None]) -> str:
    return json.dumps(figures, indent=1)


def _as_table(figures: dict[str, float | None]) -> str:
    width = max(len(name) for name in figures)
    rows = [(name, "not measured" if value is None else f"{value:.4f}") for name, value in figures.items()]
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
