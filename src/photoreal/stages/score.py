"""How good a scene folder is: on its held-out photos, and against the truth where there is one."""

from dataclasses import dataclass
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
    similarity_scale,
    transform_points,
    unproject,
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
from photoreal.stages.ledger import stage_of
from photoreal.stages.meshes import read_mesh
from photoreal.stages.renders import judged, means, perceptual_network, render, render_textured
from photoreal.stages.splats import read_splats
from photoreal.synth import read_depths

_DEPTH_FIGURES = ("depth_abs_rel", "depth_delta1")
_SAMPLES = 100_000


def score(folder: Path, truth: Path | None = None) -> dict[str, float | None]:
    """Figures by name; None where something could not be measured.

    On held-out photos: PSNR, SSIM, LPIPS of the splats, and with the prefix mesh_ of the mesh. With `truth` (a
    transforms.json, or a folder that holds one and maybe depth/NAME.png in millimetres and mesh.ply): rotation errors
    in degrees and AUC of the poses, depth error, and for points and mesh accuracy, completeness and F-scores at 0.5 %
    and 1 % of the extent, after the similarity that brings the cameras' centres together. The true surface is what the
    depth maps see, thinned to be even; without them it is the true mesh. Lengths are shares of its largest side.

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
    record = read_run(folder)
    mesh = read_mesh(folder) if stage_of(record, "mesh") is not None else None
    found: dict[str, float] = {}
    for name in record.held_out:
        view = scene.capture.photos.names.index(name)
        camera = scene.capture.cameras.take([view])
        found |= judged(render(splats, camera), scene.capture, view, network)
        if mesh is not None:
            found |= judged(
                render_textured(mesh, splats.background, camera), scene.capture, view, network, prefix="mesh_"
            )
    empty = dict.fromkeys(("psnr", "ssim", "lpips"))
    return empty | means(found)


@dataclass(frozen=True)
class TrueViews:
    """Where the photos of a scene were truly taken."""

    ours: Cameras
    """As the scene has them, of the photos whose true cameras are known."""
    theirs: Cameras
    truth_from_scene: Float[Tensor, "4 4"]
    """The similarity that brings the cameras' centres together."""
    maps: list[Path]
    """Of depth; some may be missing."""
    cameras: Cameras
    """All true cameras"""
    rows: list[int]
    """and which of them are `theirs`."""


def true_views(folder: Path, cameras: Cameras, truth: Path) -> TrueViews:
    """The true cameras of a scene's photos, matched by name; `cameras` are those that the scene has found.

    Raises:
        CaptureError: the truth names fewer than 3 of the scene's photos.
    """
    true, names = read_nerfstudio_cameras(truth if truth.is_file() else truth / "transforms.json")
    number = {Path(name).stem: i for i, name in enumerate(names)}
    pairs = [(i, number[Path(n).stem]) for i, n in enumerate(image_paths(folder)) if Path(n).stem in number]
    if len(pairs) < 3:
        raise CaptureError(f"{truth} has cameras for {len(pairs)} of the scene's {len(cameras)} photos; 3 are needed")
    rows = [j for _, j in pairs]
    ours, theirs = cameras.take([i for i, _ in pairs]), true.take(rows)
    truth_from_scene = fit_similarity(ours.centres.double(), theirs.centres.double())
    maps = [truth / "depth" / f"{Path(names[j]).stem}.png" for j in rows]
    return TrueViews(ours, theirs, truth_from_scene, maps, true, rows)


def _against(folder: Path, truth: Path) -> dict[str, float | None]:
    scene = read_capture(folder)
    known = true_views(folder, scene.capture.cameras, truth)
    ours, theirs = known.ours, known.theirs
    auc = pose_auc(ours, known.cameras, (5, 30), views=known.rows)
    figures: dict[str, float | None] = {
        "rotation_error_degrees": float(rotation_errors(ours, theirs).mean()),
        "translation_error_share": float(translation_errors(ours, theirs).mean()),
        **{f"pose_auc_{threshold}": value for threshold, value in auc.items()},
    }
    if truth.is_dir():
        figures |= _depth(folder, known)
        samples = true_samples(truth, theirs, known.maps)
        figures |= _surfaces(folder, scene.points, known.truth_from_scene, samples)
    return figures


