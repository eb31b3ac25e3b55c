"""Photos that get cameras, with and without matches by networks."""

import time
from pathlib import Path

import torch

from benchmarks.figures import Figure
from benchmarks.subjects import absent, photos_folder
from photoreal.align import DRAFT_SFM, MatcherName, Solution, solve
from photoreal.core import Cameras, drained
from photoreal.io import ReadConfig, read_nerfstudio_cameras, read_photos
from photoreal.metrics import pose_auc

_SIDE = 800
"""What the preset draft reads."""
_TEMPLE_SIZE = (480, 640)


def registration(data: Path, *, quick: bool) -> list[Figure]:
    """Captures on which SIFT alone has trouble, and one on which it has none."""
    wanted = {"temple_sparse_ring": 16, "kitchen": 25, "kermit": 11, "fox": 50}
    figures: list[Figure] = []
    for name, count in {"kermit": 11}.items() if quick else wanted.items():
        folder = photos_folder(data, name)
        if folder.is_dir():
            for matcher in ("sift", "auto"):
                figures += _of_capture(data, name, count, matcher)
        else:
            figures.append(absent(name, folder))
    return figures


def _of_capture(data: Path, name: str, count: int, matcher: MatcherName) -> list[Figure]:
    photos = read_photos(photos_folder(data, name), ReadConfig(max_side=_SIDE)).photos
    started = time.perf_counter()
    solution = drained(solve(photos, DRAFT_SFM, matcher=matcher))
    seconds = time.perf_counter() - started
    on = f"{name} at {_SIDE} pixels, draft's features, --matcher {matcher}: {solution.method}"
    registered = float(len(solution.capture))
    goal = f">= {count}" if matcher == "auto" else ""
    figures = [
        Figure(f"{name}: photos registered", registered, f"of {count}", goal, on),
        Figure(f"{name}: cameras", seconds, "s", "", on),
    ]
    truth = _truth(data, name)
    if truth is not None:
        auc = _auc(solution, *truth)
        goal = ">= 80" if name.startswith("temple") and matcher == "auto" else ""
        figures += [
            Figure(f"{name}: pose AUC at 5 degrees", auc[5], "%", goal, on),
            Figure(f"{name}: pose AUC at 30 degrees", auc[30], "%", "", on),
        ]
    return figures


def _auc(solution: Solution, truth: Cameras, names: list[str]) -> dict[int, float]:
    """Of all photos that were given and whose camera is known; one without a camera counts as a failure."""
    number = {Path(name).stem: row for row, name in enumerate(names)}
    ours = [Path(name).stem for name in solution.capture.photos.names]
    given = sorted(number[stem] for stem in (*ours, *(Path(i.name).stem for i in solution.left_out)) if stem in number)
    rows = [row for row, stem in enumerate(ours) if stem in number]
    views = [given.index(number[ours[row]]) for row in rows]
    return pose_auc(solution.capture.cameras.take(rows), truth.take(given), (5, 30), views=views)


def _truth(data: Path, name: str) -> tuple[Cameras, list[str]] | None:
    if name == "fox":
        return read_nerfstudio_cameras(data / name / "transforms.json")
    return _gantry(data / name / "templeSR_par.txt") if name.startswith("temple") else None


def _gantry(path: Path) -> tuple[Cameras, list[str]]:
    """Lines of a name, K, R and t row by row, world to camera in OpenCV's axes (Seitz et al. 2006)."""
    rows = [line.split() for line in path.read_text().splitlines()[1:]]
    numbers = torch.tensor([[float(word) for word in row[1:]] for row in rows])
    poses = torch.eye(4).repeat(len(rows), 1, 1)
    poses[:, :3, :3], poses[:, :3, 3] = numbers[:, 9:18].reshape(-1, 3, 3), numbers[:, 18:]
    return Cameras(poses, numbers[:, :9].reshape(-1, 3, 3), _TEMPLE_SIZE), [row[0] for row in rows]
