"""Arrays of numbers out of a pickle of numpy, without running anything that the file asks for."""

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Shaped

from photoreal.core import FormatError

Array = Shaped[np.ndarray, "..."]
_NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def read_arrays(path: Path) -> dict[str, Array]:
    """The numeric arrays of a tree of dicts, pickled by protocol 3 or 4, by their keys joined with "/".

    Nothing but dicts and arrays of numbers can come out, and no function that the file names is ever called.

    Raises:
        FormatError: the file is damaged or holds anything else.
    """
    try:
        with path.open("rb") as file:
            tree = _ArrayUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise FormatError(f"{path} is not a tree of numeric arrays: {error}") from error
    return {name: array.decode(f"{path}: {name}") for name, array in _leaves(tree, "", path).items()}


def _leaves(tree: Any, prefix: str, path: Path) -> dict[str, "_PickledArray"]:
    if isinstance(tree, _PickledArray):
        return {prefix: tree}
    if not isinstance(tree, dict):
        raise FormatError(f"{path} holds a {type(tree).__name__} at '{prefix}', not an array")
    found: dict[str, _PickledArray] = {}
    for key, branch in tree.items():
        found |= _leaves(branch, f"{prefix}/{key}" if prefix else str(key), path)
    return found


class _PickledType:
    """Stands in for numpy.dtype: keeps the code and byte order."""

    order: Any = "="

    def __init__(self, code: Any, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _PickledArray:
    """Stands in for numpy.ndarray: keeps what a pickle says of one array."""

    state: Any = ()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def decode(self, where: str) -> Array:
        """The array; a copy, in C order.

        Raises:
            FormatError: it is not of numbers, or its bytes do not fit its shape.
        """
        match self.state:
            case (_, tuple() as shape, _PickledType() as kind, bool() as fortran, bytes() as data):
                pass
            case _:
                raise FormatError(f"{where} is not a plain array")
        if kind.code not in _NUMBERS or kind.order not in ("<", ">", "=", "|"):
            raise FormatError(f"{where} holds '{kind.code}', not numbers")
        dtype = np.dtype(kind.order + kind.code)
        if len(data) != math.prod(shape) * dtype.itemsize:
            raise FormatError(f"{where} has {len(data)} bytes for the shape {shape} of {dtype}")
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return np.array(array, dtype.newbyteorder("="), order="C")


class _ArrayUnpickler(pickle.Unpickler):
    """Admits the three names that arrays of numpy are pickled with, and puts stand-ins in their place."""

    _stand_ins: Mapping[tuple[str, str], Callable[..., object]] = MappingProxyType(
        {
            ("numpy", "dtype"): _PickledType,
            ("numpy", "ndarray"): _PickledArray,
            ("numpy.core.multiarray", "_reconstruct"): _PickledArray,
            ("numpy._core.multiarray", "_reconstruct"): _PickledArray,
        }
    )

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return self._stand_ins[module_name, global_name]
        except KeyError as error:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}") from error
