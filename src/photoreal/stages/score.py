"""How good a scene folder is: on its held-out photos, and against the truth where there is one."""

from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from torch import Tensor

from photoreal.core import (
    Cameras,
    CaptureError,
    Points,
    fit_similarity,
    transform_points,
    unit_from_bytes,
)
from photoreal.io import image_paths, read_capture, read_nerfstudio_cameras, read_run
from photoreal.metrics import (
    accuracy,
    completeness,
    depth_error,
    f_score,
    pose_auc,
    rotation_errors,
    translation_errors,
)
from photoreal.splat import rasterize_numba
from photoreal.stages.renders import compare, means, perceptual_network, render
from photoreal.stages.splats import read_splats
from photoreal.synth import read_depths

_SAMPLES = 100_000


def score(folder: Path, truth: Path | None = None) -> dict[str, float | None]:
    """Figures by name; None where something could not be measured.

    On held-out photos: PSNR, SSIM, LPIPS. With `truth` (a transforms.json, or a folder that holds one and maybe
    depth/NAME.png in millimetres and mesh.ply): rotation errors in degrees and AUC of the poses, depth error, accuracy,
    completeness and F-score at 1 % of the extent, after the similarity that brings the cameras' centres together.

    Raises:
        SceneError: the folder holds no finished scene.
        CaptureError: the truth names fewer than 3 of the scene's photos.
    """
    figures: dict[str, float | None] = dict(_on_held_out(folder))
    if truth is not None:
        figures |= _against(folder, truth)
    return figures


def _on_held_out(folder: Path) -> dict[str, float | None]:
    scene, splats, (network, _) = read_capture(folder), read_splats(folder), perceptual_network()
    found: dict[str, float] = {}
    for name in read_run(folder).held_out:
        view = scene.capture.photos.names.index(name)
        photo, mask = unit_from_bytes(scene.capture.photos.images[view]), scene.capture.photos.masks[view]
        image = render(splats, scene.capture.cameras.take([view]))
        found |= {f"{key}/{name}": value for key, value in compare(image, photo, mask, network).items()}
    empty = dict.fromkeys(("psnr", "ssim", "lpips"))
    return empty | means(found)


def _against(folder: Path, truth: Path) -> dict[str, float | None]:
    scene = read_capture(folder)
    cameras, names = read_nerfstudio_cameras(truth if truth.is_file() else truth / "transforms.json")
    number = {Path(name).stem: i for i, name in enumerate(names)}
    pairs = [(i, number[Path(n).stem]) for i, n in enumerate(image_paths(folder)) if Path(n).stem in number]
    if len(pairs) < 3:
        raise CaptureError(
            f"{truth} has cameras for {len(pairs)} of the scene's {len(scene.capture)} photos; 3 are needed"
        )
    ours, theirs = scene.capture.cameras.take([i for i, _ in pairs]), cameras.take([j for _, j in pairs])
    auc = pose_auc(ours, cameras, (5, 30), views=[j for _, j in pairs])
    figures: dict[str, float | None] = {
        "rotation_error_degrees": float(rotation_errors(ours, theirs).mean()),
        "translation_error_share": float(translation_errors(ours, theirs).mean()),
        **{f"pose_auc_{threshold}": value for threshold, value in auc.items()},
    }
    truth_from_scene = fit_similarity(ours.centres.double(), theirs.centres.double())
    if truth.is_dir():
        maps = [truth / "depth" / f"{Path(names[j]).stem}.png" for _, j in pairs]
        figures |= _depth(folder, ours, theirs, truth_from_scene, maps)
        figures |= _surface(scene.points, truth_from_scene, truth)
    return figures


def _depth(
    folder: Path, ours: Cameras, theirs: Cameras, truth_from_scene: Float[Tensor, "4 4"], maps: list[Path]
) -> dict[str, float | None]:
    """Median depth of the splats, seen through the true intrinsics, against the true depth, in true units."""
    known = [(view, path) for view, path in enumerate(maps) if path.is_file()]
    if not known:
        return {"depth_abs_rel": None, "depth_delta1": None}
    gaussians, depths = read_splats(folder).gaussians, read_depths([path for _, path in known])
    scale = float(torch.linalg.det(truth_from_scene[:3, :3]).abs() ** (1 / 3))
    size = (depths.depth.shape[1], depths.depth.shape[2])
    errors: list[tuple[float, float]] = []
    for (view, _), depth in zip(known, depths.depth, strict=True):
        through = Cameras(ours.cam_from_world[[view]], theirs.intrinsics[[view]].to(ours.intrinsics), theirs.size)
        with torch.no_grad():
            renders = rasterize_numba(gaussians, through.resized(size), torch.zeros(1, 3))
        median = renders.depth_median[0] * scale
        error = depth_error(median, depth, (depth > 0) & (median > 0))
        errors.append((error.abs_rel, error.delta1))
    abs_rel, delta1 = np.mean(errors, axis=0)
    return {"depth_abs_rel": float(abs_rel), "depth_delta1": float(delta1)}


def _surface(points: Points, truth_from_scene: Float[Tensor, "4 4"], truth: Path) -> dict[str, float | None]:
    """The points against random samples of the true mesh; lengths as shares of the mesh's largest side."""
    path = truth / "mesh.ply"
    if not path.is_file() or not len(points):
        return {"points_accuracy": None, "points_completeness": None, "points_f_score_1_percent": None}
    mesh = trimesh.load_mesh(path)
    samples = torch.from_numpy(np.asarray(trimesh.sample.sample_surface(mesh, _SAMPLES, seed=0)[0])).double()
    placed = transform_points(truth_from_scene, points.positions.double())
    extent = float((samples.max(0).values - samples.min(0).values).max())
    return {
        "points_accuracy": accuracy(placed, samples) / extent,
        "points_completeness": completeness(placed, samples) / extent,
        "points_f_score_1_percent": f_score(placed, samples, threshold=extent / 100),
    }
