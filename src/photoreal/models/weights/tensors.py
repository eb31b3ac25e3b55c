"""Named tensors out of checkpoint files, and into modules: all of them, or an error."""

import pickle
import struct
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from photoreal.core import FormatError

_WRAPPERS = ("state_dict", "model")


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: safetensors, or torch's own format without any code in it.

    A state dict that is wrapped, as in `{"model": ...}`, is unwrapped.

    Raises:
        FormatError: the file is missing or damaged, is of neither format, or asks for code to be run (which it is not).
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd is either read or refused
            tree = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise FormatError(f"{path} holds more than tensors, or is damaged; nothing of it was run") from error
    except (RuntimeError, EOFError, ValueError, LookupError, AssertionError, TypeError, struct.error) as error:
        raise FormatError(f"{path} is damaged or no checkpoint: {_first_line(error)}") from error
    for wrapper in _WRAPPERS:
        if isinstance(tree, Mapping) and isinstance(tree.get(wrapper), Mapping):
            tree = tree[wrapper]
    if not isinstance(tree, Mapping) or not all(isinstance(value, Tensor) for value in tree.values()):
        raise FormatError(f"{path} must hold tensors by name, and holds a {type(tree).__name__} of other things")
    if bare := [name for name, tensor in tree.items() if not _is_plain(tensor)]:
        raise FormatError(f"{path} must hold plain numbers, and its '{bare[0]}' has none of its own, or not plain ones")
    return {str(name): tensor for name, tensor in tree.items()}


def _is_plain(tensor: Tensor) -> bool:
    return not tensor.is_meta and not tensor.is_quantized and tensor.layout == torch.strided


def count_tensors(path: Path) -> int:
    """How many tensors a checkpoint holds; of a safetensors file only the list is read, and its length checked.

    Raises:
        FormatError: as `read_state`.
    """
    if path.suffix != ".safetensors":
        return len(read_state(path))
    with _opened(path) as file:
        return len(file.keys())


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or 'there is no such file'}") from error
    except SafetensorError as error:
        raise FormatError(f"{path} is damaged or no safetensors file: {error}") from error


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Afterwards the module's parameters and buffers are the tensors themselves, of whatever type these are.

    A module on the device "meta" takes no memory of its own before.

    Args:
        what: names the weights in the error.

    Raises:
        FormatError: a name is missing, left over, or of another shape.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        first = wrong[0]
        raise FormatError(
            f"{what} do not fit the network: '{first}' {_told(found.get(first), 'is missing')}, "
            f"and the network {_told(wanted.get(first), 'has none')} ({len(wrong)} of {len(wanted)} differ)"
        )
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() != state[name].is_floating_point():
            raise FormatError(f"{what} do not fit the network: '{name}' is {state[name].dtype}, not {tensor.dtype}")
    module.load_state_dict(dict(state), strict=True, assign=True)


def _told(shape: tuple[int, ...] | None, absent: str) -> str:
    return absent if shape is None else f"has shape {list(shape)}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["it ends too early"])[0][:120]
