"""Write docs/benchmarks.md from the committed results: `python -m benchmarks.tables`."""

import json
from pathlib import Path
from typing import Any

from benchmarks.figures import RESULTS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Made by `python -m benchmarks.tables` from `benchmarks/results/*.json`; measured by `python -m benchmarks NAME --keep`.
The captures that are not bundled are public ones; `--data` names the folder that holds them. Machines are noisy: read
times as sizes.
"""


def page(results: list[dict[str, Any]]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(result) for result in results)])


def section(result: dict[str, Any]) -> str:
    """One subject's table."""
    machine = result["machine"]
    about = (
        f"{result['date']}, commit {result['commit']}, {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gib']} GiB, load at the start {machine['load_at_start']}."
    )
    rows = ["| figure | value | goal | holds | on |", "| --- | --- | --- | --- | --- |"]
    for figure in result["figures"]:
        value = "not measured" if figure["value"] is None else f"{figure['value']:.4g} {figure['unit']}".strip()
        holds = {True: "yes", False: "**no**", None: ""}[figure["holds"]]
        rows.append(f"| {figure['name']} | {value} | {figure['goal']} | {holds} | {figure['on']} |")
    return "\n".join([f"## {result['subject']}", "", about, "", *rows, ""])


def main() -> None:
    """Write the page."""
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text(page(results))


if __name__ == "__main__":
    main()
