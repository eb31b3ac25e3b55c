"""Gaussian splatting: a torch rasterizer that is the specification, a fast one for the CPU, gsplat for CUDA, and `fit`.

`fit` turns a capture into Gaussians step by step.
"""

from photoreal.splat.appearance import (
    Background,
    Exposures,
    Splats,
    background_image,
    constant_background,
    equal_exposures,
    expose,
)
from photoreal.splat.cpu import rasterize_numba, render_colour
from photoreal.splat.fitting.density import DensityConfig
from photoreal.splat.fitting.fit import FitConfig, FitStep, backdrop_of, config_for, device_of, empty_pixels, fit
from photoreal.splat.fitting.initial import carved_points, gaussians_from_points
from photoreal.splat.fitting.loss import photometric_loss
from photoreal.splat.gsplat import gsplat_problem, rasterize_gsplat
from photoreal.splat.reference import rasterize_torch
from photoreal.splat.renders import Rasterizer, Renders

__all__ = [
    "Background",
    "DensityConfig",
    "Exposures",
    "FitConfig",
    "FitStep",
    "Rasterizer",
    "Renders",
    "Splats",
    "backdrop_of",
    "background_image",
    "carved_points",
    "config_for",
    "constant_background",
    "device_of",
    "empty_pixels",
    "equal_exposures",
    "expose",
    "fit",
    "gaussians_from_points",
    "gsplat_problem",
    "photometric_loss",
    "rasterize_gsplat",
    "rasterize_numba",
    "rasterize_torch",
    "render_colour",
]
