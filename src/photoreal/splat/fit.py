"""Gaussians fitted to a capture, step by step."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core import Cameras, Capture, Gaussians, Points, Value, unit_from_bytes
from photoreal.splat.background import Background, background_image, constant_background
from photoreal.splat.cpu import render_colour
from photoreal.splat.density import DensityConfig, exploring_noise, opacity_of
from photoreal.splat.exposure import Exposures, centred, equal_exposures, expose
from photoreal.splat.initial import gaussians_from_points, scene_extent, with_far_shell
from photoreal.splat.loss import photometric_loss
from photoreal.splat.optimise import Parameter, gaussians_of, grow, parameter, parameters_of, relocate

_PIXELS_A_GAUSSIAN = 10


@dataclass(frozen=True)
class FitConfig:
    """How Gaussians are fitted."""

    steps: int = 3000
    """Training steps, one photo each."""
    max_gaussians: int = 150_000
    """Number of Gaussians that densification arrives at, but at most one for every ten pixels of the photos."""
    colour_degree: Literal[0, 1, 2, 3] = 3
    """Degree of the colour harmonics."""
    opacity_degree: Literal[0, 1, 2, 3] = 0
    """Degree of the opacity harmonics; above 0, opacity depends on the direction (Selfi)."""
    background: Literal["sphere", "white", "black"] = "sphere"
    """What lies behind everything: a learned sphere at infinity, or a fixed colour."""
    outside: Literal["ignore", "empty"] = "ignore"
    """What masked pixels mean: unknown, or empty as around cut-out objects, so that a fixed background shows there."""
    exposure: bool = True
    """Learn an affine exposure and white balance for each photo."""
    far_gaussians: int = 1500
    """Gaussians put on a far shell at the start, to carry distant detail; 0 for objects."""
    dissimilarity: float = 0.2
    """Weight of 1 - SSIM in the loss, against L1."""
    opacity_penalty: float = 0.01
    """Weight of the mean opacity in the loss, so that what is not needed fades (Kheradmand et al. 2024)."""
    scale_penalty: float = 0.01
    """Weight of the mean scale in the loss, in units of the scene's extent."""
    coarse: tuple[tuple[float, float], ...] = ((0.15, 0.5),)
    """Coarse to fine: until this share of the steps, train at this share of the resolution."""
    plateau: float = 0.002
    """Once density is fixed, stop when the loss over four rounds of all photos improves by less than this share."""
    report_every: int = 50
    """Steps between yielded states."""
    density: DensityConfig = field(default_factory=DensityConfig)
    """Moving and adding Gaussians."""
    means_rate: float = 1.6e-4
    """First learning rate of positions, in units of the scene's extent."""
    means_rate_end: float = 1.6e-6
    """Last learning rate of positions."""
    colour_rate: float = 2.5e-3
    """Learning rate of the constant colour harmonic; the others have a twentieth."""
    opacity_rate: float = 5e-2
    """Learning rate of the opacity logit."""
    scale_rate: float = 5e-3
    """Learning rate of log scales."""
    rotation_rate: float = 1e-3
    """Learning rate of quaternions."""


@dataclass(frozen=True)
class FitStep(Value):
    """The state after `index` steps; its values are copies."""

    index: int
    """Steps done."""
    loss: float
    """Photometric loss averaged since the last state."""
    gaussians: Gaussians
    background: Background
    exposures: Exposures


@dataclass
class _Training:
    gaussians: dict[str, Parameter]
    background: Parameter
    matrices: Parameter
    offsets: Parameter
    extent: float
    cap: int
    need: Tensor
    """How strongly each Gaussian was pulled about on the screen since the last change of density."""
    generator: torch.Generator
    order: Tensor = field(default_factory=lambda: torch.empty(0))


@dataclass(frozen=True)
class _Target(Value):
    """One photo at the resolution in use."""

    image: Float[Tensor, "3 H W"]
    mask: Bool[Tensor, "H W"]
    camera: Cameras


