"""PLY files: point clouds, and Gaussians in the layout of Kerbl et al. 2023 that every splat viewer reads.

A header's counts are promises; nothing is allocated before the file has been seen to be large enough to keep them.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import FormatError, Gaussians, Points
from photoreal.io.files import atomic_path

_Y0 = 0.28209479177387814
"""The spherical harmonic of degree 0."""
_OPAQUE = 16.0
"""Logit that stands for the infinite ones of other writers; differs from them in opacity by 1e-7."""
_MAX_HEADER = 1 << 16
_ANTIALIASED = "antialiased"
"""Comment that says so of Gaussians."""
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_PLY_NAMES = {"u1": "uchar", "f4": "float", "f8": "double"}
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_POSITION = ("x", "y", "z")
_NORMAL = ("nx", "ny", "nz")
_COLOUR = ("red", "green", "blue")
_BASE = tuple(f"f_dc_{i}" for i in range(3))
_SCALES = tuple(f"scale_{i}" for i in range(3))
_ROTATION = tuple(f"rot_{i}" for i in range(4))

_Rows = NDArray[Any]


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    fields: tuple[tuple[str, str], ...]
    """Name and type of each property; the type is "list" for a list of any type."""


def write_points(path: Path, points: Points) -> None:
    """Write positions (in their own precision), colours and confidence (float32) as binary PLY, whole or not at all.

    Raises:
        FormatError: a position or confidence is not finite.
        SceneError: the disk is full or the place cannot be written.
    """
    positions = _array(points.positions)
    kind = "f8" if positions.dtype == np.float64 else "f4"
    fields = [(name, kind) for name in _POSITION] + [(name, "u1") for name in _COLOUR] + [("confidence", "f4")]
    rows = np.empty(len(points), np.dtype([(name, "<" + kind) for name, kind in fields]))
    _fill(rows, _POSITION, positions)
    _fill(rows, _COLOUR, _array(points.colours))
    rows["confidence"] = _array(points.confidence)
    _check_rows(
        path, np.logical_and.reduce([np.isfinite(rows[name]) for name in _names(rows)]), "points are not finite"
    )
    with atomic_path(path) as partial, partial.open("wb") as file:
        file.write(_header(fields, len(rows)))
        file.write(rows.data)


def read_points(path: Path) -> Points:
    """The points of a PLY file, ascii or binary of either byte order; the rest of the file is passed over.

    Positions are float64 if the file's are, else float32. Colours that are not there are mid-grey, confidence is 1.

    Raises:
        FormatError: the file is missing, truncated or no PLY, or points are not finite; the text says how many.
    """
    rows, _ = _read_vertices(path)
    _require(path, rows, _POSITION, "points")
    precision = np.float64 if rows.dtype["x"] == np.float64 else np.float32
    known = "confidence" in _names(rows)
    confidence = rows["confidence"].astype(np.float32) if known else np.ones(len(rows), np.float32)
    positions = _columns(rows, _POSITION, precision)
    _check_rows(path, np.isfinite(positions).all(1) & np.isfinite(confidence), "points are not finite")
    return Points(torch.from_numpy(positions), _colours(path, rows), torch.from_numpy(confidence))


def write_gaussians_ply(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians as binary float32 PLY in the layout of Kerbl et al. 2023, whole or not at all.

    All is exact but `opacity`, the logit o_0 * Y_0, which is rounded to float32. Further opacity coefficients become
    the extra properties opacity_1 and on; programs that pass them over see the mean of the logit over all directions.
    That Gaussians are antialiased is a comment in the header.

    Raises:
        FormatError: a Gaussian is not finite or has a zero quaternion.
        SceneError: the disk is full or the place cannot be written.
    """
    gaussians = gaussians.map(lambda tensor: tensor.detach().cpu().float())
    check_gaussians(path, gaussians)
    columns = _gaussian_columns(gaussians)
    width = sum(values.shape[1] for _, values in columns)
    table = np.empty((len(gaussians), width), "<f4")
    start = 0
    for _, values in columns:
        table[:, start : start + values.shape[1]] = values
        start += values.shape[1]
    fields = [(name, "f4") for names, _ in columns for name in names]
    with atomic_path(path) as partial, partial.open("wb") as file:
        file.write(_header(fields, len(table), comments=(_ANTIALIASED,) if gaussians.antialiased else ()))
        file.write(table.data)


