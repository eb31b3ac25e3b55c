"""Markup that no text can break out of, and numbers as readers want them."""

import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoreal.view.html import Markup, escape, join, tag
from photoreal.view.wording import MISSING, counted, duration, fixed, memory, short, whole


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def read(markup: Markup) -> Reader:
    reader = Reader()
    reader.feed(markup.text)
    reader.close()
    return reader


@given(st.text())
def test_any_text_comes_back_as_text(text: str) -> None:
    reader = read(tag("p", text, title=text))
    assert [name for name, _ in reader.elements] == ["p"]
    kept = "".join(c if c >= " " or c in "\n\t" else "\ufffd" for c in text)
    assert reader.said == kept
    assert reader.elements[0][1]["title"] == kept


def test_a_name_that_is_no_unicode_can_be_written() -> None:
    assert escape("caf\udce9.jpg").encode("utf-8") == b"caf?.jpg"


def test_attributes() -> None:
    assert tag("input", type="range", max=1.5, disabled=True, hidden=False, class_=None).text == (
        '<input type="range" max="1.5" disabled>'
    )
    assert tag("svg", aria_label="a", viewBox="0 0 1 1").text == '<svg aria-label="a" viewBox="0 0 1 1"></svg>'


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", join("a<", tag("b", "c"), None)).text == "<p>a&lt;<b>c</b></p>"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (whole(1234567), "1 234 567"),
        (fixed(25.314, 2, "dB"), "25.31 dB"),
        (fixed(math.nan, 2), MISSING),
        (short(12_500), "12.5k"),
        (short(0.07022), "0.0702"),
        (duration(0.44), "0.4 s"),
        (duration(59.7), "1 min 00 s"),
        (duration(3600 + 185), "1 h 03 min"),
        (duration(math.nan), MISSING),
        (memory(1_440_000_000), "1.4 GB"),
        (memory(0), MISSING),
        (counted(1, "photo"), "1 photo"),
        (counted(2, "photo"), "2 photos"),
    ],
)
def test_numbers(said: str, expected: str) -> None:
    assert said.replace("\u202f", " ").replace("\u00a0", " ") == expected
