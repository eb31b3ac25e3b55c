"""Mapping on COLMAP's own synthetic matches, whose truth is exact: what is placed, and what is told of the rest."""

from pathlib import Path

import pycolmap
import pytest
import torch

from photoreal.align.sfm.background import quiet_colmap
from photoreal.align.sfm.mapping import MappingConfig, calibrate_pair, map_globally, map_incrementally
from photoreal.align.sfm.matching import read_graph
from photoreal.align.sfm.project import Project, regrouped
from photoreal.core import Photos, drained


def synthetic(folder: Path, frames: int, *, prior: bool = True) -> tuple[Project, pycolmap.Reconstruction]:
    """A project of `frames` photos around a cloud, with exact matches between all of them."""
    pycolmap.set_random_seed(3)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, frames, 300
    options.camera_params = [1100.0, 512.0, 384.0, 0.0]
    options.camera_has_prior_focal_length = prior
    (folder / "images").mkdir(parents=True)
    with pycolmap.Database.open(folder / "database.db") as database:
        truth = pycolmap.synthesize_dataset(options, database)
    return Project(folder, tuple(sorted(truth.reg_image_ids()))), truth


def cut(project: Project, first: set[int]) -> None:
    """No matches any more between the images `first` and the others."""
    with pycolmap.Database.open(project.database) as database:
        for pair_id in database.read_two_view_geometries()[0]:
            pair = pycolmap.pair_id_to_image_pair(pair_id)
            if len(first & set(pair)) == 1:
                database.delete_matches(*pair)
                database.delete_two_view_geometry(*pair)


def blank_photos(count: int) -> Photos:
    images = torch.zeros(count, 3, 768, 1024, dtype=torch.uint8)
    names = tuple(f"{k}.png" for k in range(count))
    masks = torch.ones(count, 768, 1024, dtype=torch.bool)
    return Photos(images, masks, names, torch.full((count,), 1100.0), torch.zeros(count, dtype=torch.long))


@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_every_photo_of_a_good_capture_is_placed_right(tmp_path: Path, mapper: str) -> None:
    project, truth = synthetic(tmp_path, 6)
    with quiet_colmap():
        attempt = (
            map_incrementally(project, MappingConfig(), caution="strict")
            if mapper == "incremental"
            else map_globally(project, MappingConfig())
        )
        model = drained(attempt)
    assert model.placed == project.image_ids
    assert model.method == mapper
    assert model.others == ()
    compared = pycolmap.compare_reconstructions(model.reconstruction, truth)
    assert max(error.rotation_error_deg for error in compared["errors"]) < 0.05


def test_the_larger_of_two_groups_is_the_model_and_the_other_is_told(tmp_path: Path) -> None:
    project, _ = synthetic(tmp_path, 9)
    small = set(project.image_ids[:3])
    cut(project, small)
    with quiet_colmap():
        model = drained(map_incrementally(project, MappingConfig(), caution="relaxed"))
    assert set(model.placed) == set(project.image_ids) - small
    assert set(model.others[0]) <= small
    graph = read_graph(project)
    assert graph.matched.tolist() == [2, 2, 2, 5, 5, 5, 5, 5, 5]


def test_no_matches_give_no_model(tmp_path: Path) -> None:
    project, _ = synthetic(tmp_path, 4)
    for image_id in project.image_ids:
        cut(project, {image_id})
    with quiet_colmap():
        assert drained(map_incrementally(project, MappingConfig(), caution="relaxed")) is None
    assert read_graph(project).pairs == (0, 0)


def test_photos_regrouped_keep_their_matches_and_map_as_well(tmp_path: Path) -> None:
    project, _ = synthetic(tmp_path, 5)
    before = read_graph(project)
    with quiet_colmap():
        alone = regrouped(project, blank_photos(5), sharing="each")
        with pycolmap.Database.open(alone.database) as database:
            assert database.num_cameras() == 5
            assert {image.camera_id for image in database.read_all_images()} == {1, 2, 3, 4, 5}
        assert torch.equal(read_graph(alone).inliers, before.inliers)
        model = drained(map_incrementally(alone, MappingConfig(), caution="relaxed"))
    assert model.placed == project.image_ids
    focals = [camera.focal_length for camera in model.reconstruction.cameras.values()]
    assert focals == pytest.approx([1100.0] * 5, rel=0.01)


def test_two_photos_with_a_focal_hint_are_not_calibrated(tmp_path: Path) -> None:
    project, _ = synthetic(tmp_path, 2)
    with pycolmap.Database.open(project.database) as database:
        camera = database.read_all_cameras()[0]
        camera.focal_length = 1500.0
        database.update_camera(camera)
    with quiet_colmap():
        calibrate_pair(project, seed=0)
    with pycolmap.Database.open(project.database) as database:
        assert database.read_all_cameras()[0].focal_length == 1500.0
