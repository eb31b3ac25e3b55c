"""The splats of a scene folder in; pictures of its held-out cameras, how good they are, and a film out."""

from collections.abc import Generator, Iterator
from pathlib import Path

import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from photoreal.core import (
    Cameras,
    Capture,
    Mesh,
    MissingWeightsError,
    TexturedMesh,
    bytes_from_unit,
    unit_from_bytes,
    world_rays,
)
from photoreal.io import atomic_folder, read_capture, read_run
from photoreal.io.files import remove, writing
from photoreal.mesh import camera_hits, render_mesh
from photoreal.metrics import lpips, match_colours, psnr, ssim
from photoreal.models import LpipsAlex, PerceptualNetwork
from photoreal.splat import Background, Splats, background_image, render_colour
from photoreal.stages.config import FilmConfig
from photoreal.stages.ledger import Work, stage_of
from photoreal.stages.meshes import read_mesh
from photoreal.stages.progress import Outcome, Progress
from photoreal.stages.splats import read_splats
from photoreal.view import orbit_cameras, write_film


def render_stage(folder: Path, held_out: list[str], film: FilmConfig) -> Work:
    """Afterwards `renders/held_out` holds a picture of each held-out photo, `orbit.mp4` the film; figures returned."""
    scene, splats = read_capture(folder), read_splats(folder)
    names = scene.capture.photos.names
    network, notes = perceptual_network()
    figures: dict[str, float] = {}
    with atomic_folder(folder / "renders") as partial:
        (partial / "held_out").mkdir(parents=True)
        for done, name in enumerate(held_out):
            yield Progress("render", "held-out photos", done, len(held_out))
            view = names.index(name)
            image = render(splats, scene.capture.cameras.take([view]))
            save(partial / "held_out" / f"{name}.png", image)
            figures |= judged(image, scene.capture, view, network)
        if stage_of(read_run(folder), "mesh") is not None:
            figures |= yield from _mesh_renders(folder, partial / "mesh", scene.capture, held_out, network)
    figures |= means(figures)
    if film.frames:
        cameras = orbit_cameras(
            scene.capture.cameras, scene.points, film.frames, _film_size(scene.capture.cameras, film)
        )
        yield from _film(folder / "orbit.mp4", splats, cameras, film)
    else:
        with writing(folder):
            remove(folder / "orbit.mp4")
    if not held_out:
        notes = (*notes, "no photo was held out, so the splats could not be judged on unseen photos")
    return Outcome(
        "embedded: numba rasterizer; LPIPS on AlexNet" if network else "embedded: numba rasterizer",
        figures,
        notes=notes,
    )


def _mesh_renders(
    folder: Path, to: Path, capture: Capture, held_out: list[str], network: PerceptualNetwork | None
) -> Generator[Progress, None, dict[str, float]]:
    """Pictures of the mesh from the held-out cameras, with its texture and without, and figures of the former."""
    mesh, background = read_mesh(folder), read_splats(folder).background
    figures: dict[str, float] = {}
    to.mkdir()
    for done, name in enumerate(held_out):
        yield Progress("render", "held-out photos of the mesh", done, len(held_out))
        view = capture.photos.names.index(name)
        camera = capture.cameras.take([view])
        image = render_textured(mesh, background, camera)
        save(to / f"{name}.png", image)
        save(to / f"{name}.clay.png", clay(mesh.shape, camera))
        figures |= judged(image, capture, view, network, prefix="mesh_")
    return figures


def render_textured(mesh: TexturedMesh, background: Background, camera: Cameras) -> Float[Tensor, "3 H W"]:
    """The mesh as the first camera sees it, sRGB in [0, 1]; over the scene's background where that is of one colour, as
    behind an object that was cut out, else over black."""
    image, covered = render_mesh(mesh, camera)
    if bool(background.harmonics[1:].any()):
        return image
    return (image + (1 - covered) * background_image(background, camera)).clamp(0, 1)


def clay(mesh: Mesh, camera: Cameras) -> Float[Tensor, "3 H W"]:
    """The shape alone: grey, lit from the camera, white where there is nothing."""
    hits = camera_hits(mesh, camera)
    towards = torch.nn.functional.normalize(world_rays(camera)[0].double(), dim=-1)
    normal = mesh.face_normals[hits.face.clamp_min(0).long()].double()
    shade = 0.15 + 0.75 * (normal * towards).sum(-1).abs()
    return torch.where(hits.face >= 0, shade, torch.ones_like(shade)).float().expand(3, -1, -1)


def render(splats: Splats, camera: Cameras) -> Float[Tensor, "3 H W"]:
    """What the first camera sees, sRGB in [0, 1]."""
    with torch.no_grad():
        colour, transmittance = render_colour(splats.gaussians, camera)
        return (colour + transmittance * background_image(splats.background, camera)).clamp(0, 1)


def save(path: Path, image: Float[Tensor, "3 H W"]) -> None:
    """Write an image in [0, 1] as PNG."""
    Image.fromarray(bytes_from_unit(image).permute(1, 2, 0).numpy()).save(path, compress_level=3)


def perceptual_network() -> tuple[PerceptualNetwork | None, tuple[str, ...]]:
    """LPIPS's network, or None and the reason why it is missing."""
    try:
        return LpipsAlex().load(), ()
    except MissingWeightsError as error:
        return None, (f"LPIPS was not measured: {error}",)


def compare(
    image: Float[Tensor, "3 H W"],
    photo: Float[Tensor, "3 H W"],
    mask: Bool[Tensor, "H W"],
    network: PerceptualNetwork | None,
) -> dict[str, float]:
    """PSNR, SSIM, colour-matched PSNR and, with a network, LPIPS of a render against its photo."""
    figures = {
        "psnr": psnr(image, photo, mask),
        "ssim": ssim(image, photo, mask),
        "psnr_colour_matched": psnr(match_colours(image, photo, mask), photo, mask),
    }
    if network is not None:
        with torch.no_grad():
            figures["lpips"] = lpips(image, photo, network, mask)
    return figures


def judged(
    image: Float[Tensor, "3 H W"], capture: Capture, view: int, network: PerceptualNetwork | None, *, prefix: str = ""
) -> dict[str, float]:
    """Figures of a render against one photo of the capture, named as `means` takes them: KEY/PHOTO, and a prefix."""
    photo, mask = unit_from_bytes(capture.photos.images[view]), capture.photos.masks[view]
    found = compare(image, photo, mask, network)
    return {f"{prefix}{key}/{capture.photos.names[view]}": value for key, value in found.items()}


def means(figures: dict[str, float]) -> dict[str, float]:
    """The mean over photos of each figure named KEY/PHOTO."""
    keys = sorted({name.split("/", 1)[0] for name in figures if "/" in name})
    groups = {key: [value for name, value in figures.items() if name.startswith(f"{key}/")] for key in keys}
    return {key: sum(values) / len(values) for key, values in groups.items()}


def _film_size(cameras: Cameras, film: FilmConfig) -> tuple[int, int]:
    height, width = cameras.size
    scale = min(1.0, film.side / max(height, width))
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def _film(path: Path, splats: Splats, cameras: Cameras, film: FilmConfig) -> Iterator[Progress]:
    frames: list[UInt8[Tensor, "3 H W"]] = []
    for done in range(len(cameras)):
        yield Progress("render", "film", done, len(cameras))
        frames.append(bytes_from_unit(render(splats, cameras.take([done]))))
    write_film(path, frames, film.fps)
