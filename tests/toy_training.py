"""A small scene under training, shared by the tests of trainers."""

import numpy as np
import torch

from photoreal.core import Capture, Points
from photoreal.splat.fitting.initial import gaussians_from_points
from photoreal.splat.fitting.optimise import Population, population_of
from photoreal.splat.fitting.training import Rates, Small, deviates
from photoreal.splat.frame import FloatArray
from photoreal.synth import toy_scene

RATES = Rates(
    means=1e-3,
    scales=5e-3,
    rotations=1e-3,
    opacities=5e-2,
    colours=2.5e-3,
    background=2e-3,
    exposures=1e-3,
    opacity_penalty=0.01,
    scale_penalty=0.02,
    noise=0.0,
)
SIZE = (37, 53)


def masked_room() -> tuple[Capture, Points]:
    """Three photos, one with a mask."""
    made = toy_scene(0, views=3, size=SIZE, points=200)
    masks = made.capture.photos.masks.clone()
    masks[1, 5:20, 30:] = False
    photos = made.capture.photos.replace(masks=masks)
    return made.capture.replace(photos=photos, cameras=made.capture.cameras.map(lambda t: t.float())), made.points


def trainer_parts(
    scene: tuple[Capture, Points], *, opacity_degree: int = 1
) -> tuple[Population, Small, Small, float, FloatArray, int]:
    """What a trainer is made of, away from any optimum."""
    capture, points = scene
    generator = torch.Generator().manual_seed(5)
    gaussians = gaussians_from_points(points, opacity_degree=opacity_degree)
    gaussians = gaussians.map(lambda t: t + 0.1 * torch.randn(t.shape, generator=generator))
    background = 0.3 * torch.randn(1, 48, generator=generator).numpy()
    exposures = np.tile(np.eye(3, 4, dtype=np.float32).ravel(), (len(capture), 1))
    exposures += 0.05 * torch.randn(exposures.shape, generator=generator).numpy()
    return population_of(gaussians), Small(background), Small(exposures), 0.2, deviates(generator), 1000
