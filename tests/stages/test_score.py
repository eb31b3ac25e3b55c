"""Scores of a scene that is the truth, in another world of another scale, and of scenes that are not."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from captures import small_room

from photoreal.core import (
    Cameras,
    Gaussians,
    Points,
    Tracks,
    invert_rigid,
    rigid,
    rotation_from_vector,
    unproject,
)
from photoreal.io import (
    RunRecord,
    StageRecord,
    write_capture,
    write_gaussians,
    write_nerfstudio,
    write_run,
    write_tensors,
)
from photoreal.stages import means, score
from photoreal.synth.toy import ToyScene
from photoreal.synth.truth import write_depth

SCALE = 2.5
TURN = rotation_from_vector(torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64))
SHIFT = torch.tensor([4.0, -7.0, 1.0], dtype=torch.float64)
BOX = (1.0, 2.0, 3.0)
NO_TRACKS = Tracks(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0, 2))


def moved(cameras: Cameras) -> Cameras:
    """The same cameras in the world of truth, which is turned, moved and larger."""
    world_from_cam = invert_rigid(cameras.cam_from_world.double())
    centres = SCALE * (world_from_cam[:, :3, 3] @ TURN.T) + SHIFT
    return cameras.replace(
        cam_from_world=invert_rigid(rigid(TURN @ world_from_cam[:, :3, :3], centres)),
        intrinsics=cameras.intrinsics.double(),
    )


def on_the_surfaces(scene: ToyScene) -> Gaussians:
    """An opaque Gaussian of the photo's colour at each pixel of each view."""
    means_ = unproject(scene.capture.cameras, scene.depths.depth).reshape(-1, 3)
    colours = scene.capture.photos.images.permute(0, 2, 3, 1).reshape(-1, 3).float() / 255
    count = len(means_)
    sizes = scene.depths.depth.reshape(-1, 1) / scene.capture.cameras.intrinsics[0, 0, 0]
    return Gaussians(
        means_,
        torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        (0.5 * sizes).log().expand(count, 3).contiguous(),
        torch.full((count, 1), 3.0 / 0.28209479177387814),
        ((colours - 0.5) / 0.28209479177387814)[:, None],
    )


def box_points(count: int) -> Points:
    """On the box of truth, in the scene's world."""
    box = trimesh.creation.box(BOX)
    there = torch.from_numpy(np.array(trimesh.sample.sample_surface(box, count, seed=1)[0]))
    here = (there - SHIFT) @ TURN / SCALE
    return Points(here.float(), torch.zeros(count, 3, dtype=torch.uint8), torch.ones(count))


def seen_points() -> Points:
    """On the surfaces that the depth maps see."""
    places = on_the_surfaces(small_room()).means
    return Points(places, torch.zeros(len(places), 3, dtype=torch.uint8), torch.ones(len(places)))


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, scene = tmp_path_factory.mktemp("truth"), small_room()
    names = scene.capture.photos.names
    write_nerfstudio(folder / "transforms.json", moved(scene.capture.cameras), names)
    (folder / "depth").mkdir()
    for name, depth in zip(names, scene.depths.depth, strict=True):
        write_depth(folder / "depth" / f"{Path(name).stem}.png", SCALE * depth.numpy())
    trimesh.creation.box(BOX).export(folder / "mesh.ply")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene"), on_the_surfaces(small_room()), seen_points())


def write_scene(folder: Path, gaussians: Gaussians, points: Points) -> Path:
    scene = small_room()
    names = list(scene.capture.photos.names)
    write_run(folder, RunRecord("0", "here", photos=names, held_out=names[:2], stages=[StageRecord("splat", 1.0)]))
    write_capture(folder, scene.capture, points, NO_TRACKS, image_format="png")
    write_gaussians(folder, gaussians)
    write_tensors(folder / "background.safetensors", {"harmonics": torch.zeros(16, 3)})
    return folder


def test_the_truth_scores_well_whatever_its_world(folder: Path, truth: Path) -> None:
    figures = score(folder, truth)
    found = {name: value for name, value in figures.items() if value is not None}
    assert found.keys() == figures.keys() - {"lpips"} or found.keys() == figures.keys()
    assert found["psnr"] > 18
    assert found["rotation_error_degrees"] < 1e-2
    assert found["translation_error_share"] < 1e-4
    assert found["pose_auc_5"] > 99.8
    assert found["depth_abs_rel"] < 0.08
    assert found["depth_delta1"] > 0.9
    assert found["points_accuracy"] < 0.01
    assert found["points_completeness"] < 0.01
    assert found["points_f_score_1_percent"] > 0.8


def test_what_is_off_scores_worse(folder: Path, truth: Path, tmp_path: Path) -> None:
    good = on_the_surfaces(small_room())
    camera = small_room().capture.cameras.centres.mean(0)
    nearer = good.replace(means=camera + 0.7 * (good.means - camera))
    thin = seen_points()
    off = Points(thin.positions + torch.tensor([0.0, 0.2, 0.2]), thin.colours, thin.confidence)
    right, wrong = score(folder, truth), score(write_scene(tmp_path / "wrong", nearer, off), truth)
    for name in ("psnr", "ssim", "depth_delta1", "points_f_score_1_percent"):
        assert (wrong[name] or 0) < (right[name] or 0) - 0.05
    assert (wrong["depth_abs_rel"] or 0) > 0.15
    assert wrong["rotation_error_degrees"] == right["rotation_error_degrees"]


def test_without_depth_maps_the_true_mesh_is_the_surface(truth: Path, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene", on_the_surfaces(small_room()), box_points(20_000))
    (tmp_path / "truth").mkdir()
    for name in ("transforms.json", "mesh.ply"):
        (tmp_path / "truth" / name).write_bytes((truth / name).read_bytes())
    figures = score(scene, tmp_path / "truth")
    assert (figures["points_accuracy"] or 1) < 0.01
    assert (figures["points_f_score_1_percent"] or 0) > 0.8


def test_what_is_not_known_is_not_measured(folder: Path, truth: Path, tmp_path: Path) -> None:
    (tmp_path / "transforms.json").write_bytes((truth / "transforms.json").read_bytes())
    figures = score(folder, tmp_path)
    for name in ("depth_abs_rel", "depth_delta1", "points_accuracy", "points_f_score_1_percent"):
        assert figures[name] is None
    assert set(score(folder, truth / "transforms.json")) < set(figures)
    assert set(score(folder)) < set(score(folder, truth / "transforms.json"))


def test_means_are_over_photos() -> None:
    assert means({"psnr/a": 20.0, "psnr/b/c.jpg": 30.0, "ssim/a": 0.5, "loss": 7.0}) == {"psnr": 25.0, "ssim": 0.5}
    assert means({}) == {}


def test_views_that_see_no_splats_say_nothing_of_depth(folder: Path, truth: Path, tmp_path: Path) -> None:
    away = on_the_surfaces(small_room())
    away = away.replace(means=away.means + 1000)
    figures = score(write_scene(tmp_path / "scene", away, seen_points()), truth)
    assert (figures["depth_abs_rel"], figures["depth_delta1"]) == (None, None)
    assert figures["points_f_score_1_percent"] == score(folder, truth)["points_f_score_1_percent"]
