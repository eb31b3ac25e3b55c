"""Gaussians fitted to a capture, step by step."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from photoreal.core import Capture, Gaussians, MissingDependencyError, Points, Value, unit_from_bytes
from photoreal.splat.appearance import Background, Exposures, constant_background
from photoreal.splat.fitting.autograd import AutogradTrainer
from photoreal.splat.fitting.backdrop import EMPTY, pixel_kinds, plain_backdrop
from photoreal.splat.fitting.compiling import compile_kernels
from photoreal.splat.fitting.density import DensityConfig, opacity_of
from photoreal.splat.fitting.initial import gaussians_from_points, scene_extent, with_far_shell
from photoreal.splat.fitting.optimise import grow, population_of, relocate
from photoreal.splat.fitting.training import Rates, Small, Trainer, deviates, falling, targets_of
from photoreal.splat.gsplat import draw_gsplat, gsplat_problem
from photoreal.splat.harmonics import Y_0
from photoreal.splat.kernels.blocks import OPACITY

CUDA = "cuda"
_PIXELS_A_GAUSSIAN = 10


@dataclass(frozen=True)
class FitConfig:
    """How Gaussians are fitted."""

    steps: int = 3000
    """Training steps, one photo each."""
    steps_a_photo: int = 250
    """At most so many for each photo: what a few photos have to say is soon learnt, the rest is needles."""
    max_gaussians: int = 150_000
    """Number of Gaussians that densification arrives at, but at most one for every ten pixels of the photos."""
    colour_degree: Literal[0, 1, 2, 3] = 3
    """Degree of the colour harmonics."""
    opacity_degree: Literal[0, 1, 2, 3] = 0
    """Degree of the opacity harmonics; above 0, opacity depends on the direction (Selfi)."""
    background: Literal["sphere", "white", "black"] = "sphere"
    """What lies behind everything: a learned sphere at infinity, or a fixed colour."""
    outside: Literal["ignore", "empty"] = "ignore"
    """What masked pixels mean: unknown, or empty as around cut-out objects, so that nothing may stand there."""
    plain_backdrop: bool = True
    """Where all photos show one colour from their borders inwards, take it for an empty backdrop."""
    exposure: bool = True
    """Learn an affine exposure and white balance for each photo."""
    far_gaussians: int = 1500
    """Gaussians put on a far shell at the start, to carry distant detail; 0 for objects."""
    smoothing: bool = False
    """Never finer than the photos' sampling (Mip-Splatting's 3D filter); only where opacity has degree 0."""
    antialiased: bool = False
    """Dim Gaussians by as much as the rasterizer's blur spreads them out (Mip-Splatting's 2D filter), so that they
    look alike at every resolution; viewers must do the same."""
    dissimilarity: float = 0.2
    """Weight of 1 - SSIM in the loss, against L1."""
    opacity_penalty: float = 0.01
    """Weight of the mean opacity in the loss, so that what is not needed fades (Kheradmand et al. 2024)."""
    scale_penalty: float = 0.01
    """Weight of the mean scale in the loss, in units of the scene's extent."""
    distortion: float = 0.1
    """Weight of the spread of depth along each ray (2D Gaussian Splatting): thinner surfaces, less fog."""
    normals: float = 0.0
    """Weight of the disagreement between the Gaussians' normals and the depth map's (2D Gaussian Splatting)."""
    surfaces_from: float = 0.1
    """Share of the steps before these two begin."""
    surfaces_every: int = 4
    """Only one of so many steps has them, with so many times the weight: drawing depths costs time."""
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to fit: auto takes the GPU where there is one and gsplat runs on it."""


def config_for(photos: int, config: FitConfig) -> FitConfig:
    """The configuration with no more steps than so many photos bear."""
    return dataclasses.replace(config, steps=min(config.steps, config.steps_a_photo * photos))


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


def fit(capture: Capture, points: Points, config: FitConfig, *, seed: int = 0) -> Iterator[FitStep]:
    """Yield the fitted state every `report_every` steps and at the end; the same seed gives the same bytes.

    Loss: L1 + D-SSIM (Kerbl et al. 2023) with densification as in Kheradmand et al. 2024.

    Raises:
        CaptureError: too few points to start from.
    """
    config = config_for(len(capture), config)
    outside = _outside(capture, config)
    trainer, extent = _start(capture, points, config, outside, seed)
    generator = torch.Generator().manual_seed(seed)
    order, targets, scale = torch.empty(0), None, 0.0
    losses, rounds = [], _Plateau(len(capture), config)
    for step in range(config.steps):
        if step % len(capture) == 0:
            order = torch.randperm(len(capture), generator=generator)
        if targets is None or scale != _scale(step, config):
            scale = _scale(step, config)
            targets = targets_of(capture, scale, outside.kinds)
        degree = min(config.colour_degree, int(step / config.steps * 2 * (config.colour_degree + 1)))
        view = int(order[step % len(capture)])
        rates = rates_at(extent, step, config, learned=outside.learned)
        losses.append(trainer.train(targets, view, (degree + 1) ** 2, rates))
        if step + 1 < config.steps * config.density.stop:
            _change_density(trainer, step, len(capture), config, generator)
        done = step + 1 == config.steps or rounds.reached(losses, step)
        if done or (step + 1) % config.report_every == 0:
            yield _state(trainer, step + 1, float(np.mean(losses[-config.report_every :])))
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


@dataclass(frozen=True)
class _Outside:
    """What lies behind the Gaussians."""

    background: Background
    learned: bool
    kinds: UInt8[Tensor, "V H W"]


def backdrop_of(capture: Capture, config: FitConfig) -> tuple[Float[Tensor, " 3"], UInt8[Tensor, "V H W"]] | None:
    """The plain backdrop that a fit takes as empty, as `plain_backdrop` gives it."""
    return plain_backdrop(capture.photos) if config.plain_backdrop and config.outside == "ignore" else None


def empty_pixels(capture: Capture, config: FitConfig) -> Bool[Tensor, "V H W"] | None:
    """Pixels that a fit takes for empty space, around an object that was cut out or stands before a plain backdrop;
    None where there are none."""
    empty = _outside(capture, config).kinds == EMPTY
    return empty if bool(empty.any()) else None


def _outside(capture: Capture, config: FitConfig) -> _Outside:
    backdrop = backdrop_of(capture, config)
    if backdrop:
        return _Outside(constant_background(backdrop[0]), learned=False, kinds=backdrop[1])
    kinds = pixel_kinds(capture.photos, outside_is_empty=config.outside == "empty")
    learned = config.background == "sphere" and config.outside == "ignore"
    return _Outside(_first_background(capture, config), learned=learned, kinds=kinds)


def _start(capture: Capture, points: Points, config: FitConfig, outside: _Outside, seed: int) -> tuple[Trainer, float]:
    first = gaussians_from_points(points, colour_degree=config.colour_degree, opacity_degree=config.opacity_degree)
    if config.far_gaussians and not bool((outside.kinds == EMPTY).any()):
        first = with_far_shell(first, capture.cameras, count=config.far_gaussians, seed=seed)
    exposures = np.tile(np.eye(3, 4, dtype=np.float32).ravel(), (len(capture), 1))
    background = outside.background.harmonics.numpy().reshape(1, -1)
    cap = min(config.max_gaussians, capture.photos.masks.numel() // _PIXELS_A_GAUSSIAN)
    limits = capture.cameras if config.smoothing and config.opacity_degree == 0 else None
    noise = deviates(torch.Generator().manual_seed(seed + 1))
    population = population_of(first.replace(antialiased=config.antialiased))
    parts = (population, Small(background), Small(exposures), config.dissimilarity, noise, cap, limits)
    on_gpu = device_of(config) == "cuda"
    if not on_gpu:
        compile_kernels()
    trainer = AutogradTrainer(*parts, draw=draw_gsplat, device=CUDA) if on_gpu else Trainer(*parts)
    return trainer, scene_extent(capture.cameras, points)


def device_of(config: FitConfig) -> Literal["cpu", "cuda"]:
    """Where a fit runs.

    Raises:
        MissingDependencyError: CUDA is asked for by name and gsplat cannot run here.
    """
    problem = None if config.device == "cpu" else gsplat_problem()
    if config.device == "cuda" and problem:
        raise MissingDependencyError(f"splats cannot be fitted on a GPU here: {problem}; leave out --fit.device cuda")
    return "cpu" if problem or config.device == "cpu" else "cuda"


def _first_background(capture: Capture, config: FitConfig) -> Background:
    if config.background != "sphere" or config.outside == "empty":
        return constant_background(torch.full((3,), 1.0 if config.background == "white" else 0.0))
    harmonics = torch.zeros(16, 3)
    mean = unit_from_bytes(capture.photos.images[:, :, ::8, ::8]).mean((0, 2, 3))
    harmonics[:1] = constant_background(mean).harmonics
    return Background(harmonics)


def _scale(step: int, config: FitConfig) -> float:
    for until, scale in config.coarse:
        if step < until * config.steps:
            return scale
    return 1.0


def rates_at(extent: float, step: int, config: FitConfig, *, learned: bool) -> Rates:
    """Learning rates and weights of one step, in a scene of this extent; `learned`: the background is."""
    means = extent * falling(config.means_rate, config.means_rate_end, step / max(1, config.steps - 1))
    begun = step >= config.surfaces_from * config.steps
    surfaces = config.surfaces_every if begun and step % config.surfaces_every == 0 else 0
    return Rates(
        means=means,
        scales=config.scale_rate,
        rotations=config.rotation_rate,
        opacities=config.opacity_rate / Y_0,
        colours=config.colour_rate,
        background=2e-3 if learned else 0.0,
        exposures=1e-3 if config.exposure else 0.0,
        opacity_penalty=config.opacity_penalty,
        scale_penalty=config.scale_penalty / extent,
        noise=means * config.density.noise,
        distortion=config.distortion * surfaces,
        normals=config.normals * surfaces,
    )


def _change_density(trainer: Trainer, step: int, photos: int, config: FitConfig, generator: torch.Generator) -> None:
    density, end = config.density, int(config.steps * config.density.stop)
    if step < density.start * config.steps or (step + 1) % density.every:
        return
    population = trainer.fetch()
    count = population.count
    dead = opacity_of(population.column(OPACITY)) <= density.dead_opacity
    if step >= photos:
        dead |= torch.from_numpy(trainer.shown[:count] == 0)
    relocate(population, torch.nonzero(dead).squeeze(1), generator=generator)
    trainer.shown[:count][dead.numpy()] = 1
    trainer.shown[count:] = 1
    changes_left = max(1, (end - 1 - step) // density.every + 1)
    wanted = round(count * (max(count, trainer.cap) / count) ** (1 / changes_left))
    need = torch.from_numpy(trainer.need[:count].copy())
    grow(population, wanted - count, need / need.mean().clamp_min(1e-20), generator=generator)
    trainer.settle()


def _state(trainer: Trainer, index: int, loss: float) -> FitStep:
    affine = torch.from_numpy(trainer.exposures.value.reshape(-1, 3, 4).copy())
    background = Background(torch.from_numpy(trainer.background.value.reshape(-1, 3).copy()))
    exposures = Exposures(affine[..., :3].contiguous(), affine[..., 3].contiguous())
    return FitStep(index, loss, trainer.gaussians(), background, exposures)
