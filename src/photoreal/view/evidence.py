"""What a scene folder has to show: its record, cameras and points, and each held-out photo beside its render."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Bool, UInt8
from torch import Tensor

from photoreal.core import Capture, FormatError, Points
from photoreal.io.run import RunRecord, StageRecord, read_run
from photoreal.io.scene import read_capture
from photoreal.view.pictures import Picture, embed, error_map, read_pixels

MOST_COMPARISONS = 12
"""So many held-out photos are shown at most, evenly from the worst to the best."""

FIGURE_NAMES = ("psnr", "ssim", "lpips")


@dataclass(frozen=True)
class Held:
    """A photo that no fit saw, and the render of its camera."""

    name: str
    view: int
    """Its place in the capture."""
    render: Path
    figures: dict[str, float]
    """By the names of `FIGURE_NAMES`; NaN where not measured."""


@dataclass(frozen=True)
class Comparison:
    """A held-out photo, its render and their difference, ready for a page."""

    held: Held
    photo: Picture
    render: Picture
    error: Picture


@dataclass(frozen=True)
class Evidence:
    """All that a report is made of."""

    folder: Path
    record: RunRecord
    capture: Capture
    points: Points
    held: tuple[Held, ...]
    """Those that have a render, in the order of the photos."""
    film: Path
    """May not exist."""
    warnings: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the photos with a camera."""
        return self.capture.photos.names


def gather(folder: Path) -> Evidence:
    """Read a scene folder for its report.

    Raises:
        SceneError: the folder holds no scene.
        FormatError: one of its files is broken.
    """
    record = read_run(folder)
    scene = read_capture(folder)
    held: list[Held] = []
    warnings: list[str] = []
    for name in record.held_out:
        render = render_path(folder, name)
        if name in scene.capture.photos.names and render.is_file():
            view = scene.capture.photos.names.index(name)
            held.append(Held(name, view, render, _figures_of(record.stages, name)))
        else:
            warnings.append(f"{name} was held out and has no render.")
    return Evidence(folder, record, scene.capture, scene.points, tuple(held), folder / "orbit.mp4", warnings)


def render_path(folder: Path, name: str) -> Path:
    """Where the render of a held-out photo lies: under the photo's whole name, or else under its stem."""
    home = folder / "renders" / "held_out"
    whole = home / f"{name}.png"
    return whole if whole.is_file() else home / f"{Path(name).stem}.png"


def compare(evidence: Evidence, held: Held, side: int, quality: int) -> Comparison:
    """Photo, render and error map of a held-out photo, at most `side` pixels wide and high.

    Raises:
        FormatError: the render cannot be read or has another size than the photo.
    """
    photo = evidence.capture.photos.images[held.view]
    mask = evidence.capture.photos.masks[held.view]
    render = read_pixels(held.render)
    if render.shape != photo.shape:
        raise FormatError(
            f"{held.render} has {render.shape[2]}x{render.shape[1]} pixels, its photo {photo.shape[2]}x{photo.shape[1]}"
        )
    photo, render, mask = cropped(photo, mask), cropped(render, mask), cropped(mask[None], mask)[0]
    error = error_map(photo, render, mask)
    return Comparison(held, *(embed(pixels, side, quality=quality) for pixels in (photo, render, error)))


def cropped(pixels: UInt8[Tensor, "C H W"] | Bool[Tensor, "C H W"], mask: Bool[Tensor, "H W"]) -> Tensor:
    """The pixels without the padding that a smaller photo has at its right and lower edge on a shared canvas."""
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if not len(rows):
        return pixels
    return pixels[:, : int(rows[-1]) + 1, : int(columns[-1]) + 1]


def typical(held: Sequence[Held]) -> Held:
    """The one of median PSNR, which neither flatters nor slanders; the middle one where none was measured."""
    ranked = ranking(held)
    return ranked[(len(ranked) - 1) // 2]


def shown(held: Sequence[Held]) -> tuple[Held, ...]:
    """At most `MOST_COMPARISONS`, evenly from the worst to the best by PSNR, in their own order."""
    if len(held) <= MOST_COMPARISONS:
        return tuple(held)
    ranked = ranking(held)
    places = {round(i * (len(ranked) - 1) / (MOST_COMPARISONS - 1)) for i in range(MOST_COMPARISONS)}
    chosen = {ranked[place].name for place in places}
    return tuple(item for item in held if item.name in chosen)


def ranking(held: Sequence[Held]) -> list[Held]:
    """By PSNR, worst first; those without are put first."""
    return sorted(held, key=lambda item: item.figures["psnr"] if math.isfinite(item.figures["psnr"]) else -math.inf)


def stage(record: RunRecord, name: str) -> StageRecord:
    """The last stage of that name; an empty record where there is none."""
    found = [item for item in record.stages if item.name == name]
    return found[-1] if found else StageRecord(name, math.nan)


def mean_figures(record: RunRecord) -> dict[str, float]:
    """PSNR, SSIM and LPIPS over all held-out photos; NaN where not measured."""
    figures = stage(record, "render").figures
    return {name: figures.get(name, math.nan) for name in FIGURE_NAMES}


def _figures_of(stages: Sequence[StageRecord], name: str) -> dict[str, float]:
    known = {key: value for item in stages if item.name == "render" for key, value in item.figures.items()}
    return {figure: known.get(f"{figure}/{name}", math.nan) for figure in FIGURE_NAMES}
