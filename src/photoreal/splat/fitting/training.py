"""Steps of training by the fused kernels: draw a view, compare it with its photograph, update what was drawn."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import Cameras, Capture, Gaussians
from photoreal.splat.fitting.backdrop import EMPTY, SHOWN, pixel_kinds
from photoreal.splat.fitting.kernels.background import terms_of_cameras
from photoreal.splat.fitting.kernels.photometric import SUMS, expose, unexpose
from photoreal.splat.fitting.kernels.similarity import WINDOW, derivative_count, similarity
from photoreal.splat.fitting.kernels.surface import surface
from photoreal.splat.fitting.kernels.update import BETA1, BETA2, NOISE, train
from photoreal.splat.fitting.optimise import Population, gaussians_of, sort_in_space
from photoreal.splat.fitting.smoothing import sampling_variances, smoothed_gaussians
from photoreal.splat.frame import NOT_SMOOTHED, FloatArray, Frame, camera_numbers
from photoreal.splat.kernels.blocks import CHUNKS, MEAN, OPACITY, QUATERNION, SCALE
from photoreal.splat.kernels.compositing import ALL
from photoreal.splat.kernels.geometry import ANTIALIASED
from photoreal.splat.kernels.lanes import LANES

_NO_MASK = np.empty(0, np.uint8)
_BLACK = np.zeros(3, np.float32)


@dataclass(frozen=True)
class Targets:
    """Photographs at one resolution, as the kernels take them: rows of a whole number of lanes."""

    size: tuple[int, int]
    images: NDArray[np.uint8]
    """[V, 3, H, stride]"""
    masks: NDArray[np.uint8] | None
    """[V, H, stride], kinds of pixels as in `backdrop`; None where all of every photo is shown."""
    cameras: FloatArray
    """[V, 21]"""
    terms: FloatArray
    """[V, 20, 16], what takes the background's harmonics to its terms over each picture."""
    shares: tuple[float, ...]
    """For each photo the share of it that is not ignored, kept above 0."""
    empty: bool
    """Whether any pixel is EMPTY."""


