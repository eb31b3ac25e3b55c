"""The report: complete, self-contained, safe with any name, and the same for the same folder."""

import base64
import dataclasses
import hashlib
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from conftest import EVIL
from PIL import Image

from photoreal.core import SceneError
from photoreal.io.run import RunRecord, read_run, write_run
from photoreal.view import sections
from photoreal.view.evidence import MOST_COMPARISONS, Held, cropped, shown, typical
from photoreal.view.report import write_report

VOID = {"meta", "img", "input", "br", "hr", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether every element is closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def source_of(folder: Path) -> str:
    return write_report(folder).read_text("utf-8")


def page_of(folder: Path) -> Page:
    return Page(source_of(folder))


def rewrite(folder: Path, **changes: object) -> RunRecord:
    record = dataclasses.replace(read_run(folder), **changes)  # type: ignore[arg-type]
    write_run(folder, record)
    return record


def test_the_page_is_well_formed_and_asks_for_nothing(folder: Path) -> None:
    source = source_of(folder)
    page = Page(source)
    assert page.open == []
    linked = [value for _, found in page.elements for name, value in found.items() if name in {"src", "href", "poster"}]
    assert linked
    assert all(value.startswith(("data:image/webp;", "data:video/mp4;", "#")) for value in linked)
    assert not re.search(r"https?:|url\((?!#heat)|@import", source)


def test_the_browser_is_told_to_ask_for_nothing(folder: Path) -> None:
    source = source_of(folder)
    script = re.search(r"<script>(.*)</script>", source, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = next(meta["content"] for meta in Page(source).named("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_no_name_breaks_out(folder: Path) -> None:
    page = page_of(folder)
    assert len(page.named("script")) == 1
    assert all("src" not in script for script in page.named("script"))
    assert not [found for _, found in page.elements if any(name.startswith("on") for name in found)]
    for name in (EVIL, "../<img src=x>.jpg", "truncated <file>", "2 frames <are> missing", '"<b>"'[1:-1]):
        assert name in page.said


def test_it_tells_what_was_made(folder: Path) -> None:
    said = page_of(folder).said.replace("\u202f", " ").replace("\u00a0", " ")
    for words in (
        "garden & gate",
        "10 of 11 photographs became 10 cameras and 12 345 Gaussians in 3 min 12 s",
        "On 2 photographs that no fit saw, renders reach 24.5 dB PSNR",
        "SIFT, incremental mapping",
        "photoreal view 'a scene'",
        "gaussians.ply",
        "splat.steps",
        "seed 7",
        "900 MB",
    ):
        assert words in said
    assert "nan" not in said.lower()


def test_everything_has_a_name_for_those_who_cannot_see(folder: Path) -> None:
    page = page_of(folder)
    assert all(image["alt"] and image["width"] and image["height"] for image in page.named("img"))
    assert all(graphic.get("aria-label") or graphic.get("aria-hidden") for graphic in page.named("svg"))
    assert all(found["aria-label"] for found in page.named("input") + page.named("video"))
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    headings = {found["id"] for found in page.named("h2")}
    assert {found["aria-labelledby"] for found in page.named("section")} == headings
    targets = {link["href"][1:] for link in page.named("a")}
    assert targets <= set(ids)


def test_the_same_folder_gives_the_same_page(folder: Path) -> None:
    assert source_of(folder) == source_of(folder)


def test_a_large_film_stays_outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "FILM_LIMIT", 10)
    page = page_of(folder)
    assert page.named("video") == []
    assert "lies beside this page" in page.said


def test_a_held_out_photo_without_a_render_is_told(folder: Path) -> None:
    for file in (folder / "renders" / "held_out").iterdir():
        file.unlink()
    said = page_of(folder).said
    assert "was held out and has no render" in said
    assert "no quality was measured" in said


@pytest.mark.parametrize("damage", ["text", "small"])
def test_a_damaged_render_is_told_and_the_rest_is_shown(folder: Path, damage: str) -> None:
    path = folder / "renders" / "held_out" / f"{EVIL}.png"
    if damage == "text":
        path.write_text("no picture")
    else:
        Image.new("RGB", (10, 10)).save(path)
    page = page_of(folder)
    assert ("not an image that can be read" if damage == "text" else "10x10 pixels") in page.said
    assert page.named("video")


def test_a_damaged_film_is_told(folder: Path) -> None:
    (folder / "orbit.mp4").write_bytes(b"no film")
    page = page_of(folder)
    assert page.named("video") == []
    assert "not a film" in page.said


def test_left_out_photos_are_shown_and_names_do_not_lead_out(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    Image.new("RGB", (60, 40), "teal").save(source / "good.jpg")
    Image.new("RGB", (60, 40), "red").save(tmp_path / "secret.jpg")
    (source / "bad.jpg").write_text("no photo")
    names = ("good.jpg", "bad.jpg", "gone.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "nul\0.jpg")
    rewrite(folder, source=str(source), left_out=[{"name": name, "reason": "blurred"} for name in names])
    page = page_of(folder)
    assert {image["alt"] for image in page.named("img")} & set(names) == {"good.jpg"}
    assert f"blurred bad.jpg, gone.jpg, ../secret.jpg, {tmp_path / 'secret.jpg'}, nul\ufffd.jpg" in page.said


def test_a_bare_record_is_enough(folder: Path) -> None:
    (folder / "orbit.mp4").unlink()
    rewrite(folder, stages=[], held_out=[], left_out=[], options={}, preset="", photos=[])
    said = page_of(folder).said
    assert "No stage is recorded" in said
    assert "none was held out" in said


def test_a_folder_without_a_scene(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"run\.json"):
        write_report(tmp_path)


def held(values: list[float]) -> list[Held]:
    return [Held(f"{i}.jpg", i, Path(), {"psnr": v, "ssim": math.nan, "lpips": math.nan}) for i, v in enumerate(values)]


def test_the_typical_photo_neither_flatters_nor_slanders() -> None:
    assert typical(held([30.0, 10.0, 20.0])).name == "2.jpg"
    assert typical(held([30.0, 10.0, 20.0, 25.0])).name == "2.jpg"
    assert typical(held([math.nan])).name == "0.jpg"


def test_of_many_the_worst_and_the_best_are_shown() -> None:
    many = held([float((7 * i) % 40) for i in range(40)])
    found = shown(many)
    assert len(found) == MOST_COMPARISONS
    assert {0.0, 39.0} <= {item.figures["psnr"] for item in found}
    assert [item.view for item in found] == sorted(item.view for item in found)
    assert shown(many[:5]) == tuple(many[:5])


def test_padding_is_cropped_and_cut_outs_are_not() -> None:
    mask = torch.zeros(6, 8, dtype=torch.bool)
    mask[2:4, 3:5] = True
    pixels = torch.arange(48, dtype=torch.uint8).reshape(1, 6, 8)
    assert cropped(pixels, mask).equal(pixels[:, :4, :5])
    assert cropped(pixels, torch.zeros_like(mask)).equal(pixels)
