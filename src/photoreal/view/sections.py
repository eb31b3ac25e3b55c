"""The sections of a report that show: headline, photos, cameras, held-out photos."""

import math
from pathlib import Path

import torch

from photoreal.core import FormatError
from photoreal.io.run import RunRecord
from photoreal.view.evidence import Evidence, Held, compare, cropped, mean_figures, shown, stage, typical
from photoreal.view.film import read_poster
from photoreal.view.html import Content, Markup, join, tag
from photoreal.view.orbit import orbit_cameras
from photoreal.view.pictures import ERROR_CEILING, Picture, data_uri, embed, embed_file, heat_colours
from photoreal.view.plan import drawings
from photoreal.view.wording import MISSING, counted, duration, fixed, memory, short, whole

FILM_LIMIT = 8_000_000
"""Bytes; a larger film stays beside the report."""

_UNITS = {"psnr": ("PSNR", 2, "dB"), "ssim": ("SSIM", 3, ""), "lpips": ("LPIPS", 3, "")}


def section(title: str, *content: Content) -> Markup:
    """A titled part of the page; its title can be linked to."""
    name = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=name), tag("div", *content), aria_labelledby=name)


def headline(evidence: Evidence) -> Markup:
    """Title, one sentence, the numbers, then the typical held-out photo under a slider and the film."""
    record = evidence.record
    return tag(
        "header",
        tag("div", "photoreal: a report", class_="kicker"),
        tag("h1", title_of(evidence)),
        tag("p", lead(record, len(evidence.names)), class_="lead"),
        _numbers(evidence),
        tag("div", _slider(evidence), _film(evidence), class_="stagehand"),
    )


def title_of(evidence: Evidence) -> str:
    """What the scene is called: as what was handed in, or else as its folder."""
    return Path(evidence.record.source).name or evidence.folder.resolve().name or "A scene"


def lead(record: RunRecord, cameras: int) -> str:
    """What was made of what, how well and in what time, in two sentences."""
    handed = len(record.photos) + len(record.left_out)
    gaussians = gaussian_count(record)
    made = f"{counted(cameras, 'camera')}" + (f" and {counted(gaussians, 'Gaussian')}" if gaussians else "")
    time = duration(sum(item.seconds for item in record.stages if item.seconds > 0))
    given = counted(handed, "photograph") if handed == cameras else f"{whole(cameras)} of {whole(handed)} photographs"
    told = f"{given} became {made} in {time}."
    psnr = mean_figures(record)["psnr"]
    if fixed(psnr, 1) == MISSING:
        return told
    unseen = counted(len(record.held_out), "photograph")
    return f"{told} On {unseen} that no fit saw, renders reach {fixed(psnr, 1, 'dB')} PSNR."


def gaussian_count(record: RunRecord) -> int:
    """How many Gaussians the splat stage ended with; 0 where unknown."""
    splat = stage(record, "splat")
    curve = splat.curves.get("gaussians", [])
    count = splat.figures.get("gaussians", curve[-1][1] if curve and len(curve[-1]) > 1 else 0.0)
    return int(count) if count == count else 0


def figures_of(figures: dict[str, float]) -> list[tuple[str, str]]:
    """Names and values of PSNR, SSIM and LPIPS as shown; those not measured are left out."""
    named = [(name, fixed(figures[key], digits, unit)) for key, (name, digits, unit) in _UNITS.items()]
    return [(name, value) for name, value in named if value != MISSING]


def _numbers(evidence: Evidence) -> Markup:
    record = evidence.record
    handed = len(record.photos) + len(record.left_out)
    gaussians = gaussian_count(record)
    numbers = [
        ("photos used", whole(len(evidence.names)) + (f" of {whole(handed)}" if record.left_out else "")),
        ("Gaussians", short(gaussians) if gaussians else MISSING),
        *((f"{name}, held out", value) for name, value in figures_of(mean_figures(record))),
        ("time", duration(sum(item.seconds for item in record.stages if item.seconds > 0))),
        ("peak memory", memory(max((item.peak_memory_bytes for item in record.stages), default=0))),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in numbers), class_="figures")


def _slider(evidence: Evidence) -> Content:
    if not evidence.held:
        return None
    try:
        comparison = compare(evidence, typical(evidence.held), 1280, 86)
    except FormatError as error:
        return tag("p", str(error), class_="quiet")
    name = comparison.held.name
    figures = ", ".join(f"{label} {value}" for label, value in figures_of(comparison.held.figures))
    pair = tag(
        "div",
        _image(comparison.render, f"Render of the camera of {name}"),
        _image(comparison.photo, f"Photograph {name}", "over"),
        tag("input", type="range", min="0", max="100", value="50", step="0.5", aria_label="Share of the photograph"),
        tag("span", "photograph", class_="tag left"),
        tag("span", "render", class_="tag right"),
        class_="pair",
    )
    said = f"{name}, which no fit saw" + (f": {figures}" if figures else "")
    caption = tag("figcaption", f"{said}. Of the held-out photographs it is the median one by PSNR.")
    return tag("figure", pair, caption, style=_aspect(comparison.photo))


