"""Watched jobs: counted, stopped, and their errors told."""

import threading
from collections.abc import Callable

import pycolmap
import pytest

from photoreal.align.sfm.background import quiet_colmap, watch


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


def test_an_interrupt_while_the_thread_starts_waits_for_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    start, began, ended = threading.Thread.start, threading.Event(), threading.Event()

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        began.wait(5)
        raise KeyboardInterrupt

    def job(_report: Callable[[], None], token: pycolmap.CancellationToken) -> None:
        began.set()
        while not token.is_cancelled:
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)
        ended.set()

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(watch(job))
    assert ended.is_set()


def test_a_job_whose_thread_never_started_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(watch(lambda _report, _token: None))


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
