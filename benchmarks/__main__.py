"""Run one subject, or all of them, and print one JSON object last."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from photoreal.cli.launch import BEFORE_TORCH

os.environ |= BEFORE_TORCH | os.environ

from benchmarks.figures import Figure, circumstances, report
from benchmarks.meshes import mesh
from benchmarks.models import models
from benchmarks.rasterizer import rasterizer
from benchmarks.splats import few, surfaces
from benchmarks.subjects import captures, demo, fox, lego
from photoreal.core import PhotorealError

SUBJECTS: dict[str, Callable[..., list[Figure]]] = {
    "demo": demo,
    "fox": fox,
    "lego": lego,
    "captures": captures,
    "rasterizer": rasterizer,
    "surfaces": surfaces,
    "few": few,
    "mesh": mesh,
    "models": models,
}


def main() -> None:
    """Measure, print a table, then the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", choices=[*SUBJECTS, "all"])
    parser.add_argument(
        "--quick", action="store_true", help="under a minute: small images, few steps; no goal is judged"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of fox, lego, sceaux, ...")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/SUBJECT.json")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    failed = False
    for name in SUBJECTS if options.subject == "all" else [options.subject]:
        started, begun = time.perf_counter(), circumstances()
        try:
            figures = SUBJECTS[name](options.data, quick=options.quick)
        except PhotorealError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        for figure in figures:
            value = "not measured" if figure.value is None else f"{figure.value:.4g} {figure.unit}"
            mark = {True: "holds", False: "MISSED", None: ""}[figure.holds]
            print(f"{name:<9} {figure.name:<34} {value:<22} {figure.goal:<10} {mark:<7} {figure.on}", file=sys.stderr)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        print(json.dumps(report(name, figures, begun, quick=options.quick, keep=options.keep and not options.quick)))
    sys.exit(failed)


main()
