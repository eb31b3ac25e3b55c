"""Options that would break a stage half way are refused before the first one begins."""

import math
from collections.abc import Iterator
from typing import Any

from photoreal.core import PhotorealError, require
from photoreal.splat import device_of
from photoreal.stages.config import ReconstructConfig, ScaleConfig
from photoreal.stages.ledger import plain

_MOST = 2**31 - 1
_LEAST = {
    "seed": 0,
    "hold_out": 0,
    "sfm.seed": 0,
    "sfm.threads": 1,
    "sfm.exhaustive_up_to": 0,
    "sfm.neighbours": 1,
    "sfm.features.max_side": 32,
    "sfm.features.max_features": 50,
    **{f"sfm.networks.{name}.max_side": 64 for name in ("xfeat", "aliked", "loftr")},
    **{f"sfm.networks.{name}.max_features": 50 for name in ("xfeat", "aliked")},
    "sfm.networks.loftr.merge": 0.1,
    "vggt.side": 56,
    "vggt.photos_at_once": 0,
    "vggt.overlap": 1,
    "vggt.memory_gib": 0.1,
    "scale.metres": 1e-6,
    "scale.metres_per_unit": 1e-6,
    "fit.steps": 1,
    "fit.steps_a_photo": 1,
    "fit.max_gaussians": 1,
    "fit.far_gaussians": 0,
    "fit.report_every": 1,
    "fit.distortion": 0,
    "fit.normals": 0,
    "fit.surfaces_every": 1,
    "fit.density.every": 1,
    "mesh.depth_side": 32,
    "mesh.surface.voxel": 0,
    "mesh.surface.truncation": 1,
    "mesh.surface.tolerance": 1e-6,
    "mesh.surface.alone": 0,
    "mesh.surface.far": 0,
    "mesh.surface.floaters": 0,
    "mesh.surface.holes": 0,
    "mesh.surface.smoothing": 0,
    "mesh.surface.faces": 100,
    "mesh.texture.side": 64,
    "mesh.texture.pages": 1,
    "mesh.texture.density": 0.01,
    "mesh.texture.sharpness": 0,
    "mesh.texture.outliers": 0.01,
    "mesh.texture.seam_cost": 0,
    "mesh.texture.rounds": 0,
    "mesh.file.quality": 1,
    "film.frames": 0,
    "film.side": 16,
    "film.fps": 1,
}
"""The smallest value of whole numbers and weights; what is read from files is checked where it is read."""


def check_options(config: ReconstructConfig) -> None:
    """Afterwards every number is finite, counts are large enough to mean something, and a photo is left to fit.

    Raises:
        PhotorealError: one is not, or the GPU that is asked for cannot be used; the text names the option as the
            command line does.
    """
    numbers = dict(_numbers(plain(config)))
    for name, value in numbers.items():
        option = "--" + name.replace("_", "-")
        if not math.isfinite(value):
            raise PhotorealError(f"{option} is {value}; it must be a finite number")
        least = _LEAST.get(name, -math.inf)
        if value < least:
            raise PhotorealError(f"{option} is {value}; it must be at least {least}")
        if name in _LEAST and value > _MOST:
            raise PhotorealError(f"{option} is {value}; it must be at most {_MOST}")
    _check_scale(config.scale)
    if config.hold_out == 1 and not config.held_out:
        raise PhotorealError(
            "--hold-out 1 holds out every photo, and none is left to fit; 0 holds out none, 2 each other"
        )
    if config.fit.smoothing and config.fit.opacity_degree > 0:
        raise PhotorealError(
            f"--fit.smoothing needs opacity that is the same from all sides; --fit.opacity-degree is "
            f"{config.fit.opacity_degree}, 0 would do"
        )
    if config.mesh.make and config.mesh.file.compress == "draco":
        require("DracoPy", extra="compress")
    if config.fit.device == "cuda":
        device_of(config.fit)


def _check_scale(scale: ScaleConfig) -> None:
    if (scale.between is None) != (scale.metres is None):
        raise PhotorealError("--scale.between A.jpg B.jpg and --scale.metres D say a distance together; give both")
    if scale.between is not None and scale.metres_per_unit is not None:
        raise PhotorealError("--scale.between and --scale.metres-per-unit both say the scale; give one of them")


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number by the dotted name of its option."""
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(f"{name}.{key}" if name else key, item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(name, item) for item in value]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value
    for key, item in items:
        yield from _numbers(item, key)
