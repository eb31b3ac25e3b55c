"""COLMAP's reconstructions as our values, against COLMAP's own synthetic truth."""

import pycolmap
import pytest
import torch

from photoreal.align.sfm.nouns import nouns_from_reconstruction, parallax
from photoreal.align.sfm.refine import refine
from photoreal.core import Photos, drained, project

LENSES = {
    "SIMPLE_RADIAL": [900.0, 512.0, 384.0, 0.03],
    "OPENCV": [900.0, 905.0, 500.0, 390.0, -0.08, 0.01, 1e-3, -2e-3],
}


def synthetic(model: str) -> pycolmap.Reconstruction:
    pycolmap.set_random_seed(1)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_frames_per_rig, options.num_points3D = 4, 60
    options.camera_model_id = pycolmap.CameraModelId.__members__[model]
    options.camera_params = LENSES[model]
    return pycolmap.synthesize_dataset(options)


def blank_photos(reconstruction: pycolmap.Reconstruction) -> tuple[Photos, list[int]]:
    numbers = sorted(reconstruction.reg_image_ids())
    camera = reconstruction.camera(reconstruction.image(numbers[0]).camera_id)
    count, height, width = len(numbers), camera.height, camera.width
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, height, width) * 20
    masks = torch.ones(count, height, width, dtype=torch.bool)
    names = tuple(f"{k}.png" for k in range(count))
    return Photos(images.contiguous(), masks, names, torch.zeros(count), torch.zeros(count, dtype=torch.long)), numbers


@pytest.mark.parametrize("model", ["SIMPLE_RADIAL", "OPENCV"])
def test_points_project_onto_the_undistorted_sightings(model: str) -> None:
    reconstruction = synthetic(model)
    photos, numbers = blank_photos(reconstruction)
    capture, points, tracks = nouns_from_reconstruction(reconstruction, photos, numbers)
    assert len(tracks.point) == reconstruction.compute_num_observations()
    pixels, depth = project(capture.cameras, points.positions)
    seen = pixels[tracks.view, tracks.point]
    assert float((seen - tracks.pixel).norm(dim=1).max()) < 0.02
    assert float(depth[tracks.view, tracks.point].min()) > 0


def test_a_point_has_the_mean_colour_and_the_number_of_its_photos() -> None:
    reconstruction = synthetic("SIMPLE_RADIAL")
    photos, numbers = blank_photos(reconstruction)
    _, points, tracks = nouns_from_reconstruction(reconstruction, photos, numbers)
    for row in (0, 17, 59):
        views = tracks.view[tracks.point == row]
        assert float(points.confidence[row]) == len(views)
        assert abs(float(points.colours[row, 0]) - 20 * float(views.double().mean())) <= 0.5


def test_parallax_is_the_angle_between_two_rays() -> None:
    reconstruction = synthetic("SIMPLE_RADIAL")
    photos, numbers = blank_photos(reconstruction)
    capture, points, tracks = nouns_from_reconstruction(reconstruction, photos.take([0, 1]), numbers[:2])
    found = parallax(capture.cameras, points, tracks)
    for row in (3, 30):
        seen = tracks.view[tracks.point == row]
        rays = points.positions[row].double() - capture.cameras.centres.double()[seen]
        cosine = torch.nn.functional.cosine_similarity(rays[:1], rays[1:]) if len(seen) == 2 else torch.ones(1)
        assert float(found[row]) == pytest.approx(float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))), abs=1e-4)


def test_refining_undoes_a_wrong_focal_length_and_keeps_the_original() -> None:
    reconstruction = synthetic("SIMPLE_RADIAL")
    for camera in reconstruction.cameras.values():
        camera.focal_length = 930.0
    refined = drained(refine(reconstruction, lens="simple", threads=1))
    assert next(iter(refined.cameras.values())).focal_length == pytest.approx(900.0, abs=0.5)
    assert next(iter(reconstruction.cameras.values())).focal_length == 930.0
    assert refined.compute_mean_reprojection_error() < 0.01
