"""The numbers that training changes, with their Adam moments; Gaussians can be moved and added between steps."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.core import Gaussians, matrix_from_quaternion
from photoreal.splat.density import constant_logit, copies_of, draw_sources, opacity_of
from photoreal.splat.kernels.adam import adam

_BETAS = (0.9, 0.999)


@dataclass
class Parameter:
    """A tensor under training; `rate` repeats along its flattened entries."""

    value: Tensor
    mean: Tensor
    square: Tensor
    step: int = 0

    def update(self, rate: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
        """One step of Adam along `value.grad`, which is dropped."""
        gradient = self.value.grad
        if gradient is None:
            return
        self.step += 1
        tensors = self.value, gradient.contiguous(), self.mean, self.square
        value, slope, mean, square = (t.detach().view(-1).numpy() for t in tensors)
        adam(value, slope, mean, square, rate, *_BETAS, self.step, 1e-15)
        self.value.grad = None


def parameter(value: Tensor) -> Parameter:
    """A parameter that starts at a copy of `value`."""
    leaf = value.detach().float().clone().contiguous().requires_grad_()
    return Parameter(leaf, torch.zeros_like(leaf), torch.zeros_like(leaf))


def parameters_of(gaussians: Gaussians) -> dict[str, Parameter]:
    """One parameter for each field."""
    return {
        "means": parameter(gaussians.means),
        "quaternions": parameter(gaussians.quaternions),
        "log_scales": parameter(gaussians.log_scales),
        "opacity_harmonics": parameter(gaussians.opacity_harmonics),
        "colour_harmonics": parameter(gaussians.colour_harmonics),
    }


def gaussians_of(parameters: dict[str, Parameter], *, colour_count: int | None = None) -> Gaussians:
    """The Gaussians that the parameters hold, with gradient; the first `colour_count` colour harmonics only."""
    colour = parameters["colour_harmonics"].value
    return Gaussians(
        parameters["means"].value,
        parameters["quaternions"].value,
        parameters["log_scales"].value,
        parameters["opacity_harmonics"].value,
        colour if colour_count is None or colour_count == colour.shape[1] else colour[:, :colour_count],
    )


@torch.no_grad()
def relocate(parameters: dict[str, Parameter], *, dead_opacity: float, generator: torch.Generator) -> int:
    """Move Gaussians below `dead_opacity` onto opaque ones drawn by opacity; returns how many moved."""
    opacity = opacity_of(parameters["opacity_harmonics"].value)
    dead = torch.nonzero(opacity <= dead_opacity).squeeze(1)
    if len(dead) == 0 or len(dead) == len(opacity):
        return 0
    sources = draw_sources(torch.where(opacity > dead_opacity, opacity, 0 * opacity), len(dead), generator)
    _split(parameters, sources)
    for p in parameters.values():
        p.value[dead] = p.value[sources]
        p.mean[dead], p.square[dead] = 0, 0
    return len(dead)


@torch.no_grad()
def grow(
    parameters: dict[str, Parameter], count: int, need: Float[Tensor, " N"], *, generator: torch.Generator
) -> None:
    """Add `count` Gaussians beside ones drawn by opacity times `need`, each put somewhere within its source.

    Exact copies (Kheradmand et al. 2024) separate slowly; a place drawn from the source's own distribution, as
    Kerbl et al. 2023 split Gaussians, shows detail within few steps.
    """
    if count <= 0:
        return
    sources = draw_sources(opacity_of(parameters["opacity_harmonics"].value) * need, count, generator)
    _split(parameters, sources)
    offsets = _within(parameters, sources, generator)
    for name, p in parameters.items():
        fresh = p.value[sources] + offsets if name == "means" else p.value[sources]
        p.value = torch.cat([p.value, fresh]).requires_grad_()
        blank = torch.zeros_like(p.mean[sources])
        p.mean, p.square = torch.cat([p.mean, blank]), torch.cat([p.square, blank])


def _within(
    parameters: dict[str, Parameter], sources: Int64[Tensor, " K"], generator: torch.Generator
) -> Float[Tensor, "K 3"]:
    axes = matrix_from_quaternion(parameters["quaternions"].value[sources])
    scales = parameters["log_scales"].value[sources].exp()
    white = torch.randn(len(sources), 3, generator=generator)
    return (axes @ (scales * white)[:, :, None]).squeeze(2)


def _split(parameters: dict[str, Parameter], sources: Int64[Tensor, " K"]) -> None:
    """Shrink each source so that it and its coming copies look as it did alone."""
    harmonics, log_scales = parameters["opacity_harmonics"], parameters["log_scales"]
    copies = torch.bincount(sources, minlength=len(log_scales.value)) + 1
    chosen = torch.nonzero(copies > 1).squeeze(1)
    opacity = opacity_of(harmonics.value[chosen])
    opacity, scales = copies_of(opacity, log_scales.value[chosen].exp(), copies[chosen])
    harmonics.value[chosen, 0] = constant_logit(opacity)
    log_scales.value[chosen] = scales.log()
    for p in parameters.values():
        p.mean[chosen], p.square[chosen] = 0, 0
