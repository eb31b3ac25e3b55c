"""Pictures for a page: errors as heat, matches as lines, and all of them small and as data URIs."""

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor

from photoreal.core import FormatError, Matches

ERROR_CEILING = 0.2
"""The mean absolute difference of sRGB values in [0, 1] that has the brightest colour of the error map."""

_HEAT = ((14, 14, 26), (46, 26, 92), (124, 32, 112), (206, 62, 78), (246, 138, 56), (252, 232, 156))
"""Colours at equal steps from no error to the ceiling, of rising lightness."""
_DARKEST_LINE = 0.25
"""The level of heat of a match without confidence: darker lines could not be seen on a dark photo."""


@dataclass(frozen=True)
class Picture:
    """A picture that a page can hold."""

    uri: str
    width: int
    height: int


def embed(pixels: UInt8[Tensor, "C H W"], side: int, *, quality: int = 80) -> Picture:
    """Pixels (sRGB, or sRGB and alpha) scaled down to at most `side` in either direction, as a WebP data URI."""
    return _embedded(Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy()), side, quality)


def embed_file(path: Path, side: int, *, quality: int = 72) -> Picture:
    """An image file upright, in sRGB bytes, scaled down to at most `side`, as a WebP data URI.

    Raises:
        FormatError: the file is not a whole image of sensible size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (2 * side, 2 * side))
                upright = ImageOps.exif_transpose(image)
                return _embedded(upright.convert("RGB"), side, quality)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FormatError(f"{path} is not an image that can be shown: {error}") from error


def read_pixels(path: Path) -> UInt8[Tensor, "3 H W"]:
    """The sRGB pixels of an image file of ours.

    Raises:
        FormatError: the file is not a whole image.
    """
    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()
    except (OSError, ValueError, SyntaxError) as error:
        raise FormatError(f"{path} is not an image that can be read: {error}") from error


def error_map(
    photo: UInt8[Tensor, "3 H W"], render: UInt8[Tensor, "3 H W"], mask: Bool[Tensor, "H W"]
) -> UInt8[Tensor, "4 H W"]:
    """The absolute difference of photo and render, channel mean, as heat colours; transparent off the mask."""
    difference = (photo.float() - render.float()).abs().mean(0) / 255
    opacity = mask.to(torch.uint8) * 255
    return torch.cat([heat(difference / ERROR_CEILING), opacity[None]])


def heat(level: Float[Tensor, "H W"]) -> UInt8[Tensor, "3 H W"]:
    """Levels in [0, 1] as colours from near black over violet and red to pale yellow; what lies outside is clipped."""
    return _heat_table()[:, (level.clamp(0, 1) * 255).round().long()]


def _heat_table() -> UInt8[Tensor, "3 256"]:
    """The stops, linearly interpolated."""
    position = np.linspace(0, len(_HEAT) - 1, 256)
    channels = [np.interp(position, np.arange(len(_HEAT)), channel) for channel in zip(*_HEAT, strict=True)]
    return torch.from_numpy(np.rint(np.stack(channels)).astype(np.uint8))


def heat_colours() -> list[str]:
    """The stops of `heat` as hexadecimal sRGB colours."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in _HEAT]


def pca_colours(features: Float[Tensor, "V C h w"]) -> Float[Tensor, "V 3 h w"]:
    """Descriptors as colours in [0, 1]: red, green and blue are their first three principal components over all views.

    What has alike descriptors has alike colours in every view. Each channel runs from its 1st to its 99th percentile;
    where there is no third component, or none at all, it is grey. Each component's sign is the one that makes its
    largest weight positive, so that the same features always give the same colours.
    """
    views, channels, height, width = features.shape
    cells = features.detach().movedim(1, -1).reshape(-1, channels).double()
    centred = cells - cells.mean(0)
    variances, axes = torch.linalg.eigh(centred.mT @ centred / max(1, len(cells)))
    first = torch.arange(channels - 1, max(-1, channels - 4), -1, device=cells.device)
    axes, variances = axes[:, first], variances[first]
    signs = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    along = centred @ (axes * signs)
    low, high = torch.quantile(along, torch.tensor([0.01, 0.99], dtype=along.dtype, device=along.device), dim=0)
    # Components that hold nothing but rounding are no components.
    real = (variances > 1e-12 * cells.square().mean()) & (high > low)
    colours = torch.where(real, (along - low) / (high - low).clamp_min(1e-300), 0.5).clamp(0, 1)
    padded = torch.nn.functional.pad(colours, (0, 3 - len(first)), value=0.5)
    return padded.reshape(views, height, width, 3).movedim(-1, 1).to(features.dtype)


def match_picture(
    first: UInt8[Tensor, "3 H W"], second: UInt8[Tensor, "3 h w"], matches: Matches, *, most: int = 200
) -> UInt8[Tensor, "3 P Q"]:
    """The photos side by side, the first left, each match a line from violet (no confidence) to pale yellow (all).

    Args:
        most: at most so many matches are drawn, evenly chosen from all; the surest lie on top.
    """
    height, width = max(first.shape[1], second.shape[1]), first.shape[2] + second.shape[2]
    canvas = torch.zeros(3, height, width, dtype=torch.uint8)
    canvas[:, : first.shape[1], : first.shape[2]] = first.cpu()
    canvas[:, : second.shape[1], first.shape[2] :] = second.cpu()
    picture = Image.fromarray(canvas.permute(1, 2, 0).contiguous().numpy())
    _draw(ImageDraw.Draw(picture), _chosen(matches.to("cpu"), most), first.shape[2])
    return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(height, width, 3).permute(2, 0, 1)


def _chosen(matches: Matches, most: int) -> Matches:
    """At most so many of the matches, from the least to the most sure."""
    order = matches.confidence.argsort(stable=True)
    if len(order) > most:
        order = order[torch.linspace(0, len(order) - 1, most).round().long()]
    return matches.map(lambda tensor: tensor[order])


def _draw(draw: ImageDraw.ImageDraw, matches: Matches, shift: int) -> None:
    """The second photo's left side is at column `shift`."""
    colours = heat(_DARKEST_LINE + (1 - _DARKEST_LINE) * matches.confidence[None])[:, 0].T.tolist()
    # The drawing counts pixels from the first one's centre.
    starts, ends = (matches.first - 0.5).tolist(), (matches.second - 0.5 + torch.tensor([shift, 0])).tolist()
    for (x0, y0), (x1, y1), colour in zip(starts, ends, colours, strict=True):
        draw.line((x0, y0, x1, y1), fill=tuple(colour), width=1)
        for x, y in ((x0, y0), (x1, y1)):
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), outline=tuple(colour))


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _embedded(image: Image.Image, side: int, quality: int) -> Picture:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return Picture(data_uri(buffer.getvalue(), "image/webp"), image.width, image.height)
