"""Long work told in steps: generators that yield how far they are and return what they made."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Step:
    """What is being done: `done` of `total` units of a phase; a `total` of 0 means that its end is not known."""

    phase: str
    done: int = 0
    total: int = 0


def drained(steps: Generator[Any, None, ResultT]) -> ResultT:
    """What a generator returns, its steps unheard."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
