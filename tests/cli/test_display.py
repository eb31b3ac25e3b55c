"""Progress elsewhere than on a terminal: plain lines; on one: bars."""

import re
import sys
from collections.abc import Generator

import pytest

from photoreal.cli.display import show
from photoreal.cli.launch import launch
from photoreal.stages import Progress


def steps(count: int = 3) -> Generator[Progress, None, str]:
    yield Progress("solve", "reading photographs", 0, 0)
    for done in range(count + 1):
        yield Progress("splat", "fitting", done, count, f"loss {1 / (done + 1):.3f}")
    return "the result"


def test_phases_are_told_once_in_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(steps(1000)) == "the result"
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[:2] == ["solve: reading photographs", "splat: fitting 0/1000, loss 1.000"]
    assert re.fullmatch(r"splat: fitting 1000/1000.*, loss 0\.001", lines[-1])
    assert len(lines) == 3


def test_long_phases_tell_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100_000, 4))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    show(steps(10))
    lines = capsys.readouterr().err.splitlines()
    assert any(re.search(r"splat: fitting \d+/10 \(0\.2/s, \d+ s left\), loss", line) for line in lines)
    assert len(lines) < 10, "at most one line every ten seconds"


@pytest.mark.parametrize("colour", ["1"])
def test_a_terminal_shows_bars(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, colour: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", colour)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    assert show(steps()) == "the result"
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"splat\s+fitting\s+━+\s+3/3", shown)
    assert "loss 0.250" in shown


def test_control_c_while_the_program_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "photoreal.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "photoreal.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        launch()
    assert end.value.code == 130


def test_an_error_passes_through(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> Generator[Progress, None, str]:
        yield Progress("solve", "reading", 0, 1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        show(failing())