def read_gaussians_ply(path: Path) -> Gaussians:
    """The Gaussians of a PLY file in the layout of Kerbl et al. 2023, with harmonics of degree 0 to 3, as float32.

    An infinite opacity, as programs write that convert from 8 bits, becomes a logit of 16 of its sign.

    Raises:
        FormatError: the file is missing, truncated or no PLY, lacks properties, or has Gaussians that are not finite or
            have a zero quaternion; the text says which and how many.
    """
    rows, comments = _read_vertices(path)
    _require(path, rows, (*_POSITION, *_BASE, "opacity", *_SCALES, *_ROTATION), "Gaussians")
    rest = _numbered(path, rows, "f_rest_", 0, {0: 0, 9: 3, 24: 8, 45: 15})
    bands = _numbered(path, rows, "opacity_", 1, {0: 0, 3: 3, 8: 8, 15: 15})
    base = _columns(rows, _BASE, np.float32)[:, None]
    higher = _columns(rows, rest, np.float32).reshape(len(rows), 3, len(rest) // 3).transpose(0, 2, 1)
    logits = np.nan_to_num(_columns(rows, ("opacity",), np.float32), nan=np.nan, posinf=_OPAQUE, neginf=-_OPAQUE)
    mean = (logits.astype(np.float64) / _Y0).astype(np.float32)
    gaussians = Gaussians(
        torch.from_numpy(_columns(rows, _POSITION, np.float32)),
        torch.from_numpy(_columns(rows, _ROTATION, np.float32)),
        torch.from_numpy(_columns(rows, _SCALES, np.float32)),
        torch.from_numpy(np.concatenate([mean, _columns(rows, bands, np.float32)], axis=1)),
        torch.from_numpy(np.concatenate([base, higher], axis=1)),
        _ANTIALIASED in comments,
    )
    check_gaussians(path, gaussians)
    return gaussians


def check_gaussians(path: Path, gaussians: Gaussians) -> None:
    """Afterwards it is sure that all Gaussians are finite and have a direction; `path` is for the text.

    Raises:
        FormatError: some are not; the text says how many.
    """
    parts = (
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.opacity_harmonics,
        gaussians.colour_harmonics.flatten(1),
    )
    # A sum is finite exactly when all are, and is fast; float64 does not overflow from float32.
    if not all(bool(part.sum(dtype=torch.float64).isfinite()) for part in parts):
        finite = torch.stack([part.isfinite().all(1) for part in parts]).all(0)
        _check_rows(path, _array(finite), "Gaussians are not finite")
    _check_rows(path, _array(gaussians.quaternions.count_nonzero(1) > 0), "Gaussians have a zero quaternion")


def _gaussian_columns(gaussians: Gaussians) -> list[tuple[tuple[str, ...], _Rows]]:
    count = len(gaussians)
    higher = _array(gaussians.colour_harmonics[:, 1:].transpose(1, 2)).reshape(count, -1)
    opacity = _array(gaussians.opacity_harmonics)
    logit = opacity[:, :1].astype(np.float64) * _Y0
    return [
        (_POSITION, _array(gaussians.means)),
        (_NORMAL, np.zeros((count, 3), np.float32)),
        (_BASE, _array(gaussians.colour_harmonics[:, 0])),
        (tuple(f"f_rest_{i}" for i in range(higher.shape[1])), higher),
        (("opacity",), logit),
        (_SCALES, _array(gaussians.log_scales)),
        (_ROTATION, _array(gaussians.quaternions)),
        (tuple(f"opacity_{i}" for i in range(1, opacity.shape[1])), opacity[:, 1:]),
    ]


def _header(fields: list[tuple[str, str]], count: int, *, comments: tuple[str, ...] = ()) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in comments)]
    lines += [f"element vertex {count}", *(f"property {_PLY_NAMES[kind]} {name}" for name, kind in fields)]
    return "\n".join([*lines, "end_header", ""]).encode("ascii")


def _read_vertices(path: Path) -> tuple[_Rows, frozenset[str]]:
    """The rows, and the header's comments."""
    try:
        with path.open("rb") as file:
            encoding, elements, comments = _read_header(path, file)
            before = list(itertools.takewhile(lambda element: element.name != "vertex", elements))
            vertex = elements[len(before)]
            if encoding == "ascii":
                return _read_ascii(path, file, before, vertex), comments
            return _read_binary(path, file, _ORDERS[encoding], before, vertex), comments
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error


def _read_header(path: Path, file: BinaryIO) -> tuple[str, list[_Element], frozenset[str]]:
    lines: list[list[str]] = []
    comments: set[str] = set()
    if file.readline(16).strip() != b"ply":
        raise FormatError(f"{path} is not a PLY file: its first line is not 'ply'")
    while not lines or lines[-1] != ["end_header"]:
        line = file.readline(_MAX_HEADER)
        if not line.endswith(b"\n") or file.tell() > _MAX_HEADER:
            raise FormatError(f"{path}: the header has no end_header within {file.tell()} bytes")
        words = line.decode("ascii", errors="replace").split()
        if words[:1] == ["comment"]:
            comments.add(" ".join(words[1:]))
        lines += [words] if words and words[0] not in {"comment", "obj_info"} else []
    first = lines[0]
    if len(first) != 3 or first[0] != "format" or first[1] not in _ORDERS or first[2] != "1.0":
        raise FormatError(f"{path}: unknown format line {' '.join(first)!r}")
    elements = _elements(path, lines[1:-1])
    if [bool(element.fields) for element in elements if element.name == "vertex"] != [True]:
        raise FormatError(f"{path} must have one vertex element with properties")
    return first[1], elements, frozenset(comments)