def fit(capture: Capture, points: Points, config: FitConfig, *, seed: int = 0) -> Iterator[FitStep]:
    """Yield the fitted state every `report_every` steps and at the end; the same seed gives the same bytes.

    Loss: L1 + D-SSIM (Kerbl et al. 2023) with densification as in Kheradmand et al. 2024.

    Raises:
        CaptureError: too few points to start from.
    """
    training = _start(capture, points, config, seed)
    losses, rounds = [], _Plateau(len(capture), config)
    for step in range(config.steps):
        view = _next_view(training, len(capture), step)
        target = _target(capture, view, _scale(step, config), config)
        losses.append(_train(training, target, view, step, config))
        if step + 1 < config.steps * config.density.stop:
            _change_density(training, step, config)
        done = step + 1 == config.steps or rounds.reached(losses, step)
        if done or (step + 1) % config.report_every == 0:
            yield _state(training, step + 1, float(np.mean(losses[-config.report_every :])))
        if done:
            return


@dataclass(frozen=True)
class _Plateau:
    photos: int
    config: FitConfig

    def reached(self, losses: list[float], step: int) -> bool:
        window = max(4 * self.photos, 200)
        fixed = math.ceil(self.config.steps * self.config.density.stop)
        if (step + 1) % window or step + 1 < fixed + 2 * window:
            return False
        before, now = np.mean(losses[-2 * window : -window]), np.mean(losses[-window:])
        return bool(now > before * (1 - self.config.plateau))