def _film(evidence: Evidence) -> Content:
    if not evidence.film.is_file():
        return None
    try:
        poster = embed(read_poster(evidence.film), 960)
    except FormatError as error:
        return tag("p", str(error), class_="quiet")
    size = evidence.film.stat().st_size
    if size >= FILM_LIMIT:
        caption = f"First frame of {evidence.film.name} ({memory(size)}), which lies beside this page."
        return tag(
            "figure", _image(poster, "First frame of the film"), tag("figcaption", caption), style=_aspect(poster)
        )
    film = tag(
        "video",
        "This browser does not play H.264 films; the same film lies beside this page as orbit.mp4.",
        src=data_uri(evidence.film.read_bytes(), "video/mp4"),
        poster=poster.uri,
        width=poster.width,
        height=poster.height,
        controls=True,
        loop=True,
        muted=True,
        playsinline=True,
        aria_label="A flight among the cameras, rendered from the Gaussians",
    )
    caption = "A flight among the cameras, rendered from the Gaussians."
    return tag("figure", film, tag("figcaption", caption), style=_aspect(poster))


def photos(evidence: Evidence) -> Markup:
    """Contact sheets of the photos used and of those left out, with the reasons."""
    held = set(evidence.record.held_out)
    height, width = evidence.capture.photos.size
    shape = f"--aspect: {width / height:.3f}"
    used = [_used(evidence, view, held) for view in range(len(evidence.names))]
    told = tag("p", counted(len(used), "photograph"), " in use", _held_words(len(held & set(evidence.names))), ".")
    return section("Photographs", told, tag("ul", *used, class_="sheet", style=shape), _left_out(evidence))


def _held_words(count: int) -> Content:
    if not count:
        return "; none was held out"
    return join(
        "; ", tag("span", f"{whole(count)} marked", class_="mark"), " held out: cameras are known, no fit saw them"
    )


def _used(evidence: Evidence, view: int, held: set[str]) -> Markup:
    name = evidence.names[view]
    source = evidence.capture.photos
    picture = embed(cropped(source.images[view], source.masks[view]), 220, quality=70)
    title = f"{name}, held out" if name in held else name
    label = tag("span", name)
    return tag("li", _image(picture, title), label, title=title, class_="held" if name in held else None)


def _left_out(evidence: Evidence) -> Content:
    """Those whose file can be shown on a sheet, each with its reason; the others by reason."""
    if not evidence.record.left_out:
        return tag("p", "None was left out.", class_="quiet")
    seen: list[Markup] = []
    unseen: dict[str, list[str]] = {}
    for entry in evidence.record.left_out:
        name, reason = entry["name"], entry["reason"]
        try:
            picture = _image(embed_file(_inside(Path(evidence.record.source), name), 200), name)
            seen.append(tag("li", picture, tag("span", tag("b", name), reason)))
        except FormatError:
            unseen.setdefault(reason, []).append(name)
    lists = [tag("div", tag("dt", reason), tag("dd", ", ".join(names))) for reason, names in unseen.items()]
    return join(
        tag("h3", f"{counted(len(evidence.record.left_out), 'photograph')} left out"),
        tag("ul", *seen, class_="sheet out") if seen else None,
        tag("dl", *lists, class_="reasons") if lists else None,
    )


def _inside(source: Path, name: str) -> Path:
    """The file of that name in what was handed in; a name that leads out of it is not followed."""
    home = (source if source.is_dir() else source.parent).resolve()
    try:
        path = (home / name).resolve()
    except (OSError, ValueError) as error:
        raise FormatError(f"{name!r} is no file name: {error}") from error
    if not path.is_relative_to(home) or not path.is_file():
        raise FormatError(f"{home} holds no file {name!r}")
    return path


def cameras(evidence: Evidence) -> Markup:
    """The cameras from above and from the side."""
    path = torch.zeros(0, 3)
    if evidence.film.is_file():
        path = orbit_cameras(evidence.capture.cameras, evidence.points, 120, evidence.capture.cameras.size).centres
    above, side = drawings(evidence.capture.cameras, evidence.points, evidence.names, evidence.record.held_out, path)
    legend = tag(
        "p",
        tag("span", tag("i"), "camera"),
        tag("span", tag("i", class_="held"), "held-out camera") if evidence.record.held_out else None,
        tag("span", tag("i", class_="path"), "path of the film") if len(path) else None,
        tag("span", f"{counted(len(evidence.points), 'point')}; {_unit(evidence)}"),
        class_="legend",
    )
    above, side = (
        tag("figure", drawing, tag("figcaption", caption))
        for drawing, caption in ((above, "From above."), (side, "From the side."))
    )
    return section("Cameras", tag("div", above, side, class_="drawings"), legend)


