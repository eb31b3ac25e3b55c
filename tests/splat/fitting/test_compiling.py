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


@pytest.mark.parametrize(("misses", "cores", "started"), [({}, 4, 0), ({"kind": 1}, 1, 0), ({"kind": 1}, 2, 1)])
def test_another_process_helps_where_the_store_is_empty(
    monkeypatch: pytest.MonkeyPatch, misses: dict[str, int], cores: int, started: int
):
    calls: list[list[str]] = []

    class Popen:
        def __init__(self, command: list[str], **_options: object) -> None:
            calls.append(command)

        def __enter__(self) -> "Popen":
            return self

        def __exit__(self, *_problem: object) -> None:
            pass

        def wait(self) -> None:
            calls.append(["wait"])

        def kill(self) -> None:
            calls.append(["kill"])

    def gather_visible(first: np.ndarray, order: np.ndarray) -> int:
        return len(first) + len(order)

    gather_visible.stats = types.SimpleNamespace(cache_misses=misses)  # pyright: ignore[reportFunctionMemberAccess]
    monkeypatch.setattr(compiling, "gather_visible", gather_visible)
    monkeypatch.setattr(compiling.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(compiling.subprocess, "Popen", Popen)
    compiling.compile_kernels()
    assert [c for c in calls if len(c) == 1] == [["wait"], ["kill"]] * started
    assert len(calls) == 3 * started