def _start(capture: Capture, points: Points, config: FitConfig, seed: int) -> _Training:
    first = gaussians_from_points(points, colour_degree=config.colour_degree, opacity_degree=config.opacity_degree)
    if config.far_gaussians and config.outside == "ignore":
        first = with_far_shell(first, capture.cameras, count=config.far_gaussians, seed=seed)
    exposures = equal_exposures(len(capture))
    return _Training(
        parameters_of(first),
        parameter(_first_background(capture, config).harmonics),
        parameter(exposures.matrices),
        parameter(exposures.offsets),
        scene_extent(capture.cameras, points),
        min(config.max_gaussians, capture.photos.masks.numel() // _PIXELS_A_GAUSSIAN),
        torch.zeros(len(first)),
        torch.Generator().manual_seed(seed),
    )


def _first_background(capture: Capture, config: FitConfig) -> Background:
    if config.background != "sphere" or config.outside == "empty":
        return constant_background(torch.full((3,), 1.0 if config.background == "white" else 0.0))
    harmonics = torch.zeros(16, 3)
    mean = unit_from_bytes(capture.photos.images[:, :, ::8, ::8]).mean((0, 2, 3))
    harmonics[:1] = constant_background(mean).harmonics
    return Background(harmonics)


def _next_view(training: _Training, count: int, step: int) -> int:
    """Photos in a new random order each round."""
    if step % count == 0:
        training.order = torch.randperm(count, generator=training.generator)
    return int(training.order[step % count])


def _scale(step: int, config: FitConfig) -> float:
    for until, scale in config.coarse:
        if step < until * config.steps:
            return scale
    return 1.0


def _target(capture: Capture, view: int, scale: float, config: FitConfig) -> _Target:
    photos, camera = capture.photos, capture.cameras.take([view])
    image, mask = unit_from_bytes(photos.images[view]), photos.masks[view]
    if scale < 1:
        size = (max(16, round(camera.size[0] * scale)), max(16, round(camera.size[1] * scale)))
        image = torch.nn.functional.interpolate(image[None], size=size, mode="area")[0]
        mask = torch.nn.functional.interpolate(mask[None, None].float(), size=size, mode="area")[0, 0] > 0.99
        camera = camera.resized(size)
    if config.outside == "empty":
        image = torch.where(mask, image, torch.full_like(image, 1.0 if config.background == "white" else 0.0))
        mask = torch.ones_like(mask)
    return _Target(image, mask, camera)


def _train(training: _Training, target: _Target, view: int, step: int, config: FitConfig) -> float:
    """One step: render, compare, update; returns the photometric loss."""
    degree = min(config.colour_degree, int(step / config.steps * 2 * (config.colour_degree + 1)))
    gaussians = gaussians_of(training.gaussians, colour_count=(degree + 1) ** 2)
    colour, transmittance = render_colour(gaussians, target.camera)
    image = colour + transmittance * background_image(Background(training.background.value), target.camera)
    if config.exposure:
        image = expose(Exposures(training.matrices.value, training.offsets.value), view, image)
    loss = photometric_loss(image, target.image, target.mask, dissimilarity=config.dissimilarity)
    opacity = opacity_of(gaussians.opacity_harmonics).mean()
    size = gaussians.log_scales.exp().mean() / training.extent
    (loss + config.opacity_penalty * opacity + config.scale_penalty * size).backward()
    _note_need(training, target.camera)
    _update(training, step, config)
    return float(loss.detach())


@torch.no_grad()
def _note_need(training: _Training, camera: Cameras) -> None:
    """Add the size of the gradient by each mean, times its distance: what Kerbl et al. 2023 densify by."""
    means = training.gaussians["means"].value
    if means.grad is not None:
        training.need += means.grad.norm(dim=1) * (means - camera.centres[0].float()).norm(dim=1)


def _update(training: _Training, step: int, config: FitConfig) -> None:
    rates = _rates(training.extent, step, config)
    for name, p in training.gaussians.items():
        p.update(rates[name])
    if config.background == "sphere" and config.outside == "ignore":
        training.background.update(np.full(1, 2e-3, np.float32))
    if config.exposure:
        training.matrices.update(np.full(1, 1e-3, np.float32))
        training.offsets.update(np.full(1, 1e-3, np.float32))
        with torch.no_grad():
            middle = centred(Exposures(training.matrices.value, training.offsets.value))
            training.matrices.value.copy_(middle.matrices)
            training.offsets.value.copy_(middle.offsets)
    rate = float(rates["means"][0])
    g = training.gaussians
    with torch.no_grad():
        noise = exploring_noise(
            g["quaternions"].value,
            g["log_scales"].value,
            opacity_of(g["opacity_harmonics"].value),
            training.generator,
        )
        g["means"].value.add_(noise, alpha=rate * config.density.noise)


def _rates(extent: float, step: int, config: FitConfig) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    share = step / max(1, config.steps - 1)
    means = extent * math.exp((1 - share) * math.log(config.means_rate) + share * math.log(config.means_rate_end))
    colour = np.full(3 * (config.colour_degree + 1) ** 2, config.colour_rate / 20, np.float32)
    colour[:3] = config.colour_rate
    opacity = np.full((config.opacity_degree + 1) ** 2, config.opacity_rate, np.float32)
    return {
        "means": np.full(1, means, np.float32),
        "quaternions": np.full(1, config.rotation_rate, np.float32),
        "log_scales": np.full(1, config.scale_rate, np.float32),
        "opacity_harmonics": opacity / np.float32(0.28209479),
        "colour_harmonics": colour,
    }


def _change_density(training: _Training, step: int, config: FitConfig) -> None:
    density, end = config.density, int(config.steps * config.density.stop)
    if step < density.start * config.steps or (step + 1) % density.every:
        return
    relocate(training.gaussians, dead_opacity=density.dead_opacity, generator=training.generator)
    count = len(training.gaussians["means"].value)
    changes_left = max(1, (end - 1 - step) // density.every + 1)
    wanted = round(count * (max(count, training.cap) / count) ** (1 / changes_left))
    need = training.need / training.need.mean().clamp_min(1e-20)
    grow(training.gaussians, wanted - count, need, generator=training.generator)
    training.need = torch.zeros(len(training.gaussians["means"].value))


def _state(training: _Training, index: int, loss: float) -> FitStep:
    gaussians = gaussians_of(training.gaussians).map(lambda t: t.detach().clone())
    background = Background(training.background.value.detach().clone())
    exposures = Exposures(training.matrices.value.detach().clone(), training.offsets.value.detach().clone())
    return FitStep(index, loss, gaussians, background, exposures)
