"""The kernels of a fit, compiled by two processes at once: numba compiles on one core, and most machines have more.

Each process takes a training step on next to nothing, one the half that draws, the other the half that learns.
"""

import logging
import os
import subprocess
import sys

import numpy as np
import torch

from photoreal.core import Cameras, Gaussians
from photoreal.splat.fitting.kernels.background import terms_of_cameras
from photoreal.splat.fitting.optimise import population_of
from photoreal.splat.fitting.training import Rates, Small, Targets, Trainer, deviates
from photoreal.splat.frame import NOT_SMOOTHED, Counts, FloatArray, Frame, camera_numbers
from photoreal.splat.kernels.binning import gather_visible
from photoreal.splat.kernels.blocks import CHUNKS
from photoreal.splat.kernels.compositing import ALL
from photoreal.splat.kernels.lanes import LANES
from photoreal.splat.kernels.projection import RECORD

_log = logging.getLogger(__name__)
_PATIENCE = 120
"""Seconds to wait for the other process after this one is done."""
_SIDE = 16
_RATES = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, distortion=1.0)


def compile_kernels() -> None:
    """Afterwards numba's store has what training needs. Where it has that already, nothing happens.

    The smallest kernel tells: it is compiled only where the store is empty, and once in a process. Whatever goes
    wrong with the other process, the fit compiles what is still missing.
    """
    known = sum(gather_visible.stats.cache_misses.values())
    gather_visible(np.zeros((1, 2), np.int32), np.zeros(2, np.int32))
    if sum(gather_visible.stats.cache_misses.values()) == known or (os.cpu_count() or 1) < 2:
        return
    command = [sys.executable, "-c", f"from {__name__} import learn_from_nothing; learn_from_nothing()"]
    no = subprocess.DEVNULL
    try:
        other = subprocess.Popen(command, stdin=no, stdout=no, stderr=no)
    except OSError as error:
        _log.debug("no other process compiles kernels: %s", error)
        return
    with other:
        try:
            draw_nothing()
            if other.wait(_PATIENCE):
                _log.debug("the other process that compiles kernels ended with %d", other.returncode)
        except subprocess.TimeoutExpired:
            _log.debug("the other process that compiles kernels takes more than %d s longer", _PATIENCE)
        finally:
            other.kill()


def draw_nothing() -> None:
    """Call the kernels that keep and draw Gaussians, and those that carry a gradient back to pairs."""
    trainer, targets = _trainer(Frame()), _targets()
    values = trainer.population.values
    trainer.frame.draw(values, (values.shape[1], 1, 1, 1), targets.cameras[0], targets.size, ALL, trainer.smoothing)
    trainer.gaussians()
    trainer.frame.pair_gradients(np.zeros((ALL + 1) * _SIDE * 2 * _SIDE, np.float32))


def learn_from_nothing() -> None:
    """Call the kernels that compare a picture with its photo and update Gaussians."""
    _trainer(_Undrawn()).train(_targets(), 0, 1, _RATES)


class _Undrawn(Frame):
    """A view of no Gaussian; no kernel is called for it."""

    def draw(
        self,
        blocks: FloatArray,
        counts: Counts,  # noqa: ARG002
        camera: FloatArray,  # noqa: ARG002
        size: tuple[int, int],
        features: int,
        smoothing: FloatArray = NOT_SMOOTHED,  # noqa: ARG002
    ) -> None:
        self.size, self.features, self.blocks = size, features, len(blocks)
        self.padded = (2 * _SIDE, _SIDE)
        self.array("record", self.blocks * LANES * RECORD)[:] = 0
        self.first[:] = 0
        self.planes[:] = 0

    def pair_gradients(self, gradient: FloatArray) -> FloatArray:  # noqa: ARG002
        return self.array("pair gradient", CHUNKS * self.room * RECORD)


def _trainer(frame: Frame) -> Trainer:
    one = torch.ones(LANES, 1)
    gaussians = Gaussians(one.repeat(1, 3), one.repeat(1, 4), one.repeat(1, 3), one, one[:, None].repeat(1, 1, 3))
    exposures = Small(np.eye(3, 4, dtype=np.float32).reshape(1, 12))
    noise = deviates(torch.Generator().manual_seed(0))
    background = Small(np.zeros((1, 3), np.float32))
    return Trainer(population_of(gaussians), background, exposures, 0.2, noise, LANES, frame=frame)


def _targets() -> Targets:
    lens = torch.tensor([[[16.0, 0, 8], [0, 16, 8], [0, 0, 1]]])
    camera = camera_numbers(Cameras(torch.eye(4)[None], lens, (_SIDE, _SIDE)))[None]
    photo, terms = np.zeros((1, 3, _SIDE, _SIDE), np.uint8), terms_of_cameras(camera)
    return Targets((_SIDE, _SIDE), photo, None, camera, terms, (1.0,), empty=False)
