"""One mesh looked at more closely: its texture beside its photos, a wrong photo, and Poisson's surface."""

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import torch
import trimesh
from PIL import Image
from torch import Tensor

from benchmarks.figures import Figure
from benchmarks.subjects import floats
from photoreal.core import Cameras, Capture, Depths, drained, transform_points, unit_from_bytes, unproject
from photoreal.io import read_capture, read_run
from photoreal.mesh import Surface, TextureConfig, bake, camera_hits, render_mesh
from photoreal.mesh.texture.bake import Baked, face_qualities
from photoreal.mesh.texture.labels import choose
from photoreal.mesh.texture.refinement import target_of
from photoreal.mesh.texture.sightings import sightings_of
from photoreal.metrics import f_score, psnr
from photoreal.stages import MeshConfig, points_of, read_splats, surface_of
from photoreal.stages.score import true_samples, true_views

_ONE_SURFACE = 0.03
"""Neighbouring depths of one surface differ by less than this share."""
_FEW = 4


def closer(out: Path, config: MeshConfig, truth: Path, on: str) -> list[Figure]:
    """Figures of a finished scene: re-projection, one wrong photo among all, Poisson's surface of the same points."""
    gaussians = read_splats(out).gaussians
    whole, kept, unseen = _halves(out)
    surface = drained(surface_of(kept, gaussians, config))

    def baked(photos: Capture, **changes: Any) -> Baked:
        return drained(bake(photos, surface, points_of(gaussians), dataclasses.replace(config.texture, **changes)))

    clean = baked(kept)
    loss = _held_out(clean, whole, unseen) - _held_out(baked(_spoiled(kept)), whole, unseen)
    figures = [Figure("one wrong photo: held-out PSNR lost", loss, "dB", "<= 0.3", f"{on}, {len(kept)} photos")]
    fine: dict[str, Any] = {"density": 2.4, "side": 4096, "rounds": 8}
    finest = fine | {"density": 3.2}
    for name, found in (
        ("blended", clean),
        ("blended, 2.4 texels a pixel", baked(kept, **fine)),
        ("best photo, 2.4 texels a pixel", baked(kept, mode="best", **fine)),
        ("best photo, not levelled, 3.2 texels a pixel", baked(kept, mode="best", level=False, **finest)),
    ):
        whole_area, inner = _reprojection(found, kept, surface, best="best" in name)
        figures += [
            Figure(f"re-projection, {name}: mean difference", float(whole_area.mean()), "of 255", "<= 2", on),
            Figure(f"re-projection, {name}: median difference", float(whole_area.median()), "of 255", "", on),
            Figure(f"re-projection, {name}, off outlines and seams: mean", float(inner.mean()), "of 255", "<= 2", on),
        ]
    return figures + _poisson(out, truth, kept, surface, on)


def _halves(out: Path) -> tuple[Capture, Capture, list[int]]:
    """All photos of a scene, those that were fitted, and the numbers of the others."""
    whole = floats(read_capture(out).capture)
    unseen = [whole.photos.names.index(name) for name in read_run(out).held_out]
    return whole, whole.take([i for i in range(len(whole)) if i not in unseen]), unseen


def _held_out(found: Baked, capture: Capture, views: list[int]) -> float:
    values: list[float] = []
    for view in views:
        image, _ = render_mesh(found.mesh, capture.cameras.take([view]))
        values.append(psnr(image, unit_from_bytes(capture.photos.images[view]), capture.photos.masks[view]))
    return float(np.mean(values))


