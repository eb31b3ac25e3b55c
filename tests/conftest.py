"""What all tests share. Nothing here imports photoreal, for the shape checks are switched on only after this file."""

import os

# Before torch is loaded: threads that wait sleep, else tests beside other work are ten times as slow.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from hypothesis import settings

# The same examples on every machine: a failure seen once can be seen again.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("house")

# With several workers, one thread each; alone, as many as there are.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