def _elements(path: Path, lines: list[list[str]]) -> list[_Element]:
    elements: list[_Element] = []
    for words in lines:
        match words:
            case ["element", name, count] if count.isdecimal() and len(count) < 13:
                elements.append(_Element(name, int(count), ()))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1] = _with_field(path, elements[-1], name, _TYPES[kind])
            case ["property", "list", _, _, name] if elements:
                elements[-1] = _with_field(path, elements[-1], name, "list")
            case _:
                raise FormatError(f"{path}: cannot understand the header line {' '.join(words)!r}")
    return elements


def _with_field(path: Path, element: _Element, name: str, kind: str) -> _Element:
    if name in dict(element.fields):
        raise FormatError(f"{path}: property {name} of {element.name} stands twice")
    return _Element(element.name, element.count, (*element.fields, (name, kind)))


def _dtype(path: Path, element: _Element, order: str) -> np.dtype[Any]:
    lists = [name for name, kind in element.fields if kind == "list"]
    if lists:
        raise FormatError(f"{path}: property {lists[0]} of {element.name} is a list, which cannot be passed over")
    return np.dtype([(name, order + kind) for name, kind in element.fields])


def _read_binary(path: Path, file: BinaryIO, order: str, before: list[_Element], vertex: _Element) -> _Rows:
    start = file.tell() + sum(element.count * _dtype(path, element, order).itemsize for element in before)
    dtype = _dtype(path, vertex, order)
    promised, there = vertex.count * dtype.itemsize, max(0, path.stat().st_size - start)
    if promised > there:
        raise FormatError(f"{path} promises {vertex.count:,} rows of {dtype.itemsize} bytes but holds {there:,} bytes")
    file.seek(start)
    return np.fromfile(file, dtype, vertex.count).astype(dtype.newbyteorder("="), copy=False)


def _read_ascii(path: Path, file: BinaryIO, before: list[_Element], vertex: _Element) -> _Rows:
    # Written numbers are at least one character and one separator wide.
    width = len(vertex.fields)
    text = file.read()
    if 2 * vertex.count * width > len(text) + 1:
        raise FormatError(f"{path} promises {vertex.count:,} rows of {width} numbers but holds {len(text):,} bytes")
    skipped = sum(element.count * len(_dtype(path, element, "=").names or ()) for element in before)
    words = text.split()[skipped : skipped + vertex.count * width]
    if len(words) < vertex.count * width:
        raise FormatError(f"{path} promises {vertex.count:,} rows of {width} numbers but holds {len(words):,} numbers")
    try:
        numbers = np.fromiter(map(float, words), np.float64, len(words)).reshape(vertex.count, width)
    except ValueError as error:
        raise FormatError(f"{path} holds a word that is no number: {error}") from error
    rows = np.empty(vertex.count, _dtype(path, vertex, "="))
    with np.errstate(invalid="ignore", over="ignore"):
        _fill(rows, _names(rows), numbers)
    return rows


def _colours(path: Path, rows: _Rows) -> UInt8[Tensor, "N 3"]:
    if not set(_COLOUR) <= set(_names(rows)):
        return torch.full((len(rows), 3), 128, dtype=torch.uint8)
    if any(rows.dtype[name] != np.uint8 for name in _COLOUR):
        raise FormatError(f"{path}: colours must be of type uchar")
    return torch.from_numpy(_columns(rows, _COLOUR, np.uint8))


def _require(path: Path, rows: _Rows, names: tuple[str, ...], what: str) -> None:
    missing = [name for name in names if name not in _names(rows)]
    if missing:
        raise FormatError(f"{path} holds no {what} as we know them: it lacks {', '.join(missing)}")


def _numbered(path: Path, rows: _Rows, prefix: str, first: int, allowed: dict[int, int]) -> tuple[str, ...]:
    present = [name for name in _names(rows) if name.startswith(prefix)]
    names = tuple(f"{prefix}{first + i}" for i in range(len(present)))
    if len(names) not in allowed or set(names) != set(present):
        raise FormatError(f"{path} has {len(names)} properties {prefix}*; that number must be one of {sorted(allowed)}")
    return names


def _names(rows: _Rows) -> tuple[str, ...]:
    return rows.dtype.names or ()


def _columns(rows: _Rows, names: tuple[str, ...], kind: type[np.generic]) -> _Rows:
    if kind == np.float32 and all(field == np.float32 for field, *_ in (rows.dtype.fields or {}).values()):
        # One pass over the rows instead of one for each column.
        order = [_names(rows).index(name) for name in names]
        return rows.view(np.float32).reshape(len(rows), -1).take(order, axis=1)
    table = np.empty((len(rows), len(names)), kind)
    with np.errstate(over="ignore"):
        for i, name in enumerate(names):
            table[:, i] = rows[name]
    return table


def _fill(rows: _Rows, names: tuple[str, ...], table: _Rows) -> None:
    for i, name in enumerate(names):
        rows[name] = table[:, i]


def _check_rows(path: Path, good: _Rows, problem: str) -> None:
    bad = len(good) - int(good.sum())
    if bad:
        raise FormatError(f"{path}: {bad:,} of {len(good):,} {problem}")


def _array(tensor: Tensor) -> _Rows:
    return tensor.detach().cpu().numpy()
