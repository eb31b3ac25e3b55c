"""Geometry models by name, and the embedded one: structure from motion, with the depths of splats fitted to it."""

from collections.abc import Generator
from dataclasses import dataclass

from photoreal.align import solve
from photoreal.core import Geometry, Photos, Step
from photoreal.models import GeometryModel, device_named
from photoreal.splat import FitStep, config_for, fit
from photoreal.stages.config import ReconstructConfig
from photoreal.stages.depths import splat_depths


def geometry_model(config: ReconstructConfig) -> GeometryModel:
    """The model that the options name.

    Raises:
        MissingWeightsError: its weights are not on this machine.
        MissingDependencyError: it is to run on a GPU, and there is none.
    """
    match config.geometry:
        case "sfm":
            return SfmGeometry(config)
        case "vggt":
            return config.vggt.load(device_named(config.vggt.device))


@dataclass(frozen=True)
class SfmGeometry:
    """Cameras by structure from motion; depth of splats that are fitted to the photos; scale-invariant."""

    config: ReconstructConfig
    """Of which the options of matching, cameras, splats and depth maps matter."""

    def __call__(self, photos: Photos) -> Generator[Step, None, Geometry]:
        """Yield steps; return the geometry of the photos that could be placed.

        A map's confidence is the cosine between the surface's normal and the ray.

        Raises:
            AlignmentError: none could.
        """
        config = self.config
        solution = yield from solve(photos, config.sfm, matcher=config.matcher)
        capture, planned = solution.capture, config_for(len(solution.capture), config.fit)
        last: FitStep | None = None
        for last in fit(capture, solution.points, planned, seed=config.seed):
            yield Step("fitting splats", last.index, planned.steps)
        assert last is not None  # fit yields at least once
        cameras = capture.cameras
        scale = min(1.0, config.mesh.depth_side / max(cameras.size))
        small = cameras.resized((max(1, round(cameras.size[0] * scale)), max(1, round(cameras.size[1] * scale))))
        depths = yield from splat_depths(last.gaussians, small, config.mesh.depth)
        return Geometry(capture, depths, "scale_invariant", f"embedded: {solution.method}, depths of splats")
