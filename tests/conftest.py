"""What all tests share. photoreal is imported inside the fixtures, after the shape checks were switched on."""

import os
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings

if TYPE_CHECKING:
    from photoreal.synth.toy import ToyScene

# Same examples on every machine: a failure seen once can be seen again.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("house")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy() -> "ToyScene":
    """A small room with exact truth: 12 views of 90x120 pixels. Do not write into its tensors."""
    from photoreal.synth.toy import toy_scene

    return toy_scene()
