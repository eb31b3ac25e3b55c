"""The two halves together compile what a fit calls, and nothing is started where nothing is missing."""

import subprocess
import sys
import types

import numpy as np
import pytest

from photoreal.splat.fitting import compiling

CODE = """
import gc
from numba.core.dispatcher import Dispatcher
from photoreal.splat import FitConfig, fit
from photoreal.splat.fitting.compiling import draw_nothing, learn_from_nothing
from photoreal.synth import toy_scene

def kinds():
    kernels = [o for o in gc.get_objects() if isinstance(o, Dispatcher)]
    return {(k.__module__, k.__name__, str(s)) for k in kernels for s in k.signatures if "photoreal" in k.__module__}

draw_nothing()
learn_from_nothing()
before = kinds()
scene = toy_scene(0, 2, (48, 64), points=200)
steps = list(fit(scene.capture, scene.points, FitConfig(steps=9, coarse=(), surfaces_from=0.0)))
print(len(before), sorted(kinds() - before))
"""


def test_a_fit_calls_what_was_compiled_and_no_more():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=600)
    known, missing = done.stdout.strip().split(" ", 1)
    assert int(known) > 10
    assert missing == "[]"


@pytest.mark.parametrize(
    ("missed", "cores", "problem", "wanted"),
    [
        (0, 4, None, []),
        (1, 1, None, []),
        (1, 2, None, ["start", "draw", "wait", "kill"]),
        (1, 2, "no process", []),
        (1, 2, "slow", ["start", "draw", "wait", "kill"]),
        (1, 2, "broken", ["start", "draw", "wait", "kill"]),
    ],
)
def test_another_process_helps_where_the_store_is_empty(
    monkeypatch: pytest.MonkeyPatch, missed: int, cores: int, problem: str | None, wanted: list[str]
):
    """Whatever becomes of it, the fit goes on; and it is started once in a process."""
    calls: list[str] = []

    class Popen:
        returncode = 1

        def __init__(self, _command: list[str], **_options: object) -> None:
            if problem == "no process":
                raise OSError("no more processes")
            calls.append("start")

        def __enter__(self) -> "Popen":
            return self

        def __exit__(self, *_problem: object) -> None:
            pass

        def wait(self, timeout: float) -> int:
            calls.append("wait")
            if problem == "slow":
                raise subprocess.TimeoutExpired("python", timeout)
            return int(problem == "broken")

        def kill(self) -> None:
            calls.append("kill")

    def gather_visible(_first: np.ndarray, _order: np.ndarray) -> None:
        stats.cache_misses = {"kind": missed}

    stats = types.SimpleNamespace(cache_misses={})
    gather_visible.stats = stats  # pyright: ignore[reportFunctionMemberAccess]
    monkeypatch.setattr(compiling, "gather_visible", gather_visible)
    monkeypatch.setattr(compiling, "draw_nothing", lambda: calls.append("draw"))
    monkeypatch.setattr(compiling.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(compiling.subprocess, "Popen", Popen)
    compiling.compile_kernels()
    compiling.compile_kernels()
    assert calls == wanted
