"""Watched jobs: counted, stopped, and their errors told."""

import threading
from collections.abc import Callable

import pycolmap
import pytest

from photoreal.align.background import quiet_colmap, watch


def test_steps_are_counted_and_the_result_is_returned() -> None:
    def job(report: Callable[[], None], _token: pycolmap.CancellationToken) -> str:
        for _ in range(4):
            report()
        return "done"

    steps = watch(job)
    assert [next(steps) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"


def test_closing_cancels_the_job_and_waits_for_it() -> None:
    ended = threading.Event()

    def job(report: Callable[[], None], token: pycolmap.CancellationToken) -> None:
        while not token.is_cancelled:
            report()
            threading.Event().wait(0.01)
        ended.set()

    steps = watch(job)
    assert next(steps) == 1
    steps.close()
    assert ended.is_set()


def test_an_error_of_the_job_is_raised() -> None:
    def job(_report: Callable[[], None], _token: pycolmap.CancellationToken) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        list(watch(job))


def test_colmap_is_quiet_only_inside() -> None:
    before = pycolmap.logging.minloglevel
    with quiet_colmap():
        assert pycolmap.logging.minloglevel == 3
    assert pycolmap.logging.minloglevel == before
