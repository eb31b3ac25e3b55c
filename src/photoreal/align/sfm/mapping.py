"""From verified matches to cameras: COLMAP's incremental mapper and its global one (GLOMAP)."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

import pycolmap

from photoreal.align.sfm.background import watch
from photoreal.align.sfm.project import Project

MIN_POINTS = 40
"""A photo that sees fewer points of a model is not placed by them."""

Caution = Literal["strict", "relaxed"]
"""How sure the first pair and each further photo must be: COLMAP's own thresholds, or lower ones."""

_RELAXED = {"init_min_tri_angle": 4.0, "init_min_num_inliers": 30, "abs_pose_min_num_inliers": 20}
_USUAL_FOCAL = (0.4, 4.0)
_PAIR = {"init_min_tri_angle": 1.5, "filter_min_tri_angle": 0.5}


@dataclass(frozen=True)
class MappingConfig:
    """How cameras are found from matches."""

    threads: int = 1
    """Processor threads of bundle adjustment; with more than 1 the last digits change from run to run."""
    seed: int = 0
    """Chooses the samples of robust estimation."""


@dataclass(frozen=True)
class Model:
    """A reconstruction and how it came about."""

    reconstruction: pycolmap.Reconstruction
    """Images have the numbers of the project."""
    method: str
    """In words."""
    others: tuple[tuple[int, ...], ...] = ()
    """Image numbers of smaller groups that could not be joined to it."""

    @property
    def placed(self) -> tuple[int, ...]:
        """Image numbers of the photos that see at least 40 of its points, in ascending order."""
        images = (self.reconstruction.image(number) for number in self.reconstruction.reg_image_ids())
        return tuple(sorted(image.image_id for image in images if image.num_points3D >= MIN_POINTS))


def map_incrementally(
    project: Project, config: MappingConfig, *, caution: Caution
) -> Generator[int, None, Model | None]:
    """Yield the number of photos placed; return the largest model (Schoenberger and Frahm 2016), if there is any."""
    options = _incremental_options(config, len(project.image_ids), caution)
    output = project.folder / f"incremental-{caution}"
    output.mkdir(exist_ok=True)

    def job(report: Callable[[], None], token: pycolmap.CancellationToken) -> list[pycolmap.Reconstruction]:
        def report_both() -> None:
            report()
            report()

        pycolmap.set_random_seed(config.seed)
        found = pycolmap.incremental_mapping(
            project.database,
            project.images,
            output,
            options,
            initial_image_pair_callback=report_both,
            next_image_callback=report,
            cancellation_token=token,
        )
        return list(found.values())

    models = yield from watch(job)
    return _largest(models, "incremental" if caution == "strict" else "incremental with relaxed thresholds")


def map_globally(project: Project, config: MappingConfig) -> Generator[int, None, Model | None]:
    """Return the largest model of the mapper that averages all motions at once (Pan et al. 2024), if there is any.

    It cannot be stopped half way: closing the generator waits for it.
    """
    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = config.seed
    options.num_threads = config.threads
    options.mapper.bundle_adjustment.ceres.use_gpu = False
    options.mapper.global_positioning.use_gpu = False
    output = project.folder / "global"
    output.mkdir(exist_ok=True)

    def job(_report: Callable[[], None], _token: pycolmap.CancellationToken) -> list[pycolmap.Reconstruction]:
        pycolmap.set_random_seed(config.seed)
        return list(pycolmap.global_mapping(project.database, project.images, output, options).values())

    models = yield from watch(job)
    return _largest(models, "global")


def _incremental_options(config: MappingConfig, count: int, caution: Caution) -> pycolmap.IncrementalPipelineOptions:
    options = pycolmap.IncrementalPipelineOptions()
    options.extract_colors = False
    options.min_model_size = min(3, count)
    options.num_threads = config.threads or (os.cpu_count() or 1)
    for part in (options, options.mapper, options.triangulation):
        part.random_seed = config.seed
    options.mapper.num_threads = options.num_threads
    changes = (_RELAXED if caution == "relaxed" or count < 4 else {}) | (_PAIR if count == 2 else {})
    for name, value in changes.items():
        setattr(options.mapper, name, value)
    if count == 2:  # two photos do not tell a focal length from a depth well enough to adjust both
        options.ba_refine_focal_length = options.ba_refine_extra_params = False
        options.triangulation.ignore_two_view_tracks = False
        options.triangulation.min_angle = _PAIR["filter_min_tri_angle"]
    return options


def _largest(models: list[pycolmap.Reconstruction], method: str) -> Model | None:
    models = sorted(models, key=lambda model: (-model.num_reg_images(), -model.num_points3D()))
    if not models or models[0].num_points3D() == 0:
        return None
    taken = set(models[0].reg_image_ids())
    others = tuple(tuple(sorted(set(model.reg_image_ids()) - taken)) for model in models[1:])
    return Model(models[0], method, others)


def calibrate_pair(project: Project, seed: int) -> None:
    """The camera of two photos without a focal hint has the focal length that their fundamental matrix speaks for.

    A value that no usual lens has is not taken (view graph calibration: Sweeney et al. 2015).
    """
    with pycolmap.Database.open(str(project.database)) as database:
        before = database.read_all_cameras()
    if any(camera.has_prior_focal_length for camera in before):
        return
    options = pycolmap.ViewGraphCalibrationOptions()
    options.random_seed = seed
    options.min_focal_length_ratio, options.max_focal_length_ratio = _USUAL_FOCAL
    pycolmap.calibrate_view_graph(str(project.database), options)
    with pycolmap.Database.open(str(project.database)) as database:
        for old, new in zip(before, database.read_all_cameras(), strict=True):
            ratio = new.mean_focal_length() / max(new.width, new.height)
            if not _USUAL_FOCAL[0] < ratio < _USUAL_FOCAL[1]:
                database.update_camera(old)
