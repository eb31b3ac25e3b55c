"""Render a whole capture: photographs, held-out views and truth, in one folder."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import pixel_rays
from photoreal.synth.camera_path import Lens, Walk, between_poses, phone_lens, pinhole, undistort, walk_poses
from photoreal.synth.camera_response import Light, automatic_exposure, clean_shot, develop, jittered_shot, write_photo
from photoreal.synth.pathtrace import Tracer, denoised
from photoreal.synth.reading_room import reading_room
from photoreal.synth.shapes import Thing
from photoreal.synth.truth import compact, simplified, write_depth, write_mesh, write_transforms

MESH_CELLS = {"brick wall": 0.06, "floor": 0.1, "eastern wall": 0.15, "western wall": 0.12, "ceiling": 0.4, "rug": 0.06}
"""Metres a cell of the simplified mesh; everything not named takes `MESH_CELL`."""
MESH_CELL = 0.028


@dataclass(frozen=True)
class CaptureConfig:
    """How a capture is rendered."""

    photos: int = 28
    """Photographs with noise, drift of exposure and white balance."""
    held_out: int = 6
    """Views between the photographs, without noise or drift, for testing."""
    size: tuple[int, int] = (600, 800)
    """Height and width in pixels."""
    strata: int = 2
    """Light paths along each side of a photograph's pixel, before denoising: its square is their number."""
    held_out_strata: int = 3
    """The same for held-out views."""
    quality: int = 89
    """JPEG quality."""
    depth_divisor: int = 4
    """Depth maps have this fraction of the photographs' height and width."""
    seed: int = 7
    """Decides the room's random details, the photographer's steps and the noise."""
    walk: Walk = field(default_factory=Walk)
    """Where the photographer goes."""


@dataclass(frozen=True)
class RenderStep:
    """One finished piece of work."""

    phase: str
    done: int
    total: int
    seconds: float
    """Since the capture was begun."""


def render_capture(out: Path, config: CaptureConfig = CaptureConfig()) -> Iterator[RenderStep]:
    """Path trace the reading room into `out`, yielding after each piece; photographs' light already there is kept.

    Leaves photos/, held_out/ and truth/ (transforms.json, depth/, mesh.ply). Linear radiance is kept in light/ while
    the work lasts, so that a killed run goes on, and is removed at the end.

    Raises:
        MissingDependencyError: mitsuba, pyoidn or an LLVM library is missing (the `synth` extra).
    """
    start = time.perf_counter()
    total = config.photos + config.held_out
    lens = phone_lens(config.size)
    poses = torch.cat(
        [walk_poses(config.walk, config.photos, config.seed), between_poses(config.walk, config.held_out, config.seed)]
    )
    files = [f"photos/room_{k + 1:03d}.jpg" for k in range(config.photos)]
    files += [f"held_out/view_{k + 1:03d}.jpg" for k in range(config.held_out)]
    for folder in ("photos", "held_out", "truth/depth", "light"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    room = reading_room(config.seed)
    tracer = Tracer(room)
    yield RenderStep("room", 1, 1, time.perf_counter() - start)
    write_transforms(out / "truth" / "transforms.json", lens, poses, files)
    _write_depths(out / "truth" / "depth", tracer, lens, poses, files, config)
    _write_visible_mesh(out / "truth" / "mesh.ply", tracer, room.things, pinhole(lens, poses).centres)
    yield RenderStep("truth", 1, 1, time.perf_counter() - start)
    for index in range(total):
        path = out / "light" / f"{index:03d}.npy"
        if not path.exists():
            strata = config.strata if index < config.photos else config.held_out_strata
            light = _trace(tracer, lens, poses[index], strata, seed=1000 * index)
            np.save(path.with_suffix(".part.npy"), light.astype(np.float16))
            path.with_suffix(".part.npy").rename(path)
        yield RenderStep("light", index + 1, total, time.perf_counter() - start)
    develop_all(out, lens, files, config)
    for path in (out / "light").glob("*.npy"):
        path.unlink()
    (out / "light").rmdir()
    yield RenderStep("photos", total, total, time.perf_counter() - start)


def develop_all(out: Path, lens: Lens, files: list[str], config: CaptureConfig) -> None:
    """Turn the radiance in light/ into photographs and held-out views with one common exposure."""
    lights = [np.load(out / "light" / f"{index:03d}.npy").astype(np.float32) for index in range(len(files))]
    exposure = automatic_exposure(lights)
    for index, (file, light) in enumerate(zip(files, lights, strict=True)):
        rng = np.random.default_rng(config.seed + 31 * index)
        shot = jittered_shot(exposure, rng) if index < config.photos else clean_shot(exposure)
        image = develop(light, shot, config.seed + 17 * index)
        write_photo(out / file, image, lens, shot, index=index, quality=config.quality)


def _trace(tracer: Tracer, lens: Lens, pose: Float[Tensor, "4 4"], strata: int, *, seed: int) -> Light:
    height, width = lens.size
    x, y = np.meshgrid(np.arange(width + 1.0), np.arange(height + 1.0))
    plane = undistort(lens, np.stack([x, y], -1))
    rays = np.concatenate([plane, np.ones((*plane.shape[:2], 1))], -1)
    world_from_cam = torch.linalg.inv(pose).numpy()
    corners = (rays @ world_from_cam[:3, :3].T).astype(np.float32)
    return denoised(tracer.radiance(world_from_cam[:3, 3], corners, strata=strata, seed=seed))


def _write_depths(
    folder: Path, tracer: Tracer, lens: Lens, poses: Float[Tensor, "V 4 4"], files: list[str], config: CaptureConfig
) -> None:
    """Exact depths at the pixel centres of pinhole cameras with the photographs' focal length, at reduced size."""
    height, width = (side // config.depth_divisor for side in lens.size)
    cameras = pinhole(lens, poses).resized((height, width))
    for index, file in enumerate(files):
        one = cameras.take([index])
        turn = one.world_from_cam[0, :3, :3]
        rays = (pixel_rays(one)[0] @ turn.T).numpy().astype(np.float32)
        write_depth(folder / (Path(file).stem + ".png"), tracer.depth_of(one.centres[0].numpy(), rays))


def _write_visible_mesh(path: Path, tracer: Tracer, things: tuple[Thing, ...], centres: Float[Tensor, "V 3"]) -> None:
    """Simplify each thing by itself and keep the faces of which some camera centre has an open line of sight."""
    vertices, faces, count = [], [], 0
    for thing in things:
        points, corners = simplified(thing.mesh, MESH_CELLS.get(thing.name, MESH_CELL))
        vertices.append(points)
        faces.append(corners + count)
        count += len(points)
    points, corners = np.concatenate(vertices), np.concatenate(faces)
    middles = points[corners].mean(1)
    seen = np.zeros(len(corners), dtype=bool)
    for centre in centres.numpy():
        seen |= ~tracer.blocked(centre, middles, tolerance=0.02)
    write_mesh(path, *compact(points, corners, seen))
