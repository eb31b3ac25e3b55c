"""The last adjustment of all cameras and points together, with a lens as rich as the photos can determine."""

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any, Literal

import pycolmap

from photoreal.align.sfm.background import watch
from photoreal.align.sfm.mapping import MIN_POINTS

LensFreedom = Literal["simple", "auto"]
"""One focal length and one radial distortion; or more parameters where the photos speak for them."""

_RICH_PHOTOS = 8
_RICH_SIGHTINGS = 3000
_MAX_ERROR = 3.0
_MIN_ANGLE = 1.0
_LEAST_GAIN = {"RADIAL": 0.02, "OPENCV": 0.005}
"""Share by which the cost must fall for a richer lens to be believed."""
_MAX_FOCAL_CHANGE = 0.03
_MAX_ASPECT = 0.005
_MAX_CENTRE_SHIFT = 0.04


def refine(
    reconstruction: pycolmap.Reconstruction, *, lens: LensFreedom, threads: int
) -> Generator[int, None, pycolmap.Reconstruction]:
    """Yield the rounds done; return a new reconstruction without outliers whose reprojection error is least.

    With `lens` "auto", cameras that enough photos share are tried with a second radial distortion, and then with
    tangential ones and a free principal point. What hardly lessens the error or makes an unlikely lens is not kept: on
    a ring of cameras, say, such parameters are not determined. Photos that see hardly a point are dropped.
    """

    def job(report: Callable[[], None], token: pycolmap.CancellationToken) -> pycolmap.Reconstruction:
        best = pycolmap.Reconstruction(reconstruction)
        _adjust(best, threads)
        _filter(best)
        report()
        cost = _adjust(best, threads)
        report()
        for model in ("RADIAL", "OPENCV") if lens == "auto" else ():
            richer = pycolmap.Reconstruction(best)
            if token.is_cancelled or not _enrich_lenses(richer, model):
                break
            richer_cost = _adjust(richer, threads)
            report()
            if richer_cost > (1 - _LEAST_GAIN[model]) * cost or not _likely(richer, best):
                break
            best, cost = richer, richer_cost
        _filter(best)
        return best

    return (yield from watch(job))


def _rich_cameras(reconstruction: pycolmap.Reconstruction) -> set[int]:
    """The numbers of the cameras that many photos and sightings determine."""
    photos, sightings = Counter[int](), Counter[int]()
    for number in reconstruction.reg_image_ids():
        image = reconstruction.image(number)
        photos[image.camera_id] += 1
        sightings[image.camera_id] += image.num_points3D
    return {number for number in photos if photos[number] >= _RICH_PHOTOS and sightings[number] >= _RICH_SIGHTINGS}


def _enrich_lenses(reconstruction: pycolmap.Reconstruction, model: str) -> bool:
    """Give rich cameras the model with the same picture as before; tells whether there are any."""
    rich = _rich_cameras(reconstruction)
    for number in rich:
        camera = reconstruction.camera(number)
        focal, cx, cy, *distortion = camera.params
        camera.model = pycolmap.CameraModelId.__members__[model]
        k1, k2 = (*distortion, 0.0)[:2]
        camera.params = [focal, cx, cy, k1, k2] if model == "RADIAL" else [focal, focal, cx, cy, k1, k2, 0.0, 0.0]
    return bool(rich)


def _likely(new: pycolmap.Reconstruction, old: pycolmap.Reconstruction) -> bool:
    """Whether no lens became an odd one."""
    for number in _rich_cameras(new):
        camera, before = new.camera(number), old.camera(number)
        side = max(camera.width, camera.height)
        shift = max(abs(camera.principal_point_x - camera.width / 2), abs(camera.principal_point_y - camera.height / 2))
        change = abs(camera.mean_focal_length() / before.mean_focal_length() - 1)
        aspect = abs(camera.focal_length_x / camera.focal_length_y - 1)
        if change > _MAX_FOCAL_CHANGE or aspect > _MAX_ASPECT or shift > _MAX_CENTRE_SHIFT * side:
            return False
    return True


def _adjust(reconstruction: pycolmap.Reconstruction, threads: int) -> float:
    """Minimise the reprojection errors over all cameras and points; returns the cost that remains."""
    config = pycolmap.BundleAdjustmentConfig()
    for number in sorted(reconstruction.reg_image_ids()):
        config.add_image(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = options.refine_extra_params = reconstruction.num_reg_images() > 2
    options.refine_principal_point = any(
        camera.model == pycolmap.CameraModelId.OPENCV for camera in reconstruction.cameras.values()
    )
    if options.refine_principal_point:
        for number in set(reconstruction.cameras) - _rich_cameras(reconstruction):
            config.set_constant_cam_intrinsics(number)
    options.print_summary = False
    options.ceres.use_gpu = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.num_threads = threads or -1
    options.ceres.solver_options.function_tolerance = 1e-6
    options.ceres.solver_options.max_num_iterations = 50
    summary: Any = pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    return float(summary.ceres_summary.final_cost)


def _filter(reconstruction: pycolmap.Reconstruction) -> None:
    """Sightings far from their points, points without parallax and photos without points leave."""
    manager = pycolmap.ObservationManager(reconstruction)
    angle = _MIN_ANGLE if reconstruction.num_reg_images() > 2 else 0.3
    manager.filter_all_points3D(_MAX_ERROR, angle)
    for number in list(reconstruction.reg_image_ids()):
        image = reconstruction.image(number)
        if image.num_points3D < MIN_POINTS:
            manager.deregister_frame(image.frame_id)
