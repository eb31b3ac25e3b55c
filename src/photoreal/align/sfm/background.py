"""Long calls into COLMAP, run in a thread so that they can be watched and stopped, and the steps told of them."""

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

import pycolmap

from photoreal.core import Step

ResultT = TypeVar("ResultT")
Job = Callable[[Callable[[], None], pycolmap.CancellationToken], ResultT]
"""Work that calls its first argument at each step done and stops soon after its second is cancelled."""

_POLL_SECONDS = 0.1


def watch(job: Job[ResultT], *, look: Callable[[], int] | None = None) -> Generator[int, None, ResultT]:
    """Run `job` in a thread, yield the number of steps done, and return its result.

    Closing the generator, or Ctrl-C at any moment, cancels the job and returns when it has stopped.

    Args:
        look: tells how many steps are done, for a job that does not report them.
    """
    ticks: queue.SimpleQueue[None] = queue.SimpleQueue()
    token = pycolmap.CancellationToken()
    future: Future[ResultT] = Future()
    done = 0
    try:
        threading.Thread(target=_run, args=(future, job, lambda: ticks.put(None), token), name="colmap").start()
        while not (future.done() and ticks.empty()):
            before = done
            done = max(done, look()) if look else done
            try:
                ticks.get(timeout=_POLL_SECONDS)
                done += 1
            except queue.Empty:
                pass
            if done > before:
                yield done
    finally:
        token.cancel()
        if not future.cancel():
            wait([future])
    return future.result()


def _run(
    future: Future[ResultT], job: Job[ResultT], report: Callable[[], None], token: pycolmap.CancellationToken
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job(report, token))
    except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the result
        future.set_exception(error)


def as_steps(phase: str, total: int, counts: Generator[int, None, ResultT]) -> Generator[Step, None, ResultT]:
    """The counts as steps of a phase; closing this closes them."""
    try:
        yield Step(phase, 0, total)
        while True:
            try:
                done = next(counts)
            except StopIteration as end:
                yield Step(phase, total, total)
                return end.value
            yield Step(phase, min(done, total), total)
    finally:
        counts.close()


@contextmanager
def quiet_colmap() -> Generator[None, None, None]:
    """COLMAP writes only fatal errors to standard error inside the block."""
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = 3
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before
