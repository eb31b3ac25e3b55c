"""What a path holds: photographs, a video or a posed dataset; and where its files lie."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from photoreal.core import CaptureError

SourceKind = Literal["photos", "video", "colmap", "nerfstudio"]
"""A folder of photographs (or one photograph), a video file, a COLMAP dataset, a `transforms.json` dataset."""

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
"""Photographs that need the extra `heif`."""
IMAGE_SUFFIXES = HEIF_SUFFIXES | {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"}
"""File names, lower case, that count as photographs."""
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".3gp"})
"""File names, lower case, that count as videos."""
TRANSFORMS_NAMES = ("transforms.json", "transforms_train.json")
"""The files that make a folder an instant-ngp or nerfstudio dataset, the first found counts."""


def detect(path: Path) -> SourceKind:
    """What a file or folder holds; a folder that is both a COLMAP and a nerfstudio dataset counts as the former.

    Raises:
        CaptureError: nothing that can be read is there; the text counts what was found instead.
    """
    if not path.exists():
        raise CaptureError(f"{path} does not exist; give a folder of photographs, a video or a dataset")
    if path.is_file():
        return _detect_file(path)
    if colmap_models(path):
        return "colmap"
    if any((path / name).is_file() for name in TRANSFORMS_NAMES):
        return "nerfstudio"
    if image_files(path) or image_files(path / "images"):
        return "photos"
    if len(video_files(path)) == 1:
        return "video"
    raise no_photos(path)


def _detect_file(path: Path) -> SourceKind:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in IMAGE_SUFFIXES:
        return "photos"
    if suffix == ".json":
        return "nerfstudio"
    raise CaptureError(
        f"{path} is a file of kind {suffix or 'unknown'}; "
        "give a folder of photographs, a video, a COLMAP folder or a transforms.json"
    )


def colmap_models(folder: Path) -> list[Path]:
    """The folders inside a COLMAP dataset that hold cameras and images, binary or text, the usual one first."""
    candidates = (folder / "sparse" / "0", folder / "sparse", folder)
    return [c for c in candidates if _holds_model(c, ".bin") or _holds_model(c, ".txt")]


def _holds_model(folder: Path, suffix: str) -> bool:
    return all((folder / f"{stem}{suffix}").is_file() for stem in ("cameras", "images"))


def image_files(folder: Path) -> list[Path]:
    """The photographs directly inside a folder, without hidden ones, in natural order; none without the folder."""
    return _files(folder, IMAGE_SUFFIXES)


def video_files(folder: Path) -> list[Path]:
    """The videos directly inside a folder, hidden ones left out, in natural order."""
    return _files(folder, VIDEO_SUFFIXES)


def image_folder(folder: Path) -> Path:
    """The folder itself where it holds photographs, else its `images`.

    Raises:
        CaptureError: neither holds one.
    """
    if not folder.is_dir():
        raise CaptureError(f"{folder} is not a folder; give a folder of photographs")
    for candidate in (folder, folder / "images"):
        if image_files(candidate):
            return candidate
    raise no_photos(folder)


def no_photos(folder: Path) -> CaptureError:
    """The error for a folder without photographs: it counts what is there, and names a subfolder that would do."""
    found = [p for p in _entries(folder) if p.is_file()]
    kinds = Counter(p.suffix.lower() or "no suffix" for p in found)
    listed = ", ".join(f"{kind} x{count}" for kind, count in kinds.most_common(5))
    census = f"{len(found)} files in {folder} ({listed})" if found else f"0 files in {folder}"
    filled = next((p for p in _entries(folder) if p.is_dir() and image_files(p)), None)
    advice = "put JPEG, PNG, WebP, TIFF or HEIC photographs there"
    if filled is not None:
        advice = f"its subfolder {filled.name} holds {len(image_files(filled))}: give that one"
    elif video_files(folder):
        advice = "give one of its videos itself"
    return CaptureError(f"0 photos among {census}; {advice}")


def inside(folder: Path, stated: str) -> Path:
    """The path that a dataset states, relative to its folder or absolute.

    Links within the folder are followed, since it is the owner who made them.

    Raises:
        CaptureError: the stated path leads out of the folder; a dataset from elsewhere cannot make us read other files.
    """
    root = Path(os.path.abspath(folder))
    path = Path(os.path.normpath(root / stated.replace("\\", "/")))
    if "\0" in stated or not (path.is_relative_to(root) or path.is_relative_to(root.resolve())):
        raise CaptureError(f"the dataset names {stated!r}, which lies outside its folder {folder}; it is refused")
    return path


def mask_files(paths: Sequence[Path], folder: Path | None) -> dict[Path, Path]:
    """The mask of each photo that has one: NAME.png, NAME.ext.png, or NAME with another suffix, whatever the case.

    They are looked for in the given folder, else in `masks` inside and beside the photos' own.

    Raises:
        CaptureError: the given folder holds no mask for any photo.
    """
    if not paths:
        return {}
    home = Path(os.path.abspath(paths[0].parent))
    candidates = (home.parent / "masks", home / "masks") if folder is None else (folder,)
    there = [mask for candidate in candidates for mask in image_files(candidate)]
    by_name = {**{p.stem.casefold(): p for p in there}, **{p.name.casefold(): p for p in there}}
    found: dict[Path, Path] = {}
    for path in paths:
        tries = (path.stem, path.name, f"{path.stem}.png", f"{path.name}.png")
        found.update((path, by_name[name.casefold()]) for name in tries if name.casefold() in by_name)
    if folder is not None and not found:
        raise CaptureError(
            f"{folder} holds no mask for any of the {len(paths)} photos; name them {paths[0].stem}.png ..."
        )
    return found


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """A sorting key by which 2 comes before 10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.split(r"(\d+)", name))


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, made distinct (also without suffix, and whatever the case) by `_2`, `_3` at the end of the stem."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        stem, suffix = os.path.splitext(name)
        tries = (stem if count == 1 else f"{stem}_{count}" for count in range(1, 10**9))
        chosen = next(candidate for candidate in tries if candidate.casefold() not in taken)
        taken.add(chosen.casefold())
        result.append(chosen + suffix)
    return result


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """Files, and links whose target is gone, so that the reader can name them."""
    return [p for p in _entries(folder) if p.suffix.lower() in suffixes and (p.is_file() or not p.exists())]


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        visible = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise CaptureError(f"the folder {folder} cannot be listed ({error.strerror})") from error
    return sorted(visible, key=lambda p: (natural_key(p.name), p.name))
