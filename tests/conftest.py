"""What all tests share. Nothing here imports photoreal, for the shape checks are switched on only after this file."""

import os
import signal

# Before torch is loaded, as `photoreal.cli.launch` does: threads that wait sleep, and every run gives the same bits.
for name, value in {"OMP_WAIT_POLICY": "PASSIVE", "MKL_DYNAMIC": "FALSE", "MKL_CBWR": "AUTO"}.items():
    os.environ.setdefault(name, value)

# Tests that run in the background of a shell inherit an ignored SIGINT; those of Ctrl-C need the usual one.
signal.signal(signal.SIGINT, signal.default_int_handler)

import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

# The same examples on every machine: a failure seen once can be seen again.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("house")

# With several workers, one thread each; alone, as many as there are.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
