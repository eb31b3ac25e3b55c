"""`report.html`: one page that tells what a run made, of what, how well and in what time, with all it needs inside."""

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from photoreal.io.files import atomic_path
from photoreal.io.run import RunRecord, StageRecord
from photoreal.view import sections
from photoreal.view.evidence import Evidence, gather
from photoreal.view.html import Content, Markup, tag
from photoreal.view.plots import Curve, hue, line_chart, share_bar
from photoreal.view.wording import MISSING, counted, duration, memory, whole

REPORT_NAME = "report.html"

_STAGE_TITLES = {"read": "Reading", "solve": "Cameras", "splat": "Gaussians", "mesh": "Mesh", "render": "Renders"}
_FIGURE_TITLES = {"psnr": "PSNR", "ssim": "SSIM", "lpips": "LPIPS", "gaussians": "Gaussians"}
_CURVES = {
    "loss": Curve("Loss", (), "log"),
    "held_out_psnr": Curve("Held-out PSNR in dB", ()),
    "gaussians": Curve("Gaussians", ()),
}
_OPENERS = (
    ("gaussians.ply", "the Gaussians, complete", "SuperSplat, Brush, and other viewers of splats in PLY"),
    ("gaussians.spz", "the Gaussians, compressed", "Spark for three.js, and other viewers of SPZ"),
    ("mesh.glb", "the textured mesh", "Blender, any glTF viewer"),
    ("mesh_seen.png", "where on the mesh's texture pages a photograph gave the colour", "any image viewer"),
    ("points.ply", "the points", "MeshLab, CloudCompare, Blender"),
    ("sparse/0", "cameras and points in COLMAP's form; the folder as a whole is a COLMAP dataset",
     "COLMAP, gsplat, OpenSplat, Brush"),
    ("transforms.json", "cameras in nerfstudio's form", "nerfstudio, instant-ngp"),
    ("images", "the photographs, undistorted", "any image viewer"),
    ("renders", "what the cameras would see of the Gaussians and of the mesh", "any image viewer"),
    ("orbit.mp4", "the film", "any video player"),
    ("capture.json", "cameras and names, exactly", "photoreal"),
    ("background.safetensors", "what lies behind the Gaussians", "photoreal"),
    ("run.json", "options, figures and curves of the run", "any text editor"),
)  # fmt: skip


