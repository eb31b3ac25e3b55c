"""The last adjustment of all cameras and points together, with a lens as rich as the photos can determine."""

from collections import Counter
from collections.abc import Callable, Generator
from typing import Literal

import pycolmap

from photoreal.align.background import watch
from photoreal.align.mapping import MIN_POINTS

LensModel = Literal["SIMPLE_RADIAL", "OPENCV"]
"""One focal length and one radial distortion; or two focal lengths, two radial and two tangential distortions."""

_RICH_PHOTOS = 6
_RICH_SIGHTINGS = 2000
_MAX_ERROR = 3.0
_MIN_ANGLE = 1.0


def refine(
    reconstruction: pycolmap.Reconstruction, *, lens: LensModel, threads: int
) -> Generator[int, None, pycolmap.Reconstruction]:
    """Yield the rounds done; return a new reconstruction without outliers whose reprojection error is least.

    With `lens` OPENCV, cameras that enough photos share are given that model. Photos that see hardly a point are
    dropped from it.
    """

    def job(report: Callable[[], None], token: pycolmap.CancellationToken) -> pycolmap.Reconstruction:
        new = pycolmap.Reconstruction(reconstruction)
        if lens == "OPENCV":
            _enrich_lenses(new)
        for _ in range(2):
            if token.is_cancelled:
                break
            _adjust(new, threads)
            _filter(new)
            report()
        return new

    return (yield from watch(job))


def _enrich_lenses(reconstruction: pycolmap.Reconstruction) -> None:
    """Cameras of many photos and sightings become OPENCV ones that take the same pictures as before."""
    photos, sightings = Counter[int](), Counter[int]()
    for number in reconstruction.reg_image_ids():
        image = reconstruction.image(number)
        photos[image.camera_id] += 1
        sightings[image.camera_id] += image.num_points3D
    for camera_id, camera in reconstruction.cameras.items():
        rich = photos[camera_id] >= _RICH_PHOTOS and sightings[camera_id] >= _RICH_SIGHTINGS
        if rich and camera.model == pycolmap.CameraModelId.SIMPLE_RADIAL:
            focal, cx, cy, k1 = camera.params
            camera.model = pycolmap.CameraModelId.OPENCV
            camera.params = [focal, focal, cx, cy, k1, 0.0, 0.0, 0.0]


def _adjust(reconstruction: pycolmap.Reconstruction, threads: int) -> None:
    """Minimise the reprojection errors over all cameras and points."""
    config = pycolmap.BundleAdjustmentConfig()
    for number in sorted(reconstruction.reg_image_ids()):
        config.add_image(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = options.refine_extra_params = reconstruction.num_reg_images() > 2
    options.print_summary = False
    options.ceres.use_gpu = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.num_threads = threads or -1
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()


def _filter(reconstruction: pycolmap.Reconstruction) -> None:
    """Sightings far from their points, points without parallax and photos without points leave."""
    manager = pycolmap.ObservationManager(reconstruction)
    angle = _MIN_ANGLE if reconstruction.num_reg_images() > 2 else 0.3
    manager.filter_all_points3D(_MAX_ERROR, angle)
    for number in list(reconstruction.reg_image_ids()):
        image = reconstruction.image(number)
        if image.num_points3D < MIN_POINTS:
            manager.deregister_frame(image.frame_id)
