"""Optional packages: there, absent, or broken."""

import json
import sys
from pathlib import Path

import pytest

from photoreal import core
from photoreal.core import MissingDependencyError, PhotorealError, require


def test_a_module_that_is_there_is_given() -> None:
    assert require("json", extra="cuda") is json


def test_an_absent_module_names_the_extra() -> None:
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_module_of_ours", extra="heif")
    assert str(caught.value) == (
        "no_such_module_of_ours is needed here and is not installed; run: pip install 'photoreal[heif]'"
    )


def test_a_module_that_is_there_but_broken_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module_of_ours.py").write_text("import a_library_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match="does not load: No module named 'a_library_it_needs'"):
        require("broken_module_of_ours", extra="cuda")
    sys.modules.pop("broken_module_of_ours", None)


@pytest.mark.parametrize("name", [name for name in core.__all__ if name.endswith("Error") and name != "PhotorealError"])
def test_every_error_of_ours_is_one_family(name: str) -> None:
    assert issubclass(getattr(core, name), PhotorealError)
