"""The program's entry: what must be set before torch is loaded, then `main`."""

import os
import sys

BEFORE_TORCH = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "100000",
    "MKL_DYNAMIC": "FALSE",
    "MKL_CBWR": "AUTO",
}
"""Threads that wait spin for a moment, because waking one takes longer than many a loop lasts (training is a third
faster), and then sleep, because others may want the processor. Matrix products give the same bits in every run,
whatever the load and the memory's alignment, by the processor's own instructions (MKL_CBWR=COMPATIBLE would give them
on every processor, at a third of the speed)."""


def launch() -> None:
    """Start `photoreal`; what the user's environment already sets is kept."""
    for name, value in BEFORE_TORCH.items():
        os.environ.setdefault(name, value)
    try:
        from photoreal.cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()
