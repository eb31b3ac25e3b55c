"""`photoreal doctor`: what this machine can and cannot do."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from photoreal import __version__
from photoreal.core import MissingWeightsError
from photoreal.models.weights import WEIGHTS, command, find


@dataclass(frozen=True)
class Finding:
    """One thing that works here or does not, and the command that would change it."""

    works: bool
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Doctor:
    """Say what this machine can and cannot do, and the command that would change it."""

    def run(self) -> None:
        """Carry out the verb."""
        print(f"photoreal {__version__} on Python {platform.python_version()}, {platform.platform()}")
        print(f"{os.cpu_count()} processors, {_memory()}, {_disk()}")
        for finding in findings():
            mark = "yes" if finding.works else "no "
            print(f"  {mark}  {finding.what}" + (f"\n       -> {finding.remedy}" if finding.remedy else ""))


def findings() -> list[Finding]:
    """Every check, in the order in which they are told."""
    return [
        *(_package(name) for name in ("pycolmap", "numba", "torch", "av", "viser")),
        _cuda(),
        _optional("gsplat", "cuda", "rasterize on the GPU (gsplat)"),
        _optional("pillow_heif", "heif", "read HEIC photographs"),
        _optional("DracoPy", "compress", "compress meshes (Draco)"),
        _optional("pxr", "usd", "write meshes as USDZ"),
        _optional("mitsuba", "synth", "path trace captures of our own"),
        *(_weights(name) for name in sorted(WEIGHTS)),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(works=True, what=f"{name} {importlib.metadata.version(name)}")
    except importlib.metadata.PackageNotFoundError:
        return Finding(works=False, what=name, remedy="pip install photoreal")


def _cuda() -> Finding:
    if torch.cuda.is_available():
        return Finding(works=True, what=f"CUDA: {torch.cuda.get_device_name()}")
    return Finding(works=False, what="CUDA: no device that torch can use; everything runs on the processor")


def _optional(module: str, extra: str, what: str) -> Finding:
    if importlib.util.find_spec(module):
        return Finding(works=True, what=what)
    return Finding(works=False, what=what, remedy=f"pip install 'photoreal[{extra}]'")


def _weights(name: str) -> Finding:
    weights = WEIGHTS[name]
    what = f"{weights.role}: {name}, {'embedded' if weights.embedded else 'real'}"
    try:
        find(name)
    except MissingWeightsError:
        return Finding(works=False, what=what, remedy=command(name))
    return Finding(works=True, what=what)


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "memory unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"


def _disk() -> str:
    return f"{shutil.disk_usage(Path.cwd()).free / 2**30:.0f} GiB free here"
