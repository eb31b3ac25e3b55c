"""Where networks run."""

from typing import Literal

import torch

from photoreal.core import MissingDependencyError, PhotorealError

Device = Literal["auto", "cpu", "cuda"]
"""auto: a GPU where there is one."""


def device_named(choice: Device) -> torch.device:
    """The device of that name.

    Raises:
        MissingDependencyError: CUDA is asked for and there is none.
    """
    if choice == "cuda" and not torch.cuda.is_available():
        raise MissingDependencyError("there is no CUDA device for networks; leave out the option that asks for cuda")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def no_room(what: str, remedy: str) -> PhotorealError:
    """What to raise where a GPU's memory does not suffice."""
    return PhotorealError(f"the GPU has too little memory for {what}; {remedy}")
