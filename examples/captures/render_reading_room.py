"""Render the bundled capture of a reading room again (needs the `synth` extra): python render_reading_room.py OUT"""

import sys
from pathlib import Path

from photoreal.synth import render_capture


def main() -> None:
    """Render into the folder named on the command line and say how far it is."""
    if len(sys.argv) != 2:
        sys.exit("usage: python render_reading_room.py OUT")
    for step in render_capture(Path(sys.argv[1])):
        print(f"{step.phase} {step.done}/{step.total}, {step.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