def _spoiled(capture: Capture) -> Capture:
    """A large occluder pasted into the middle photo: another photo of the capture, upside down, over half of it."""
    images, view = capture.photos.images.clone(), len(capture) // 2
    height, width = images.shape[-2:]
    part = (slice(None), slice(height // 6, 5 * height // 6), slice(width // 8, 7 * width // 8))
    images[view][part] = images[0].flip(1)[part]
    return capture.replace(photos=capture.photos.replace(images=images))


def _reprojection(found: Baked, capture: Capture, surface: Surface, *, best: bool) -> tuple[Tensor, Tensor]:
    """Differences to each training photo, of 255, at the common exposure, at all pixels where it won the face, and at
    those of them whose eight neighbours it won too and which show one surface.

    The texture is looked up by the rays through pixels' centres, which is where the photo's colours went into it.
    """
    seen = sightings_of(capture, surface.mesh, surface.depths, tolerance=surface.tolerance).replace(gains=found.gains)
    qualities = face_qualities(seen, surface.mesh)
    seam_cost = TextureConfig().seam_cost
    winners = choose(seen, surface.mesh, qualities, seam_cost=seam_cost) if best else qualities.argmax(1)
    apart: list[Tensor] = []
    inside: list[Tensor] = []
    for view in range(len(capture)):
        camera = capture.cameras.take([view])
        hits = camera_hits(surface.mesh, camera)
        face = hits.face.long()
        won = (face >= 0) & (winners[face.clamp_min(0)] == view) & (qualities[face.clamp_min(0), view] > 0)
        image, _ = render_mesh(found.mesh, camera, finer=1)
        difference = 255 * (image.permute(1, 2, 0) - target_of(seen, view)).abs().mean(-1)
        nearest, farthest, every = (
            sign * torch.nn.functional.max_pool2d(sign * values.float()[None], 3, 1, 1)[0]
            for sign, values in ((-1, hits.depth), (1, hits.depth), (-1, won))
        )
        apart.append(difference[won])
        inside.append(difference[(every > 0) & (farthest - nearest <= _ONE_SURFACE * farthest)])
    return torch.cat(apart), torch.cat(inside)


def nearest_alone(out: Path, config: MeshConfig, on: str) -> list[Figure]:
    """The same surface coloured for each held-out camera by the few photos nearest to it: what is left is shape."""
    gaussians = read_splats(out).gaussians
    whole, kept, unseen = _halves(out)
    surface = drained(surface_of(kept, gaussians, config))
    values: list[float] = []
    for view in unseen:
        away = (kept.cameras.centres - whole.cameras.centres[view]).norm(dim=1)
        near = away.argsort()[:_FEW].tolist()
        part = dataclasses.replace(surface, depths=surface.depths.take(near))
        found = drained(bake(kept.take(near), part, points_of(gaussians), config.texture))
        values.append(_held_out(found, whole, [view]))
    return [Figure(f"coloured by the {_FEW} nearest photos alone: held-out PSNR", float(np.mean(values)), "dB", "", on)]


def _poisson(out: Path, truth: Path, capture: Capture, surface: Surface, on: str) -> list[Figure]:
    """Poisson's surface (Kazhdan and Hoppe 2013, as COLMAP has it) of the points that our surface was made of."""
    known = true_views(out, read_capture(out).capture.cameras, truth)
    samples = true_samples(truth, known.theirs, known.maps)
    extent = float((samples.max(0).values - samples.min(0).values).max())
    with tempfile.TemporaryDirectory() as folder:
        _write_oriented(Path(folder) / "points.ply", capture.cameras.resized(surface.depths.size), surface.depths)
        options = pycolmap.PoissonMeshingOptions()
        options.depth, options.trim, options.color = 9, 7.0, False
        pycolmap.poisson_meshing(Path(folder) / "points.ply", Path(folder) / "mesh.ply", options)
        poisson = trimesh.load_mesh(Path(folder) / "mesh.ply")
    fused = trimesh.Trimesh(
        surface.mesh.vertices.numpy(), surface.mesh.faces[~surface.background].numpy(), process=False
    )
    figures: list[Figure] = []
    for name, mesh in (("ours", fused), ("Poisson, depth 9, trim 7", poisson)):
        spread = torch.from_numpy(np.asarray(trimesh.sample.sample_surface(mesh, 100_000, seed=0)[0])).double()
        placed = transform_points(known.truth_from_scene, spread)
        for share in (0.005, 0.01):
            value = f_score(placed, samples, threshold=share * extent)
            figures.append(Figure(f"same points, {name}: F-score at {share:.1%} of extent", value, "", "", on))
    return figures


def _write_oriented(path: Path, cameras: Cameras, depths: Depths) -> None:
    """Believed points with normals towards their cameras, as PLY."""
    places = unproject(cameras, depths.depth)
    across, down = places[:, 1:-1, 2:] - places[:, 1:-1, :-2], places[:, 2:, 1:-1] - places[:, :-2, 1:-1]
    normals = torch.nn.functional.normalize(torch.linalg.cross(down, across), dim=-1)
    inner = places[:, 1:-1, 1:-1]
    towards = cameras.centres[:, None, None] - inner
    normals = normals * torch.sign((normals * towards).sum(-1, keepdim=True))
    sure = torch.nn.functional.max_pool2d(-depths.known.float(), 3, 1) < 0
    rows = torch.cat([inner, normals], -1)[sure].float().numpy()
    fields = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{fields}end_header\n"
    path.write_bytes(head.encode() + rows.tobytes())


def write_room(source: Path, folder: Path) -> None:
    """The RGB-D room as a posed dataset with true depth in millimetres."""
    known = np.load(source / "condition.npz")
    frames: list[dict[str, Any]] = []
    for directory in ("images", "depth"):
        (folder / directory).mkdir(parents=True)
    for i, (k, pose, depth) in enumerate(zip(known["intrinsics"], known["poses"], known["depths"], strict=True)):
        with Image.open(source / "rgb" / f"{i}.png") as picture:
            picture.convert("RGB").save(folder / "images" / f"{i}.png")
        Image.fromarray(np.round(depth * 1000).clip(0, 65535).astype(np.uint16)).save(folder / "depth" / f"{i}.png")
        opengl = pose.astype(float) @ np.diag([1.0, -1, -1, 1])
        lens = {
            "fl_x": k[0, 0],
            "fl_y": k[1, 1],
            "cx": k[0, 2],
            "cy": k[1, 2],
            "w": depth.shape[1],
            "h": depth.shape[0],
        }
        frames.append(
            {"file_path": f"images/{i}.png", "transform_matrix": opengl.tolist()}
            | {name: float(value) for name, value in lens.items()}
        )
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "OPENCV", "frames": frames}))
