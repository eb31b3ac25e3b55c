"""Long calls into COLMAP, run in a thread so that they can be watched and stopped."""

import queue
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pycolmap

ResultT = TypeVar("ResultT")
Job = Callable[[Callable[[], None], pycolmap.CancellationToken], ResultT]
"""Work that calls its first argument at each step done and stops soon after its second is cancelled."""

_POLL_SECONDS = 0.1


def watch(job: Job[ResultT], *, look: Callable[[], int] | None = None) -> Generator[int, None, ResultT]:
    """Run `job` in a thread, yield the number of steps done, and return its result.

    Closing the generator, or Ctrl-C while it waits, cancels the job and returns when it has stopped.

    Args:
        look: tells how many steps are done, for a job that does not report them.
    """
    ticks: queue.SimpleQueue[None] = queue.SimpleQueue()
    token = pycolmap.CancellationToken()
    done = 0
    with ThreadPoolExecutor(1, thread_name_prefix="colmap") as pool:
        future = pool.submit(job, lambda: ticks.put(None), token)
        try:
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
    return future.result()


@contextmanager
def quiet_colmap() -> Generator[None, None, None]:
    """COLMAP writes only fatal errors to standard error inside the block."""
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = 3
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before
