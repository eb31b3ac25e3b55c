"""Texture pages as pictures, inside mesh files and beside them."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image
from torch import Tensor

from photoreal.core import TexturedMesh
from photoreal.io.files import atomic_path

ImageKind = Literal["jpeg", "png", "webp"]
_MOST_TEXELS = 1 << 28


def encode_page(page: UInt8[Tensor, "3 S S"], kind: ImageKind = "png", quality: int = 95) -> bytes:
    """The bytes of a picture file; PNG is exact, JPEG and WebP keep colours at full resolution as far as they can.

    `quality` is that of JPEG and WebP, 1 to 100.
    """
    buffer = io.BytesIO()
    picture = Image.fromarray(page.permute(1, 2, 0).contiguous().numpy())
    if kind == "jpeg":
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    elif kind == "webp":
        picture.save(buffer, "WEBP", quality=quality, method=4)
    else:
        picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_page(data: memoryview) -> UInt8[Tensor, "3 S S"]:
    """The page of a picture file's bytes.

    Raises:
        ValueError: the picture is not square or is too large.
        OSError: the bytes are no picture.
    """
    with Image.open(io.BytesIO(data)) as picture:
        if picture.width != picture.height or picture.width * picture.height > _MOST_TEXELS:
            raise ValueError(f"a texture page of {picture.width} x {picture.height} texels")
        return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1).contiguous()


def write_seen(path: Path, mesh: TexturedMesh) -> None:
    """Write the pages' seen texels, one below the other, as a black and white PNG.

    Raises:
        SceneError: the disk is full or the place cannot be written.
    """
    with atomic_path(path) as partial:
        Image.fromarray(mesh.seen.reshape(-1, mesh.seen.shape[-1]).numpy()).save(partial, "PNG")


def read_seen(path: Path, shape: tuple[int, int, int]) -> Bool[Tensor, "P S S"]:
    """The seen texels that `write_seen` wrote, for as many pages of such a size as `shape` tells.

    Raises:
        ValueError: the picture has another number of texels.
        OSError: the file cannot be read or is no picture.
    """
    with Image.open(path) as picture:
        values = torch.from_numpy(np.asarray(picture.convert("1")).copy())
    if values.numel() != shape[0] * shape[1] * shape[2]:
        raise ValueError(f"{path} has {values.numel():,} texels instead of {shape[0] * shape[1] * shape[2]:,}")
    return values.reshape(shape)