def targets_of(capture: Capture, scale: float, kinds: UInt8[Tensor, "V H W"] | None = None) -> Targets:
    """The photos, averaged down to `scale` of their resolution; a pixel is shown, or empty, when all of it is.

    `kinds` are the pixels' kinds; without them the masks say what is shown.
    """
    photos, full = capture.photos, capture.cameras
    kinds = pixel_kinds(photos, outside_is_empty=False) if kinds is None else kinds
    size = full.size if scale >= 1 else tuple(max(16, round(side * scale)) for side in full.size)
    height, width = size
    stride = -(-width // 16) * 16
    images = np.zeros((len(capture), 3, height, stride), np.uint8)
    masks = None if bool((kinds == SHOWN).all()) else np.zeros((len(capture), height, stride), np.uint8)
    resized = full if size == full.size else full.resized((height, width))
    for view in range(len(capture)):
        images[view, :, :, :width] = _averaged(photos.images[view], (height, width)).round().byte().numpy()
        if masks is not None:
            for kind in (SHOWN, EMPTY):
                whole = _averaged((kinds[view] == kind)[None], (height, width))[0] > 0.99
                masks[view, :, :width][whole.numpy()] = kind
    cameras = np.stack([camera_numbers(resized.take([view])) for view in range(len(capture))])
    shown_pixels = [height * width] * len(capture) if masks is None else [np.count_nonzero(mask) for mask in masks]
    shares = tuple(max(1e-6, shown / (height * width)) for shown in shown_pixels)
    empty = masks is not None and bool((masks == EMPTY).any())
    return Targets((height, width), images, masks, cameras, terms_of_cameras(cameras), shares, empty)


def _averaged(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(image.shape[1:]) == size:
        return image.float()
    return torch.nn.functional.interpolate(image[None].float(), size=size, mode="area")[0]


@dataclass
class Small:
    """A few numbers under Adam, with as many step counters as rows."""

    value: FloatArray
    mean: FloatArray = field(init=False)
    square: FloatArray = field(init=False)
    steps: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.mean, self.square = np.zeros_like(self.value), np.zeros_like(self.value)
        self.steps = np.zeros(len(self.value), np.int64)

    def update(self, row: int, gradient: NDArray[np.float64], rate: float) -> None:
        """One step of Adam for one row."""
        self.steps[row] += 1
        step = int(self.steps[row])
        self.mean[row] = BETA1 * self.mean[row] + (1 - BETA1) * gradient
        self.square[row] = BETA2 * self.square[row] + (1 - BETA2) * gradient**2
        mean = self.mean[row] / (1 - BETA1**step)
        self.value[row] -= rate * mean / (np.sqrt(self.square[row] / (1 - BETA2**step)) + 1e-15)


@dataclass(frozen=True)
class Rates:
    """Learning rates of one step, and the weights of what acts on Gaussians besides the photograph."""

    means: float
    scales: float
    rotations: float
    opacities: float
    colours: float
    """Of the constant harmonic; the others have a twentieth."""
    background: float
    exposures: float
    opacity_penalty: float
    scale_penalty: float
    noise: float
    distortion: float = 0.0
    """Weight of the depths' distortion, as in `surface`."""
    normals: float = 0.0
    """Weight of the normals' disagreement with the depths."""

    @property
    def surfaces(self) -> bool:
        """Whether depths and normals must be drawn."""
        return self.distortion > 0 or self.normals > 0

    def rows(self, opacities: int, colours: int) -> FloatArray:
        """One rate for each row of a block."""
        rates = np.full(OPACITY + opacities + 3 * colours, self.colours / 20, np.float32)
        rates[:SCALE], rates[SCALE:QUATERNION], rates[QUATERNION:OPACITY] = self.means, self.scales, self.rotations
        rates[OPACITY : OPACITY + opacities] = self.opacities
        rates[OPACITY + opacities : OPACITY + opacities + 3] = self.colours
        return rates


@dataclass
class Trainer:
    """All that training changes."""

    population: Population
    background: Small
    """[1, 3 K] harmonics."""
    exposures: Small
    """[V, 12]: the rows of [matrix | offset]."""
    dissimilarity: float
    noise: FloatArray
    """Normal deviates."""
    cap: int
    """Number of Gaussians that growth arrives at."""
    need: FloatArray = field(init=False)
    """How strongly each Gaussian was pulled about since Gaussians were last moved or added."""
    shown: FloatArray = field(init=False)
    """How often each Gaussian was drawn; those that were added count as drawn."""
    sampled_by: Cameras | None = None
    """Cameras whose sampling limits detail; None for no limit."""
    smoothing: FloatArray = field(init=False)
    """The variance that each Gaussian is smoothed by, of all blocks; empty for none."""
    frame: Frame = field(default_factory=lambda: Frame(opaque=1e-4))
    step: int = 0

    def __post_init__(self) -> None:
        sort_in_space(self.population)
        self.shown = np.zeros(len(self.population.values) * LANES, np.float32)
        self.need = self.shown.copy()
        self._smooth()

    def _smooth(self) -> None:
        self.smoothing = NOT_SMOOTHED
        if self.sampled_by is not None:
            variances = sampling_variances(self.population.columns(MEAN, 3), self.sampled_by)
            self.smoothing = np.zeros(len(self.population.values) * LANES, np.float32)
            self.smoothing[: len(variances)] = variances.numpy()

    def train(self, targets: Targets, view: int, colours: int, rates: Rates) -> float:
        """One step on one photo, with the first `colours` colour harmonics; returns the photometric loss."""
        population, frame = self.population, self.frame
        opacities = population.opacity_count
        rows = population.values.shape[1]
        counts = (rows, opacities, (rows - OPACITY - opacities) // 3, colours)
        camera = targets.cameras[view].copy()
        camera[ANTIALIASED] = population.antialiased
        frame.draw(population.values, counts, camera, targets.size, ALL if rates.surfaces else 3, self.smoothing)
        gradient, loss = self._compare(targets, view, rates)
        self.step += 1
        corrections = (np.float32(1 / (1 - BETA1**self.step)), np.float32(1 / (1 - BETA2**self.step)))
        penalties = (
            np.float32(rates.opacity_penalty / population.count),
            np.float32(rates.scale_penalty / (3 * population.count)),
        )
        count = len(population.values) * LANES
        train(
            population.values.reshape(-1), population.mean.reshape(-1), population.square.reshape(-1),
            len(population.values), counts, camera, self.smoothing, frame.buffers["record"],
            frame.first, frame.pair_gradients(gradient), frame.features,
            rates.rows(opacities, colours), corrections, penalties, self.noise, np.float32(rates.noise),
            self.step * 3 * count % 2**31, self.need, self.shown,
        )  # fmt: skip
        return loss

    def _compare(self, targets: Targets, view: int, rates: Rates) -> tuple[FloatArray, float]:
        """Gradient planes for compositing, and the loss; background and exposure are updated."""
        frame, (height, width) = self.frame, targets.size
        stride, plane = frame.padded[1], frame.padded[0] * frame.padded[1]
        photo = targets.images[view].reshape(-1)
        mask = _NO_MASK if targets.masks is None else targets.masks[view].reshape(-1)
        seen, pictured = frame.array("seen", 3 * height * stride), frame.array("pictured", 3 * height * stride)
        derivatives = frame.array("derivatives", derivative_count(3, height, stride))
        sums = frame.array("sums", CHUNKS * SUMS).reshape(CHUNKS, SUMS)
        differences, rows = frame.array("differences", height), frame.array("similarity", 3 * height)
        gradient = frame.array("gradient", (frame.features + 1) * plane)
        gradient.reshape(-1, frame.padded[0], stride)[:, height:] = 0
        planes, camera = frame.planes.reshape(-1), targets.cameras[view]
        exposure, empty = self.exposures.value[view], self.colour_of_nothing(targets)
        terms_of = targets.terms[view, :, : self.background.value.shape[1] // 3]
        terms = terms_of @ self.background.value.reshape(-1, 3)
        terms[0] += 0.5
        expose(
            planes, frame.features, targets.size, stride, camera, terms.reshape(-1), exposure, empty, photo, mask, seen,
            pictured, differences,
        )  # fmt: skip
        similarity(seen, pictured, 3, height, width, stride, WINDOW, derivatives, rows)
        pixels = 3 * height * width * targets.shares[view]
        d = self.dissimilarity
        weights = (np.float32((1 - d) / pixels), np.float32(d / pixels))
        unexpose(
            planes, frame.features, targets.size, stride, camera, exposure, mask, seen, pictured, derivatives, weights,
            gradient, sums,
        )  # fmt: skip
        if rates.surfaces:
            forces = (np.float32(3 * rates.distortion / pixels), np.float32(3 * rates.normals / pixels))
            scratch = frame.array("neighbours", 4 * (height + 2) * stride + 32 * 4)
            surface(planes, targets.size, stride, camera, mask, forces, scratch, gradient)
        found = sums.sum(0, dtype=np.float64)
        unlike = 3 * height * width - rows.sum(dtype=np.float64)
        by_exposure = np.concatenate([found[:9].reshape(3, 3), found[9:12, None]], 1).ravel()
        if rates.background > 0 and not targets.empty:
            self.background.update(0, (terms_of.T @ found[12:].reshape(-1, 3)).ravel(), rates.background)
        if rates.exposures > 0:
            self.learn_exposure(view, by_exposure, rates.exposures)
        return gradient, float((1 - d) * differences.sum(dtype=np.float64) / pixels + d * unlike / pixels)

    def colour_of_nothing(self, targets: Targets) -> FloatArray:
        """What lies behind where nothing is: another colour at every step; black where that is nowhere."""
        if not targets.empty:
            return _BLACK
        return np.random.default_rng(self.step).random(3, np.float32)

    def learn_exposure(self, view: int, gradient: NDArray[np.float64], rate: float) -> None:
        """One step for one photo; the mean over the photos stays the identity."""
        self.exposures.update(view, gradient, rate)
        self.exposures.value -= self.exposures.value.mean(0) - np.eye(3, 4, dtype=np.float32).ravel()

    def fetch(self) -> Population:
        """The Gaussians as they are now, not smoothed."""
        return self.population

    def gaussians(self) -> Gaussians:
        """A copy of the Gaussians as they are drawn."""
        found = gaussians_of(self.fetch())
        if self.sampled_by is None:
            return found
        return smoothed_gaussians(found, torch.from_numpy(self.smoothing[: len(found)]))

    def settle(self) -> None:
        """After Gaussians were moved or added: sort them in space, and count need anew."""
        count = self.population.count
        shown = np.ones(count, np.float32)
        shown[: min(count, len(self.shown))] = self.shown[:count]
        self.need = np.zeros(len(self.population.values) * LANES, np.float32)
        self.shown = self.need.copy()
        self.shown[:count] = shown[sort_in_space(self.population).numpy()]
        self._smooth()


def deviates(generator: torch.Generator) -> FloatArray:
    """A table of normal deviates for the exploring noise."""
    return torch.randn(NOISE + 16, generator=generator).numpy()


def falling(first: float, last: float, share: float) -> float:
    """From `first` to `last` along a geometric series."""
    return math.exp((1 - share) * math.log(first) + share * math.log(last))
