"""The capture under examples/ is whole, small, and agrees with its own truth."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import ExifTags, Image

from photoreal.core import Cameras, project, unproject
from photoreal.synth import CaptureConfig, Lens, distort, phone_lens, read_depths

FOLDER = Path(__file__).parents[2] / "examples" / "captures" / "reading_room"
RECORD = json.loads((FOLDER / "truth" / "transforms.json").read_text())
FILES = [frame["file_path"] for frame in RECORD["frames"]]
LENS = Lens(
    (RECORD["h"], RECORD["w"]),
    RECORD["fl_x"],
    (RECORD["cx"], RECORD["cy"]),
    (RECORD["k1"], RECORD["k2"], RECORD["p1"], RECORD["p2"]),
)


def cameras() -> Cameras:
    """Pinhole cameras of all views."""
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
    matrices = torch.tensor([frame["transform_matrix"] for frame in RECORD["frames"]], dtype=torch.float64)
    intrinsics = torch.tensor([[LENS.focal, 0, LENS.centre[0]], [0, LENS.focal, LENS.centre[1]], [0, 0, 1.0]])
    return Cameras(torch.linalg.inv(matrices @ flip), intrinsics.double().repeat(len(matrices), 1, 1), LENS.size)


def depth_paths() -> list[Path]:
    return [FOLDER / "truth" / "depth" / f"{Path(file).stem}.png" for file in FILES]


def grey(file: str) -> torch.Tensor:
    with Image.open(FOLDER / file) as photo:
        return torch.from_numpy(np.asarray(photo.convert("L")).astype(np.float64))


def sample(image: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    grid = 2 * pixels / torch.tensor([image.shape[1], image.shape[0]]) - 1
    return torch.nn.functional.grid_sample(image[None, None], grid[None, None], align_corners=False)[0, 0, 0]


def in_photo(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels of the photograph, of pixels of the pinhole camera."""
    plane = (pixels.numpy() - np.array(LENS.centre)) / LENS.focal
    return torch.from_numpy(distort(LENS, plane))


def test_everything_is_there_and_small() -> None:
    assert len(list((FOLDER / "photos").iterdir())) == 28
    assert len(list((FOLDER / "held_out").iterdir())) == 6
    assert len(FILES) == 34
    assert all((FOLDER / file).is_file() for file in FILES)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 8_000_000


def test_the_lens_is_the_one_that_the_script_would_use() -> None:
    assert phone_lens(CaptureConfig().size) == LENS


@pytest.mark.parametrize("file", [FILES[0], FILES[27], FILES[28]])
def test_exif_tells_the_focal_length(file: str) -> None:
    with Image.open(FOLDER / file) as photo:
        assert photo.size == (800, 600)
        details = photo.getexif().get_ifd(ExifTags.IFD.Exif)
    diagonal = np.hypot(*LENS.size)
    assert details[ExifTags.Base.FocalLengthIn35mmFilm] * diagonal / 43.27 == pytest.approx(LENS.focal, rel=0.01)


@pytest.mark.parametrize(("first", "second"), [(2, 3), (13, 14), (20, 8), (29, 24), (33, 12)])
def test_depth_carries_one_photograph_onto_another(first: int, second: int) -> None:
    pair = cameras().take([first, second])
    depths = read_depths([depth_paths()[first], depth_paths()[second]])
    small = pair.resized((depths.depth.shape[1], depths.depth.shape[2]))
    world = unproject(small, depths.depth.double())[0].reshape(-1, 3)
    pixels, along = project(pair, world)
    there = in_photo(pixels[1])
    inside = ((there > 2) & (there < torch.tensor([798.0, 598.0]))).all(-1)
    nearest = sample(depths.depth[1].double(), pixels[1] / 4)
    visible = inside & (depths.confidence[0].flatten() > 0) & ((nearest - along[1]).abs() < 0.02)
    assert visible.float().mean() > 0.25

    def agreement(shift: float) -> float:
        one, two = sample(grey(FILES[first]), in_photo(pixels[0])), sample(grey(FILES[second]), there + shift)
        return float(torch.corrcoef(torch.stack([one[visible], two[visible]]))[0, 1])

    assert agreement(0.0) > 0.85
    assert agreement(0.0) > agreement(3.0) + 0.05
    assert agreement(0.0) > agreement(-3.0) + 0.05


def test_the_mesh_lies_on_the_depths() -> None:
    mesh = trimesh.load_mesh(FOLDER / "truth" / "mesh.ply", process=False)
    pixels, along = project(cameras(), torch.from_numpy(np.asarray(mesh.vertices, dtype=np.float64)))
    depths = read_depths(depth_paths()).depth.double()
    closest = torch.full((len(mesh.vertices),), torch.inf, dtype=torch.float64)
    for view in range(len(depths)):
        inside = ((pixels[view] > 4) & (pixels[view] < torch.tensor([796.0, 596.0]))).all(-1) & (along[view] > 0)
        gap = (sample(depths[view], pixels[view] / 4) - along[view]).abs()
        closest = torch.where(inside, torch.minimum(closest, gap), closest)
    seen = torch.isfinite(closest)
    assert seen.float().mean() > 0.5
    assert closest[seen].median() < 0.01
    assert (closest[seen] < 0.05).float().mean() > 0.9
