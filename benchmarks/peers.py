"""Programs by others, where they are installed, timed in the same minutes as ours."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from photoreal.core import Capture, Points, Tracks
from photoreal.io import write_colmap

_FIRST, _LAST = 10, 30


def opensplat_rate(capture: Capture, points: Points) -> float | None:
    """OpenSplat's training steps a second on its CPU, without densification; None where it is not installed.

    Taken between two of the lines it prints, so that reading photos and the first steps do not count.
    """
    program = shutil.which("opensplat")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        names = [f"{view:03d}.png" for view in range(len(capture))]
        for view, file in enumerate(names):
            Image.fromarray(capture.photos.images[view].permute(1, 2, 0).numpy()).save(folder / "images" / file)
        nothing = Tracks(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0, 2))
        write_colmap(folder / "sparse" / "0", capture, points, nothing, names)
        never = str(10 * _LAST)
        command = [
            program, name, "-n", never, "-o", str(folder / "out.ply"), "--cpu", "--num-downscales", "0",
            "--refine-every", never, "--warmup-length", never, "--sh-degree-interval", "1",
        ]  # fmt: skip
        return _rate_of(command)


def _rate_of(command: list[str]) -> float:
    """Steps a second between the lines of two steps.

    Raises:
        RuntimeError: the program ended before.
    """
    at: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Step "):
                at[int(line.split()[1].rstrip(":"))] = time.perf_counter()
            if _LAST in at:
                break
        process.kill()
    if _LAST not in at:
        raise RuntimeError(f"{command[0]} ended before step {_LAST}")
    return (_LAST - _FIRST) / (at[_LAST] - at[_FIRST])
