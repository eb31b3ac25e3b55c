"""A measured figure, the machine it was measured on, and the JSON that both go into."""

import datetime
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, and the goal it has to reach."""

    name: str
    value: float | None
    unit: str
    goal: str
    """Such as ">= 24"; empty where the figure is only reported."""
    on: str
    """Data and setting; where `value` is None, also the reason."""

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None where there is no goal or no value."""
        if not self.goal or self.value is None:
            return None
        sign, bound = self.goal.split()
        reached = {">=": self.value >= float(bound), "<=": self.value <= float(bound), ">": self.value > float(bound)}
        return bool(reached[sign])


def circumstances() -> dict[str, Any]:
    """Date, commit and machine; asked for before the measurement begins."""
    return {"date": datetime.date.today().isoformat(), "commit": _commit(), "machine": machine()}


def report(subject: str, figures: list[Figure], begun: dict[str, Any], *, quick: bool, keep: bool) -> dict[str, Any]:
    """The JSON object of a subject; with `keep` it also becomes the committed copy."""
    result = {
        "subject": subject,
        "quick": quick,
        **begun,
        "figures": [asdict(figure) | {"holds": figure.holds} for figure in figures],
    }
    if keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{subject}.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def machine() -> dict[str, Any]:
    """Processor, cores, memory and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
