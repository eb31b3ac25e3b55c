"""Images as the network sees them, against what the official code makes of the same pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from photoreal.core import PhotorealError
from photoreal.models.vggt.preparation import network_size, prepare_as_released

OFFICIAL = load_file(Path(__file__).parent / "fixtures" / "vggt_preparation.safetensors")
HEIGHTS = {"640x480": 392, "480x640": 518, "300x500": 518, "1000x250": 126, "518x518": 518, "333x217": 336}


def painted(width: int, height: int, *, cut_out: bool = False) -> Tensor:
    """The pictures that the official code was shown."""
    v, u = np.mgrid[0:height, 0:width].astype(np.float64) / np.array([height, width])[:, None, None]
    red, green = (0.5 + 0.5 * np.sin(2 * np.pi * wave) for wave in (3 * u + v, 4 * u * v))
    channels = [np.floor(255 * c) for c in (red, green, np.abs(u - v))]
    if cut_out:
        channels.append(np.where((u - 0.45) ** 2 / 0.04 + (v - 0.55) ** 2 / 0.09 < 1, 255.0, 0.0))
    return torch.from_numpy(np.stack(channels)).to(torch.uint8)


@pytest.mark.parametrize("name", sorted(name for name in OFFICIAL if not name.startswith("mixed")))
def test_released_modes_agree_with_the_official_code(name: str) -> None:
    measures, channels, mode = name.split("_")
    width, height = map(int, measures.split("x"))
    made = prepare_as_released([painted(width, height, cut_out=channels == "rgba")], mode)
    assert made.shape == (1, 3, HEIGHTS[measures] if mode == "crop" else 518, 518)
    difference = (made[0, :, 3::37, 5::37] - OFFICIAL[name]).abs()
    assert float(difference.mean()) < 0.3 / 255
    assert float(difference.max()) <= 1.01 / 255


def test_images_of_different_shapes_are_padded_to_the_largest() -> None:
    made = prepare_as_released([painted(640, 480), painted(480, 640), painted(300, 500)])
    assert made.shape == (3, 3, 518, 518)
    assert float((made[:, :, 3::37, 5::37] - OFFICIAL["mixed_crop"]).abs().max()) <= 1.01 / 255


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((480, 640), 518, (392, 518)),
        ((640, 480), 518, (518, 392)),
        ((100, 100), 518, (518, 518)),
        ((3000, 4000), 224, (168, 224)),
        ((100, 2000), 518, (56, 518)),
        ((480, 640), 520, (392, 518)),
        ((480, 640), 56, (56, 56)),
    ],
)
def test_the_whole_photo_is_brought_to_sides_that_patches_fill(size, side: int, expected) -> None:
    assert network_size(size, side) == expected


@pytest.mark.parametrize("side", [0, -3, 55])
def test_a_side_without_room_for_patches_is_refused(side: int) -> None:
    with pytest.raises(PhotorealError, match=f"VGGT's images is {side}; it must be at least 56 pixels"):
        network_size((480, 640), side)
