"""Progress on a terminal as a bar with rate and time left, elsewhere as plain lines."""

import sys
import time
from collections.abc import Generator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)
from rich.text import Text

from photoreal.stages import Progress

ResultT = TypeVar("ResultT")
_QUIET_SECONDS = 10.0


def show(steps: Generator[Progress, None, ResultT]) -> ResultT:
    """Run a stage to its end, showing how far it is, and return its result."""
    console = Console(stderr=True)
    return _show_bars(steps, console) if console.is_terminal else _show_lines(steps)


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed and task.total else "", style="progress.data.speed")


def _show_bars(steps: Generator[Progress, None, ResultT], console: Console) -> ResultT:
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("[bold]{task.fields[stage]:<7}[/] {task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=console) as bar:
        current, task = ("", ""), None
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                if task is not None:
                    _finish(bar, task)
                return end.value
            if (step.stage, step.phase) != current or task is None:
                if task is not None:
                    _finish(bar, task)
                current = (step.stage, step.phase)
                task = bar.add_task(step.phase, total=step.total or None, stage=step.stage, note=step.note)
            bar.update(task, completed=step.done, total=step.total or None, note=step.note)


def _finish(bar: Bar, task: int) -> None:
    state = next(t for t in bar.tasks if t.id == task)
    total = state.total or max(state.completed, 1)
    bar.update(state.id, total=total, completed=total)


def _show_lines(steps: Generator[Progress, None, ResultT]) -> ResultT:
    """A line when a phase begins, then at most one every ten seconds."""
    current, said, began, first = ("", ""), 0.0, time.monotonic(), 0
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        now = time.monotonic()
        if (step.stage, step.phase) != current:
            current, began, first = (step.stage, step.phase), now, step.done
        elif now - said < _QUIET_SECONDS and step.done != step.total:
            continue
        said = now
        print(_line(step, now - began, step.done - first), file=sys.stderr, flush=True)


def _line(step: Progress, seconds: float, done: int) -> str:
    line = f"{step.stage}: {step.phase}"
    if step.total:
        line += f" {step.done}/{step.total}"
        if seconds > 1 and done > 0:
            rate = done / seconds
            line += f" ({rate:.1f}/s, {(step.total - step.done) / rate:.0f} s left)"
    return line + (f", {step.note}" if step.note else "")
