"""The Gaussians under training, with their Adam moments, in blocks; they can be moved and added between steps."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import Gaussians, matrix_from_quaternion
from photoreal.splat.fitting.density import constant_logit, copies_of, draw_sources, opacity_of
from photoreal.splat.kernels.blocks import (
    MEAN,
    OPACITY,
    QUATERNION,
    SCALE,
    aligned_zeros,
    empty_blocks,
    morton_codes,
    pack,
    reorder,
    unpack,
)
from photoreal.splat.kernels.lanes import LANES

FloatArray = NDArray[np.float32]


@dataclass
class Population:
    """Gaussians under training; every array is in blocks, the last of which may not be full."""

    values: FloatArray
    mean: FloatArray
    square: FloatArray
    count: int
    opacity_count: int
    """Opacity harmonics of each."""
    antialiased: bool = False
    """As the field of `Gaussians`."""

    def column(self, row: int) -> Float[Tensor, " N"]:
        """A copy of one number of every Gaussian."""
        return torch.from_numpy(self.values[:, row].reshape(-1)[: self.count].copy())

    def columns(self, first: int, width: int) -> Float[Tensor, "N {width}"]:
        """A copy of `width` numbers of every Gaussian."""
        return torch.stack([self.column(first + k) for k in range(width)], 1)

    def take(self, index: Int64[Tensor, " K"]) -> FloatArray:
        """All numbers of some Gaussians, [K, rows]."""
        block, lane = np.divmod(index.numpy(), LANES)
        return self.values[block, :, lane]

    def put(self, index: Int64[Tensor, " K"], numbers: FloatArray) -> None:
        """Replace all numbers of some Gaussians, and forget their moments."""
        block, lane = np.divmod(index.numpy(), LANES)
        self.values[block, :, lane] = numbers
        self.mean[block, :, lane] = 0
        self.square[block, :, lane] = 0

    def append(self, numbers: FloatArray) -> None:
        """Add Gaussians with these numbers."""
        total = self.count + len(numbers)
        for old, new in self._replaced(total):
            new[: len(old)] = old
        added = torch.arange(self.count, total)
        self.count = total
        self.put(added, numbers)

    def rearrange(self, order: NDArray[np.int64]) -> None:
        """Gaussian order[i] becomes Gaussian i."""
        for old, new in self._replaced(self.count):
            reorder(old, order, new)

    def _replaced(self, count: int) -> list[tuple[FloatArray, FloatArray]]:
        """Each array as it was and, in its place now, an empty one with room for `count`, to be filled."""
        before = [self.values, self.mean, self.square]
        self.values = empty_blocks(count, self.values.shape[1])
        self.mean, self.square = aligned_zeros(*self.values.shape), aligned_zeros(*self.values.shape)
        return list(zip(before, [self.values, self.mean, self.square], strict=True))


def sort_in_space(population: Population) -> Int64[Tensor, " N"]:
    """Bring Gaussians that are near each other into the same blocks; returns where each one was before.

    Blocks that a view does not see then cost little, and those that it sees lie together in memory.
    """
    means = population.columns(MEAN, 3)
    low, high = torch.quantile(means[:: max(1, len(means) // 100_000)], torch.tensor([0.01, 0.99]), dim=0)
    cells = ((means - low) / (high - low).max().clamp_min(1e-12) * 1023).clamp(0, 1023).to(torch.int64)
    codes = np.empty(population.count, np.int64)
    morton_codes(cells.numpy(), codes)
    order = np.argsort(codes, kind="stable")
    population.rearrange(order)
    return torch.from_numpy(order)


def population_of(gaussians: Gaussians) -> Population:
    """The Gaussians, with moments of zero."""
    fields = (
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.opacity_harmonics,
        gaussians.colour_harmonics,
    )
    values = pack(tuple(np.ascontiguousarray(t.detach().float().numpy()) for t in fields))
    count, opacities = gaussians.opacity_harmonics.shape
    moments = (aligned_zeros(*values.shape), aligned_zeros(*values.shape))
    return Population(values, *moments, count, opacities, gaussians.antialiased)


def gaussians_of(population: Population) -> Gaussians:
    """A copy of the Gaussians."""
    fields = unpack(population.values, population.count, population.opacity_count)
    return Gaussians(*(torch.from_numpy(field) for field in fields), antialiased=population.antialiased)


def relocate(population: Population, dead: Int64[Tensor, " K"], *, generator: torch.Generator) -> None:
    """Move Gaussians onto others drawn by opacity (Kheradmand et al. 2024)."""
    if len(dead) == 0 or len(dead) == population.count:
        return
    opacity = opacity_of(population.column(OPACITY))
    opacity[dead] = 0
    sources = draw_sources(opacity, len(dead), generator)
    _split(population, sources)
    population.put(dead, population.take(sources))


def grow(population: Population, count: int, need: Float[Tensor, " N"], *, generator: torch.Generator) -> None:
    """Add `count` Gaussians beside ones drawn by opacity times `need`, each put somewhere within its source.

    Exact copies (Kheradmand et al. 2024) separate slowly; a place drawn from the source's own distribution, as
    Kerbl et al. 2023 split Gaussians, shows detail within few steps.
    """
    if count <= 0:
        return
    sources = draw_sources(opacity_of(population.column(OPACITY)) * need, count, generator)
    _split(population, sources)
    fresh = population.take(sources)
    axes = matrix_from_quaternion(torch.from_numpy(fresh[:, QUATERNION : QUATERNION + 4]))
    scales = torch.from_numpy(fresh[:, SCALE : SCALE + 3]).exp()
    white = torch.randn(len(sources), 3, generator=generator)
    offsets = (axes * (scales * white)[:, None, :]).sum(2)
    fresh[:, MEAN : MEAN + 3] += offsets.numpy()
    population.append(fresh)


def _split(population: Population, sources: Int64[Tensor, " K"]) -> None:
    """Shrink each source so that it and its coming copies look as it did alone."""
    copies = torch.bincount(sources, minlength=population.count) + 1
    chosen = torch.nonzero(copies > 1).squeeze(1)
    numbers = population.take(chosen)
    opacity = opacity_of(torch.from_numpy(numbers[:, OPACITY]))
    scales = torch.from_numpy(numbers[:, SCALE : SCALE + 3]).exp()
    opacity, scales = copies_of(opacity, scales, copies[chosen])
    numbers[:, OPACITY] = constant_logit(opacity).numpy()
    numbers[:, SCALE : SCALE + 3] = scales.log().numpy()
    population.put(chosen, numbers)
