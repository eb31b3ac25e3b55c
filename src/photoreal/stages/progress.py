"""What a stage tells while it works, and what it hands over at its end."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from photoreal.core import Step

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Progress:
    """How far a stage is; `total` 0 means that its end is not known."""

    stage: str
    phase: str
    done: int
    total: int
    note: str = ""
    """A short figure to show beside the bar, such as the loss."""


@dataclass(frozen=True)
class Outcome:
    """What a finished stage has to say for the record."""

    model: str
    """The method or network that did the work; "embedded" or "real" is said where both exist."""
    figures: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[list[float]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    """Fields of the run record that the stage decided, such as `photos`."""


def told(stage: str, steps: Generator[Step, None, ResultT]) -> Generator[Progress, None, ResultT]:
    """Run steps to their result, each told as progress of a stage."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        yield Progress(stage, step.phase, step.done, step.total)
