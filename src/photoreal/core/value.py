"""The one base class of all nouns: a frozen record of tensors."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

ValueT = TypeVar("ValueT", bound="Value")


@dataclasses.dataclass(frozen=True)
class Value:
    """A frozen record whose tensor fields are transformed together."""

    def map(self: ValueT, function: Callable[[Tensor], Tensor]) -> ValueT:
        """Apply `function` to every tensor, also inside nested values; other fields are kept."""
        return dataclasses.replace(self, **{f.name: _mapped(getattr(self, f.name), function) for f in _fields(self)})

    def to(self: ValueT, device: torch.device | str) -> ValueT:
        """Move every tensor to `device`."""
        return self.map(lambda tensor: tensor.to(device))

    def replace(self: ValueT, **changes: Any) -> ValueT:
        """Copy with some fields changed; an unknown field name is an error."""
        return dataclasses.replace(self, **changes)


def _fields(value: Value) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _mapped(item: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(item, Tensor):
        return function(item)
    return item.map(function) if isinstance(item, Value) else item