def _unit(evidence: Evidence) -> str:
    metres = stage(evidence.record, "solve").figures.get("metres_per_unit", math.nan)
    known = f"lengths in world units, of {metres:.3g} m each"
    return known if math.isfinite(metres) else "lengths in world units, which are scale-invariant"


def held_out(evidence: Evidence) -> Markup:
    """Each held-out photo beside its render and where they differ."""
    if not evidence.held:
        return section("Held out", tag("p", "No photograph was held out and rendered, so no quality was measured."))
    chosen = shown(evidence.held)
    words = "Left the photograph, in the middle the render of its camera, right their difference."
    if len(chosen) < len(evidence.held):
        words += f" {len(chosen)} of {len(evidence.held)} are shown, evenly from the worst to the best."
    return section("Held out", tag("p", words), _heat_legend(), *(_trial(evidence, item) for item in chosen))


def _trial(evidence: Evidence, item: Held) -> Markup:
    figures = [tag("span", f"{name} {value}") for name, value in figures_of(item.figures)]
    title = tag("h3", tag("b", item.name), *figures)
    try:
        comparison = compare(evidence, item, 640, 78)
    except FormatError as error:
        return tag("div", title, tag("p", str(error), class_="quiet"), class_="trial")
    trio = [
        tag("figure", _image(picture, f"{what} {item.name}"))
        for picture, what in (
            (comparison.photo, "Photograph"),
            (comparison.render, "Render of the camera of"),
            (comparison.error, "Difference of photograph and render of"),
        )
    ]
    label = f"{item.name}: photograph, render, difference"
    return tag(
        "div",
        title,
        tag("div", *trio, class_="trio", role="group", tabindex="0", aria_label=label, style=_aspect(comparison.photo)),
        class_="trial",
    )


def mesh(evidence: Evidence) -> Content:
    """The mesh seen by the camera of the typical held-out photo, textured and as bare shape; nothing without a mesh."""
    made = stage(evidence.record, "mesh").figures
    if not evidence.held or not made:
        return None
    item = typical(evidence.held)
    home = evidence.folder / "renders" / "mesh"
    try:
        pictures = [embed_file(home / f"{item.name}{kind}.png", 960, quality=82) for kind in ("", ".clay")]
    except FormatError as error:
        return section("Mesh", tag("p", str(error), class_="quiet"))
    found = stage(evidence.record, "render").figures
    told = [f"{name} {value}" for name, value in figures_of({k: found.get(f"mesh_{k}", math.nan) for k in _UNITS})]
    words = f"{counted(int(made.get('faces', 0)), 'triangle')}, {counted(int(made.get('pages', 0)), 'texture page')}"
    words += f" of {whole(int(made.get('page_side', 0)))} texels a side"
    words += f"; on the held-out photographs {', '.join(told)}." if told else "."
    figures = [
        tag("figure", _image(picture, f"{what} {item.name}"))
        for picture, what in zip(pictures, ("Mesh from the camera of", "Shape from the camera of"), strict=True)
    ]
    label = f"{item.name}: textured mesh, its shape"
    return section(
        "Mesh",
        tag("p", f"From the camera of {item.name}, left with its texture, right the shape alone. {words}"),
        tag("div", *figures, class_="trio", role="group", tabindex="0", aria_label=label, style=_aspect(pictures[0])),
    )


def _heat_legend() -> Markup:
    colours = heat_colours()
    stops = [
        tag("stop", offset=f"{100 * index / (len(colours) - 1):.0f}%", stop_color=colour)
        for index, colour in enumerate(colours)
    ]
    bar = tag(
        "svg",
        tag("linearGradient", *stops, id="heat"),
        tag("rect", width="100%", height="100%", fill="url(#heat)"),
        aria_hidden="true",
    )
    most = f"{ERROR_CEILING:g} and more: mean absolute difference of sRGB values in [0, 1]"
    return tag("p", "0", bar, most, class_="heat")


def _image(picture: Picture, description: str, kind: str | None = None) -> Markup:
    return tag(
        "img",
        src=picture.uri,
        width=picture.width,
        height=picture.height,
        alt=description,
        class_=kind,
    )


def _aspect(picture: Picture) -> str:
    return f"--aspect: {picture.width / picture.height:.3f}"
