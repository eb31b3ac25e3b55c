"""Images as the network sees them, against what the official code makes of the same pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from photoreal.core import PhotorealError, Photos
from photoreal.models.vggt.preparation import network_size, prepare, prepare_as_released, shown

OFFICIAL = load_file(Path(__file__).parent / "fixtures" / "vggt_preparation.safetensors")
HEIGHTS = {"640x480": 392, "480x640": 518, "300x500": 518, "1000x250": 126, "518x518": 518, "333x217": 336}
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]


def painted(width: int, height: int, *, cut_out: bool = False) -> Tensor:
    """The pictures that the official code was shown."""
    v, u = np.mgrid[0:height, 0:width].astype(np.float64) / np.array([height, width])[:, None, None]
    red, green = (0.5 + 0.5 * np.sin(2 * np.pi * wave) for wave in (3 * u + v, 4 * u * v))
    channels = [np.floor(255 * c) for c in (red, green, np.abs(u - v))]
    if cut_out:
        channels.append(np.where((u - 0.45) ** 2 / 0.04 + (v - 0.55) ** 2 / 0.09 < 1, 255.0, 0.0))
    return torch.from_numpy(np.stack(channels)).to(torch.uint8)


def photos_of(images: Tensor, masks: Tensor | None = None) -> Photos:
    count, _, height, width = images.shape
    masks = torch.ones(count, height, width, dtype=torch.bool) if masks is None else masks
    names = tuple(f"{index}.png" for index in range(count))
    return Photos(images, masks, names, torch.zeros(count), torch.zeros(count, dtype=torch.long))


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


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (90, 61)])
def test_what_lies_at_one_share_of_the_photo_lies_there_in_the_image(width: int, height: int) -> None:
    # Colour that grows evenly from 0 to 1 with the pixel's place tells where each pixel came from.
    across = (torch.arange(width) + 0.5) / width * 255
    down = (torch.arange(height) + 0.5) / height * 255
    ramp = torch.stack(
        [across.expand(height, width), down[:, None].expand(height, width), across.expand(height, width)]
    )
    made = prepare(photos_of(ramp.round().to(torch.uint8)[None]), 280)[0]
    h, w = made.shape[1:]
    inner = (slice(8, -8), slice(8, -8))
    expected_x = ((torch.arange(w) + 0.5) / w).expand(h, w)
    expected_y = ((torch.arange(h) + 0.5) / h)[:, None].expand(h, w)
    assert float((made[0] - expected_x)[inner].abs().max()) < 1.5 / 255
    assert float((made[1] - expected_y)[inner].abs().max()) < 1.5 / 255


def test_masked_parts_are_the_mean_and_so_nothing_to_the_network() -> None:
    masks = torch.ones(2, 120, 160, dtype=torch.bool)
    masks[0, :, 80:] = False
    noise = torch.randint(0, 256, (2, 3, 120, 160), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    photos = photos_of(noise, masks)
    made = prepare(photos, 112)
    assert made.shape == (2, 3, 84, 112)
    torch.testing.assert_close(made[0, :, :, 60:], MEAN.expand(3, 84, 52), rtol=0, atol=1e-6)
    assert float((made[1, :, :, 60:] - MEAN).abs().mean()) > 0.03
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    area = shown(photos, (84, 112))
    assert bool((area[0, :, :56] == 1).all())
    assert bool((area[0, :, 56:] == 0).all())
    assert bool((area[1] == 1).all())


def test_a_pixel_that_is_masked_in_part_tells_its_share() -> None:
    masks = torch.ones(1, 112, 112, dtype=torch.bool)
    masks[0, :, 57:] = False
    area = shown(photos_of(torch.zeros(1, 3, 112, 112, dtype=torch.uint8), masks), (56, 56))
    assert float(area[0, 5, 28]) == 0.5
