"""`photoreal weights`: which networks' weights there are, which are here, and how to get the others."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from photoreal.core import FormatError, MissingWeightsError
from photoreal.models.weights import WEIGHTS, count_tensors, expected, find, get, locate

GROUPS = {
    "embedded": tuple(name for name, weights in WEIGHTS.items() if weights.embedded),
    "all": tuple(WEIGHTS),
}
"""What stands for several names: those that need no model hub, and all."""


@dataclass(frozen=True)
class WeightsVerb:
    """List the weights of networks, fetch them, or check that they are whole."""

    action: Annotated[Literal["list", "get", "check"], tyro.conf.Positional]
    """list: what there is and what is here; get: fetch what is not here; check: read what is here and compare its
    checksum, where that is known."""
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Which ones: names that `list` tells, embedded or all; none names all that are here, and for get the embedded
    ones."""
    again: bool = False
    """Of get: fetch them also where they are here."""

    def run(self) -> None:
        """Carry out the verb."""
        names = _chosen(self.names)
        match self.action:
            case "list":
                _list(names or GROUPS["all"])
            case "get":
                _get(names or GROUPS["embedded"], again=self.again)
            case "check":
                _check(names)


def _chosen(words: tuple[str, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for word in words:
        if word not in GROUPS and word not in WEIGHTS:
            raise MissingWeightsError(f"there are no weights called '{word}'; there are {', '.join(WEIGHTS)}")
        names += GROUPS.get(word, (word,))
    return tuple(dict.fromkeys(names))


def _list(names: tuple[str, ...]) -> None:
    for name in names:
        weights = WEIGHTS[name]
        kind = "embedded" if weights.embedded else "real"
        print(f"{name:<22} {kind:<8}  {'here' if _is_here(name) else 'absent'}")
        print(f"    {weights.role}\n    {weights.source}\n    {weights.licence}")
    absent = [name for name in names if not _is_here(name)]
    if absent:
        print(f"\nget {'it' if len(absent) == 1 else 'one'} by: photoreal weights get {absent[0]}")


def _get(names: tuple[str, ...], *, again: bool) -> None:
    """One that cannot be had does not keep the others from coming."""
    failed: list[str] = []
    for name in names:
        try:
            print(f"{name}: {get(name, again=again)}", flush=True)
        except MissingWeightsError as error:
            print(f"{name}: {error}", flush=True)
            failed.append(name)
    if failed:
        raise MissingWeightsError(f"{len(failed)} of {len(names)} could not be had: {', '.join(failed)}")


def _check(names: tuple[str, ...]) -> None:
    """Those that are absent are wrong only when they were named."""
    wrong: list[str] = []
    for name in names or [name for name in WEIGHTS if _is_here(name)]:
        try:
            print(f"{name}: {_checked(name)}")
        except (MissingWeightsError, FormatError) as error:
            print(f"{name}: {error}")
            wrong.append(name)
    if wrong:
        raise MissingWeightsError(f"{len(wrong)} are damaged or absent: {', '.join(wrong)}")


def _checked(name: str) -> str:
    """Raises an error where the file is not what it should be."""
    path = locate(name)
    if expected(name) is not None:
        return f"whole, {path}"
    return f"can be read and holds {count_tensors(path)} tensors, but its checksum is not known: {path}"


def _is_here(name: str) -> bool:
    try:
        find(name)
    except MissingWeightsError:
        return False
    return True
