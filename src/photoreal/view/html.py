"""HTML and SVG markup as values that are safe by construction: text is always escaped, markup never twice."""

import html
from dataclasses import dataclass

_CONTROLS = {code: "\ufffd" for code in range(32) if chr(code) not in "\n\t"}
_VOID = frozenset({"meta", "img", "input", "br", "hr", "wbr"})


@dataclass(frozen=True)
class Markup:
    """Well-formed markup; what is not `Markup` is text and gets escaped where it is put in."""

    text: str


Content = Markup | str | None
"""What an element may hold; None holds nothing."""


Attribute = str | int | float | bool | None
"""The value of an attribute; True makes a bare one, False and None leave it out."""


def escape(text: str) -> str:
    """The text with &, <, > and quotes as entities; what UTF-8 or HTML cannot hold becomes a replacement character."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return html.escape(clean.translate(_CONTROLS), quote=True)


def tag(element: str, *content: Content, **attributes: Attribute) -> Markup:
    """An element around its escaped content.

    In attribute names a trailing underscore is dropped and the others become hyphens (`class_`, `aria_label`).
    """
    opening = element + "".join(_attribute(name, value) for name, value in attributes.items())
    if element in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(*content).text}</{element}>")


def join(*content: Content) -> Markup:
    """The contents one after another, text escaped."""
    return Markup("".join(_safe(item) for item in content))


def _safe(item: Content) -> str:
    if item is None:
        return ""
    return item.text if isinstance(item, Markup) else escape(item)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(_shown(value))}"'


def _shown(value: str | int | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
