"""`photoreal VERB ...`: parse, run, and say in one line what went wrong."""

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Protocol, cast

import tyro

from photoreal.cli.doctor import Doctor
from photoreal.cli.eval import Eval
from photoreal.cli.export import Export
from photoreal.cli.reconstruct import Reconstruct
from photoreal.cli.render import Render
from photoreal.cli.stages.mesh import Mesh
from photoreal.cli.stages.solve import Solve
from photoreal.cli.stages.splat import Splat
from photoreal.cli.synth import Synth
from photoreal.cli.view import View
from photoreal.cli.weights import WeightsVerb
from photoreal.core import PhotorealError
from photoreal.stages import PRESETS, ReconstructConfig, preset

_DESCRIPTION = "Photographs in, photoreal 3D out: cameras, Gaussian splats, a textured mesh, renders and a report."


class _Verb(Protocol):
    def run(self) -> None: ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one verb; exit code 0, 1 for what a user can mend, 2 for wrong usage, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    _listen(logging.DEBUG if debug else logging.WARNING)
    try:
        verbs = cast("type[_Verb]", _verbs(words))
        verb = tyro.cli(verbs, prog="photoreal", description=_DESCRIPTION, args=[w for w in words if w != "--debug"])
        verb.run()
    except PhotorealError as error:
        if debug:
            raise
        print(f"photoreal: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        after_echo = "\n" if sys.stderr.isatty() else ""
        print(f"{after_echo}photoreal: stopped; {_how_to_go_on(words)}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        print(f"photoreal: the system refused: {error}", file=sys.stderr)
        sys.exit(1)


def _listen(level: int) -> None:
    """What our own rooms have to say, such as that a photo was scaled down; of other packages errors only."""
    form = "%(name)s: %(message)s" if level == logging.DEBUG else "note: %(message)s"
    logging.basicConfig(level=logging.ERROR, format=form)
    logging.getLogger("photoreal").setLevel(level)


def _how_to_go_on(words: list[str]) -> str:
    if words[:1] not in (["reconstruct"], ["solve"]):
        return "what was finished is kept; the same command goes on or begins anew"
    again = [word for word in words if word not in ("--overwrite", "--resume", "--debug")]
    return f"what was finished is kept; go on with: photoreal {shlex.join([*again, '--resume'])}"


def _verbs(words: list[str]) -> object:
    """The union of all verbs, which has no type that checkers and beartype agree on."""
    config = _chosen_preset(words)
    return (
        Annotated[Reconstruct, tyro.conf.subcommand("reconstruct", default=Reconstruct(config=config))]
        | Annotated[Solve, tyro.conf.subcommand("solve", default=Solve(config=config))]
        | Annotated[
            Splat, tyro.conf.subcommand("splat", default=Splat(fit=config.fit, mesh=config.mesh, film=config.film))
        ]
        | Annotated[Mesh, tyro.conf.subcommand("mesh", default=Mesh(mesh=config.mesh))]
        | Annotated[Render, tyro.conf.subcommand("render")]
        | Annotated[Export, tyro.conf.subcommand("export")]
        | Annotated[View, tyro.conf.subcommand("view")]
        | Annotated[Eval, tyro.conf.subcommand("eval")]
        | Annotated[Synth, tyro.conf.subcommand("synth")]
        | Annotated[WeightsVerb, tyro.conf.subcommand("weights")]
        | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    )


def _chosen_preset(words: list[str]) -> ReconstructConfig:
    """The preset named on the command line is the default that single options then change."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="standard")
    name = parser.parse_known_args(words)[0].preset
    return preset(name if name in PRESETS else "standard")