def _depth(folder: Path, truth: TrueViews) -> dict[str, float | None]:
    """Median depth of the splats, seen through the true intrinsics, against the true depth, in true units.

    Only where both are known, so views without splats are passed over.
    """
    known = [(view, path) for view, path in enumerate(truth.maps) if path.is_file()]
    if not known:
        return dict.fromkeys(_DEPTH_FIGURES)
    ours, theirs = truth.ours, truth.theirs
    gaussians, depths = read_splats(folder).gaussians, read_depths([path for _, path in known])
    scale = similarity_scale(truth.truth_from_scene)
    size = (depths.depth.shape[1], depths.depth.shape[2])
    errors: list[tuple[float, float]] = []
    for (view, _), depth in zip(known, depths.depth, strict=True):
        through = Cameras(ours.cam_from_world[[view]], theirs.intrinsics[[view]].to(ours.intrinsics), theirs.size)
        with torch.no_grad():
            renders = rasterize_numba(gaussians, through.resized(size), torch.zeros(1, 3))
        median = renders.depth_median[0] * scale
        both = (depth > 0) & (median > 0)
        if bool(both.any()):
            error = depth_error(median, depth, both)
            errors.append((error.abs_rel, error.delta1))
    return dict(zip(_DEPTH_FIGURES, np.mean(errors, axis=0).tolist() if errors else (None, None), strict=True))


def true_samples(truth: Path, cameras: Cameras, maps: list[Path]) -> Float[Tensor, "N 3"]:
    """Points spread evenly over the true surface; none where nothing is known of it."""
    known = [i for i, path in enumerate(maps) if path.is_file()]
    if known:
        depths = read_depths([maps[i] for i in known])
        seen = unproject(cameras.take(known).map(Tensor.float).resized(depths.size), depths.depth)
        return _thinned(seen[depths.confidence > 0].double())
    if (truth / "mesh.ply").is_file():
        samples = trimesh.sample.sample_surface(trimesh.load_mesh(truth / "mesh.ply"), _SAMPLES, seed=0)[0]
        return torch.from_numpy(np.asarray(samples)).double()
    return torch.empty(0, 3, dtype=torch.float64)


def _thinned(points: Float[Tensor, "N 3"]) -> Float[Tensor, "M 3"]:
    """One point, the first, in each cube of a five hundredth of the extent; at most `_SAMPLES`, by chance."""
    low, high = points.amin(0), points.amax(0)
    cubes = torch.floor((points - low) / ((high - low).max() / 500).clamp_min(1e-12)).long()
    _, first = np.unique(((cubes[:, 0] * 512 + cubes[:, 1]) * 512 + cubes[:, 2]).numpy(), return_index=True)
    chosen = torch.randperm(len(first), generator=torch.Generator().manual_seed(0))[:_SAMPLES]
    return points[torch.from_numpy(first)[chosen]]


def _surfaces(
    folder: Path, points: Points, truth_from_scene: Float[Tensor, "4 4"], samples: Float[Tensor, "N 3"]
) -> dict[str, float | None]:
    placed = transform_points(truth_from_scene, points.positions.double())
    figures = _against_samples("points", placed, samples)
    if stage_of(read_run(folder), "mesh") is None:
        return figures
    mesh = read_mesh(folder)
    surface = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces[~mesh.background].numpy(), process=False)
    spread = torch.from_numpy(np.asarray(trimesh.sample.sample_surface(surface, _SAMPLES, seed=0)[0])).double()
    return figures | _against_samples("mesh", transform_points(truth_from_scene, spread), samples)


def _against_samples(name: str, placed: Float[Tensor, "N 3"], samples: Float[Tensor, "M 3"]) -> dict[str, float | None]:
    keys = ("accuracy", "completeness", "chamfer", "f_score_half_percent", "f_score_1_percent")
    if not len(placed) or not len(samples):
        return dict.fromkeys(f"{name}_{key}" for key in keys)
    extent = float((samples.max(0).values - samples.min(0).values).max())
    near, far = accuracy(placed, samples) / extent, completeness(placed, samples) / extent
    scores = [f_score(placed, samples, threshold=extent * share) for share in (0.005, 0.01)]
    return {f"{name}_{key}": value for key, value in zip(keys, (near, far, (near + far) / 2, *scores), strict=True)}
