"""SPZ, the compressed splat format of Niantic Labs, in its version 3: about a tenth of the PLY file, for the web.

The format's axes are right, up, backward; ours are right, down, forward. So y and z change sign on the way out and in,
and with them every harmonic that is odd in y z. Programs that turn PLY files upright turn SPZ files alike.

What remains of a Gaussian, at worst:
- position: within 2^-(bits + 1) world units, where bits is 12 to 20, as many as the furthest Gaussian allows (1.2e-4 to
  4.8e-7). One that is further than 2048 units off along an axis is drawn in towards the origin and shrunk alike;
- standard deviations: within 3.2 %, between e^-10 and e^5.94 world units;
- rotation: within 0.28 degrees;
- opacity: that of the logit's mean over all directions, within 1/510;
- colour: degree 0 within 0.0131 of a coefficient (0.0037 of colour, which reaches from -0.44 to 1.44), higher degrees
  within 1/256 of a coefficient, between -127/128 and 127/128.
"""

import logging
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import FormatError, Gaussians
from photoreal.io.files import atomic_path
from photoreal.io.ply import check_gaussians

_log = logging.getLogger(__name__)

_Y0 = 0.28209479177387814
"""The spherical harmonic of degree 0."""
_HEADER = struct.Struct("<4sIIBBBB")
_MAGIC = b"NGSP"
_IS_ANTIALIASED, _HAS_EXTENSIONS = 1, 2
"""Flags of the header."""
_COLOUR_STEPS = 0.15 * 255
"""Bytes for each unit of a coefficient of degree 0; leaves room for colours outside [0, 1]."""
_WHOLE = (1 << 23) - 1
"""Largest fixed-point coordinate."""
_QUATERNION_STEPS = 511 * math.sqrt(2)
"""Steps for each unit of a component that is not the largest, hence at most 1 / sqrt(2)."""
_MAX_RATIO = 1032
"""No deflate stream grows by more."""
_LEVEL = 1
"""Quantised numbers hardly compress: four times the time of level 1 saves a twentieth of the file."""
_ROWS = 1 << 15
"""Gaussians of one piece of work."""
_FLIPPED = np.array([1, -1, -1], np.float32)
_FLIPPED_HARMONICS = np.array([-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float32)
"""Sign of each harmonic from degree 1 on under y, z -> -y, -z."""

_Floats = NDArray[np.float32]
_Bytes = NDArray[np.uint8]


def write_spz(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians as SPZ version 3, whole or not at all, with the losses that the module's text states.

    Raises:
        FormatError: a Gaussian is not finite or has a zero quaternion.
        SceneError: the disk is full or the place cannot be written.
    """
    parts = gaussians.map(lambda tensor: tensor.detach().cpu().float())
    check_gaussians(path, parts)
    means, log_scales = _drawn_in(_array(parts.means), _array(parts.log_scales))
    bits = _fractional_bits(means)
    harmonics = _array(parts.colour_harmonics)
    degree = math.isqrt(harmonics.shape[1]) - 1
    opacity = torch.sigmoid(parts.opacity_harmonics[:, 0] * _Y0)
    sections = [
        lambda rows: _fixed_point(means[rows] * _FLIPPED, bits),
        lambda rows: _rounded(_array(opacity[rows]) * 255),
        lambda rows: _rounded(harmonics[rows, 0] * _COLOUR_STEPS + 127.5),
        lambda rows: _rounded((log_scales[rows] + 10) * 16),
        lambda rows: _packed_quaternions(_array(parts.quaternions[rows])),
        lambda rows: _higher_harmonics(harmonics[rows, 1:]),
    ]
    head = _HEADER.pack(_MAGIC, 3, len(gaussians), degree, bits, int(gaussians.antialiased) * _IS_ANTIALIASED, 0)
    starts = range(0, len(gaussians), _ROWS)
    pieces = [lambda: head, *(partial(_section, f, slice(i, i + _ROWS)) for f in sections for i in starts)]
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        for piece in _gzipped(pieces):
            file.write(piece)


def _section(numbers: Callable[[slice], _Bytes], rows: slice) -> bytes:
    with np.errstate(over="ignore"):  # what is out of range is clipped; the state is each thread's own
        return numbers(rows).tobytes()


def _gzipped(pieces: list[Callable[[], bytes]]) -> Iterator[bytes]:
    """One gzip member. Pieces are made and deflated by several threads, each ending on a whole byte; what comes out
    depends on their content alone.
    """
    yield b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    check, length = 0, 0
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for content, deflated in threads.map(_deflated, pieces):
            check, length = zlib.crc32(content, check), length + len(content)
            yield deflated
    yield zlib.compressobj(wbits=-15).flush() + struct.pack("<II", check, length % (1 << 32))


def _deflated(piece: Callable[[], bytes]) -> tuple[bytes, bytes]:
    content, compressor = piece(), zlib.compressobj(_LEVEL, wbits=-15)
    return content, compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH)


def read_spz(path: Path) -> Gaussians:
    """The Gaussians of an SPZ file of version 2 or 3 with harmonics of degree 0 to 3.

    Raises:
        FormatError: the file is missing, truncated, damaged, or of another version or degree.
    """
    (count, degree, bits, version, flags), payload = _read_payload(path)
    higher = (degree + 1) ** 2 - 1
    sections: list[_Bytes] = []
    for width in _widths(version, higher):
        sections.append(payload[: count * width].reshape(count, width))
        payload = payload[count * width :]
    positions, alphas, colours, scales, rotations, harmonics = sections
    alpha = np.clip(alphas / np.float32(255), 0.25 / 255, 254.75 / 255)
    base = (colours[:, None] - np.float32(127.5)) / np.float32(_COLOUR_STEPS)
    rest = (harmonics.reshape(count, higher, 3) - np.float32(128)) / 128 * _FLIPPED_HARMONICS[:higher, None]
    quaternions = _smallest_three(rotations) if version == 3 else _first_three(rotations)
    return Gaussians(
        torch.from_numpy(_from_fixed_point(positions, bits) * _FLIPPED),
        torch.from_numpy(quaternions),
        torch.from_numpy(scales / np.float32(16) - 10),
        torch.from_numpy((np.log(alpha / (1 - alpha)) / _Y0).astype(np.float32)),
        torch.from_numpy(np.concatenate([base, rest], axis=1)),
        bool(flags & _IS_ANTIALIASED),
    )


def _widths(version: int, higher: int) -> tuple[int, ...]:
    return 9, 1, 3, 3, 4 if version == 3 else 3, 3 * higher


def _read_payload(path: Path) -> tuple[tuple[int, int, int, int, int], _Bytes]:
    try:
        compressed = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    if compressed.startswith(_MAGIC):
        raise FormatError(
            f"{path} is SPZ version 4 or later, which this program does not read; convert it to PLY first"
        )
    try:
        stream = zlib.decompressobj(wbits=31)
        head = stream.decompress(compressed, _HEADER.size)
        if len(head) < _HEADER.size or not head.startswith(_MAGIC):
            raise FormatError(f"{path} is not an SPZ file")
        header = count, degree, _, version, _ = _checked_header(path, head)
        promised = count * sum(_widths(version, (degree + 1) ** 2 - 1))
        if promised > len(compressed) * _MAX_RATIO:
            raise FormatError(f"{path} promises {count:,} Gaussians in {len(compressed):,} bytes, too few to hold them")
        # A length of 0 would mean no limit.
        payload = stream.decompress(stream.unconsumed_tail, promised) if promised else b""
    except zlib.error as error:
        raise FormatError(f"{path} is damaged or not an SPZ file: {error}") from error
    if len(payload) < promised:
        raise FormatError(
            f"{path} is truncated: {count:,} Gaussians take {promised:,} bytes, it holds {len(payload):,}"
        )
    return header, np.frombuffer(payload, np.uint8)


def _checked_header(path: Path, head: bytes) -> tuple[int, int, int, int, int]:
    """Number of Gaussians, degree, fractional bits, version and flags."""
    _, version, count, degree, bits, flags, _ = _HEADER.unpack(head)
    if version not in (2, 3):
        raise FormatError(f"{path} is SPZ version {version}; this program reads 2 and 3: convert it to PLY first")
    if degree > 3:
        raise FormatError(f"{path} has harmonics of degree {degree}; this program reads 0 to 3")
    if not 1 <= bits <= 24:
        raise FormatError(f"{path} has {bits} fractional bits; 1 to 24 are possible")
    if flags & _HAS_EXTENSIONS:
        _log.warning("%s has extensions, which are passed over", path)
    return count, degree, bits, version, flags


def _drawn_in(means: _Floats, log_scales: _Floats) -> tuple[_Floats, _Floats]:
    """Seen from the origin nothing changes: what lies out of reach comes nearer and shrinks alike."""
    limit = _WHOLE / (1 << 12)
    excess = np.maximum(np.abs(means).max(axis=1, initial=0) / np.float32(limit), 1)[:, None]
    if (excess > 1).any():
        _log.info("%d Gaussians are further than %.0f units off and were drawn in", int((excess > 1).sum()), limit)
    return means / excess, log_scales - np.log(excess)


def _fractional_bits(means: _Floats) -> int:
    furthest = float(np.abs(means).max(initial=1e-6))
    return min(max(math.floor(math.log2(_WHOLE / furthest)), 12), 20)


def _fixed_point(positions: _Floats, bits: int) -> _Bytes:
    scaled = np.rint(positions.astype(np.float64) * (1 << bits))
    whole = np.clip(scaled, -_WHOLE, _WHOLE).astype("<i4")
    return np.ascontiguousarray(whole[..., None].view(np.uint8)[..., :3])


def _from_fixed_point(section: _Bytes, bits: int) -> _Floats:
    whole = np.zeros((*section.shape[:1], 3, 4), np.uint8)
    whole[..., 1:] = section.reshape(len(section), 3, 3)
    # The three bytes lie on top, so that the sign is the word's own.
    return (whole.view("<i4")[..., 0] >> 8).astype(np.float32) / np.float32(1 << bits)


def _packed_quaternions(wxyz: _Floats) -> _Bytes:
    """Index of the largest component (2 bits), then sign and 9 bits of each other one, in the order x y z w."""
    xyzw = np.roll(wxyz, -1, axis=1).astype(np.float64) * [1, -1, -1, 1]
    xyzw /= np.linalg.norm(xyzw, axis=1, keepdims=True)
    largest = np.abs(xyzw).argmax(axis=1)
    xyzw *= np.where(np.take_along_axis(xyzw, largest[:, None], axis=1) < 0, -1, 1)
    steps = np.minimum(np.rint(np.abs(xyzw) * _QUATERNION_STEPS), 511).astype(np.uint32)
    coded = steps | ((xyzw < 0).astype(np.uint32) << np.uint32(9))
    word = largest.astype(np.uint32)
    for axis in range(4):
        word = np.where(largest == axis, word, (word << np.uint32(10)) | coded[:, axis])
    return word.astype("<u4")[:, None].view(np.uint8)


def _higher_harmonics(harmonics: _Floats) -> _Bytes:
    steps = harmonics * (_FLIPPED_HARMONICS[: harmonics.shape[1], None] * np.float32(128))
    steps += 128
    return _rounded(steps)


def _smallest_three(section: _Bytes) -> _Floats:
    word = np.ascontiguousarray(section).view("<u4")[:, 0].astype(np.uint32)
    largest = word >> np.uint32(30)
    xyzw = np.zeros((len(section), 4), np.float32)
    for axis in (3, 2, 1, 0):
        here = largest != axis
        size = (word & np.uint32(511)).astype(np.float32) / np.float32(_QUATERNION_STEPS)
        xyzw[:, axis] = np.where(here, np.where(word & np.uint32(512), -size, size), 0)
        word = np.where(here, word >> np.uint32(10), word)
    rest = np.sqrt(np.maximum(1 - np.square(xyzw).sum(axis=1), 0))
    np.put_along_axis(xyzw, largest[:, None].astype(np.int64), rest[:, None], axis=1)
    return _wxyz(xyzw)


def _first_three(section: _Bytes) -> _Floats:
    xyz = section / np.float32(127.5) - np.float32(1)
    w = np.sqrt(np.maximum(1 - np.square(xyz).sum(axis=1, keepdims=True), 0))
    return _wxyz(np.concatenate([xyz, w], axis=1).astype(np.float32))


def _wxyz(xyzw: _Floats) -> _Floats:
    return np.ascontiguousarray(np.roll(xyzw * np.array([1, -1, -1, 1], np.float32), 1, axis=1))


def _rounded(values: NDArray[Any]) -> _Bytes:
    whole = np.rint(values)
    return np.clip(whole, 0, 255, out=whole).astype(np.uint8)


def _array(tensor: Tensor) -> _Floats:
    return tensor.numpy()