def write_report(folder: Path) -> Path:
    """Afterwards the scene folder holds a `report.html` made from its other files alone; returns its path.

    The page asks for nothing outside itself, and says so to the browser. The same folder gives the same bytes.

    Raises:
        SceneError: the folder holds no scene or cannot be written.
        FormatError: one of its files is broken.
    """
    evidence = gather(folder)
    page = _page(evidence)
    path = folder / REPORT_NAME
    with atomic_path(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def _page(evidence: Evidence) -> str:
    script, style = (files("photoreal.view").joinpath(name).read_text("utf-8") for name in ("report.js", "report.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{sections.title_of(evidence)}: a photoreal report"),
        tag("style", Markup(style)),
    )
    body = tag("body", *_body(evidence), tag("script", Markup(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en').text}\n"


def _body(evidence: Evidence) -> Iterator[Content]:
    yield tag("a", "Skip to the figures", href="#held-out", class_="skip")
    yield sections.headline(evidence)
    yield tag(
        "main",
        sections.held_out(evidence),
        sections.mesh(evidence),
        sections.cameras(evidence),
        _curves(evidence.record),
        _stages(evidence.record),
        sections.photos(evidence),
        _notes(evidence),
        _opening(evidence.folder),
        _options(evidence.record),
    )
    record = evidence.record
    yield tag("footer", f"Made by photoreal {record.version} of {sections.title_of(evidence)}, seed {record.seed}.")


def _curves(record: RunRecord) -> Content:
    known: list[tuple[str, Curve]] = []
    for stage in record.stages:
        for name, rows in stage.curves.items():
            like = _CURVES.get(name, Curve(name.replace("_", " "), ()))
            known.append((name, Curve(like.name, [(row[0], row[1]) for row in rows if len(row) > 1], like.scale)))
    if not known:
        return None
    order = [*_CURVES]
    known.sort(key=lambda item: order.index(item[0]) if item[0] in order else len(order))
    charts = [tag("figure", tag("h3", curve.name), line_chart(curve)) for _, curve in known]
    return sections.section("Curves", tag("div", *charts, class_="charts"))


def _stages(record: RunRecord) -> Markup:
    if not record.stages:
        return sections.section("Stages", tag("p", "No stage is recorded."))
    heads = [tag("th", name, scope="col", class_=kind) for name, kind in (
        ("Stage", None), ("Done by", None), ("Time", "number"), ("Peak memory", "number"), ("Figures", None),
    )]  # fmt: skip
    rows = [_stage_row(index, stage) for index, stage in enumerate(record.stages)]
    total = sum(stage.seconds for stage in record.stages if stage.seconds > 0)
    peak = max(stage.peak_memory_bytes for stage in record.stages)
    foot = tag(
        "tr",
        tag("th", "Together", scope="row"),
        tag("td"),
        tag("td", duration(total), class_="number", data_label="time"),
        tag("td", memory(peak), class_="number", data_label="peak memory"),
        tag("td"),
    )
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), tag("tfoot", foot), class_="stack")
    bar = share_bar([(_stage_title(stage.name), stage.seconds) for stage in record.stages])
    return sections.section("Stages", bar, tag("div", table, class_="scroll", tabindex="0", role="region",
                                               aria_label="Stages"))  # fmt: skip


def _stage_row(index: int, stage: StageRecord) -> Markup:
    swatch = tag(
        "svg", tag("rect", width="100%", height="100%", class_=hue(index)), class_="swatch", aria_hidden="true"
    )
    figures = [
        tag("li", tag("span", _FIGURE_TITLES.get(name, name.replace("_", " ")), " "), _number(value))
        for name, value in sorted(stage.figures.items())
        if "/" not in name
    ]
    return tag(
        "tr",
        tag("th", swatch, _stage_title(stage.name), scope="row"),
        tag("td", stage.model),
        tag("td", duration(stage.seconds), class_="number", data_label="time"),
        tag("td", memory(stage.peak_memory_bytes), class_="number", data_label="peak memory"),
        tag("td", tag("ul", *figures) if figures else None),
    )


def _stage_title(name: str) -> str:
    return _STAGE_TITLES.get(name, name)


def _number(value: float) -> str:
    if value != value:
        return MISSING
    return whole(value) if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def _notes(evidence: Evidence) -> Content:
    notes = [(stage.name, note) for stage in evidence.record.stages for note in stage.notes]
    items = [tag("li", f"{_stage_title(name)}: {note}") for name, note in notes]
    items += [tag("li", warning) for warning in evidence.warnings]
    return sections.section("Notes", tag("ul", *items, class_="notes")) if items else None


def _opening(folder: Path) -> Markup:
    place = shlex.quote(folder.resolve().name)
    commands = (
        (f"photoreal view {place}", "walk through it in the browser: Gaussians, points, cameras with their photos"),
        (f"photoreal render {place}", "make new pictures and films"),
        (f"photoreal export {place} --to spz", "write another format: ply, spz, glb, usdz, obj, mesh-ply, colmap, ..."),
        (f"photoreal eval {place}", "measure it again"),
    )
    lines = [tag("tr", tag("td", tag("code", command)), tag("td", words)) for command, words in commands]
    heads = tag("tr", *(tag("th", name, scope="col") for name in ("File", "Holds", "Opens in")))
    rows = [
        tag("tr", tag("td", tag("code", name)), tag("td", holds), tag("td", opens))
        for name, holds, opens in _OPENERS
        if (folder / name).exists()
    ]
    return sections.section(
        "Going on",
        tag("p", "In the folder that holds ", tag("code", folder.resolve().name), ":"),
        tag("table", tag("tbody", *lines), class_="stack"),
        tag("h3", "Files beside this page", class_="later"),
        tag("table", tag("thead", heads), tag("tbody", *rows), class_="stack"),
    )


def _options(record: RunRecord) -> Markup:
    flat = list(_flattened({"preset": record.preset or MISSING, "seed": record.seed} | record.options))
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", tag("code", value))) for name, value in flat]
    table = tag("table", tag("tbody", *rows))
    return sections.section(
        "Options", tag("details", tag("summary", counted(len(rows), "option"), ", as resolved"), table)
    )


def _flattened(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
