"""Photos of any shape in front of the network, and its maps back over them."""

from collections.abc import Generator

import pytest
import torch
from captures import heard
from torch import Tensor

from photoreal.core import Cameras, Features, Photos, Step, photo_sizes, pixel_rays, project, unproject
from photoreal.models.vggt import Vggt, VggtConfig
from photoreal.models.vggt.geometry.framing import Frame, cameras_over_canvas, frame, framed, over_canvas
from photoreal.models.vggt.network.aggregator import MEAN
from photoreal.models.vggt.pose_encoding import encoding_from_cameras
from photoreal.models.vggt.preparation import network_size
from photoreal.models.vggt.raw import RawPrediction

PATCH = 14
SIZES, CANVAS = [(60, 80), (80, 60), (33, 44)], (80, 80)
"""Photos that lie on their side, stand, and are small."""
GREY = torch.tensor(MEAN)[:, None, None]


def photos_of(sizes: list[tuple[int, int]], canvas: tuple[int, int]) -> Photos:
    """Noise of these heights and widths, each by a lens of its own, in the top left corner of the canvas."""
    images = torch.zeros(len(sizes), 3, *canvas, dtype=torch.uint8)
    masks = torch.zeros(len(sizes), *canvas, dtype=torch.bool)
    for index, (height, width) in enumerate(sizes):
        noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(index))
        images[index, :, :height, :width] = (1 + 254 * noise).to(torch.uint8)
        masks[index, :height, :width] = True
    names = tuple(f"{index}.png" for index in range(len(sizes)))
    return Photos(images, masks, names, torch.zeros(len(sizes)), torch.arange(len(sizes)))


def frame_of(photos: Photos, size: tuple[int, int]) -> Frame:
    return frame(photo_sizes(photos), photos.size, size, PATCH)


def fill(width: int, height: int) -> Tensor:
    """Where on a map of the unit square each cell is: x, then y."""
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


@pytest.mark.parametrize("canvas", [(61, 83), (83, 61), (50, 50)])
def test_a_photo_of_any_usual_shape_fills_its_image(canvas: tuple[int, int]) -> None:
    photos = photos_of([canvas], canvas)
    within = frame_of(photos, network_size(canvas, 70))
    images, shown = framed(photos, within)
    assert within.is_canvas
    assert bool(shown.all())
    torch.testing.assert_close(images[0].mean((1, 2)), photos.images[0].float().mean((1, 2)) / 255, atol=0.02, rtol=0)
    maps = torch.rand(1, 2, *within.size)
    assert over_canvas(maps, within) is maps


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (90, 61)])
def test_what_lies_at_one_share_of_the_photo_lies_there_in_the_image(width: int, height: int) -> None:
    # Colour that grows evenly from 0 to 1 with the pixel's place tells where each pixel came from.
    across, down = 255 * fill(width, height)
    photos = photos_of([(height, width)], (height, width))
    photos = photos.replace(images=torch.stack([across, down, across]).round().to(torch.uint8)[None])
    made = framed(photos, frame_of(photos, network_size((height, width), 280)))[0][0]
    expected = fill(made.shape[2], made.shape[1])
    assert float((made[:2] - expected)[:, 8:-8, 8:-8].abs().max()) < 1.5 / 255


def test_a_photo_much_longer_than_wide_has_a_border() -> None:
    photos = photos_of([(20, 400)], (20, 400))
    within = frame_of(photos, network_size((20, 400), 280))
    assert within.size == (56, 280)
    assert within.places.tolist() == [[21, 0, 14, 280]]
    _, shown = framed(photos, within)
    assert shown.sum() == 14 * 280
    assert bool(over_canvas(shown, within).all())


def test_what_is_masked_looks_like_nothing_and_a_pixel_shows_what_half_of_it_shows() -> None:
    photos = photos_of([(112, 140)], (112, 140))
    photos.masks[0, :57] = False
    within = frame_of(photos, (56, 70))
    images, shown = framed(photos, within)
    torch.testing.assert_close(images[0, :, :26], GREY.expand(3, 26, 70))
    assert float((images[0, :, 30:] - GREY).abs().mean()) > 0.03
    assert not bool(shown[0, :28].any())
    assert bool(shown[0, 28:].all())
    photos.masks[0, 57] = False
    assert not bool(framed(photos, within)[1][0, 28].any())
    changed = photos.replace(images=torch.where(photos.masks[:, None], photos.images, 255 - photos.images))
    torch.testing.assert_close(framed(changed, within)[0], framed(photos, within)[0], rtol=0, atol=0)


def test_photos_of_several_shapes_lie_in_the_middle_and_their_maps_come_back_to_them() -> None:
    photos = photos_of(SIZES, CANVAS)
    within = frame_of(photos, (70, 70))
    assert within.places.tolist() == [[9, 0, 52, 70], [0, 9, 70, 52], [9, 0, 52, 70]]
    images, shown = framed(photos, within)
    # Each image holds, where the photo is, where on the photo that is.
    maps = torch.full((3, 2, 70, 70), -1.0)
    for index, (top, left, height, width) in enumerate(within.places.tolist()):
        assert int(shown[index].sum()) == height * width
        assert bool(shown[index, top : top + height, left : left + width].all())
        assert float((images[index] - GREY)[:, ~shown[index]].abs().max()) == 0
        maps[index, :, top : top + height, left : left + width] = fill(width, height)
    over = over_canvas(maps, within)
    pixels = 80 * fill(70, 70)
    for index, (height, width) in enumerate(SIZES):
        inside = (pixels[0] < width) & (pixels[1] < height)
        assert bool((over[index][:, ~inside] == 0).all())
        told = over[index] * torch.tensor([width, height])[:, None, None]
        assert float((told - pixels)[:, inside].abs().max()) < 1.2 * max(width, height) / 52


def test_cameras_of_images_become_cameras_of_photos() -> None:
    within = frame_of(photos_of(SIZES, CANVAS), (70, 70))
    intrinsics = torch.tensor([[60.0, 0.0, 35.0], [0.0, 60.0, 35.0], [0.0, 0.0, 1.0]]).repeat(3, 1, 1)
    cameras = Cameras(torch.eye(4).repeat(3, 1, 1), intrinsics, (70, 70))
    ours = cameras_over_canvas(cameras, within)
    assert ours.size == CANVAS
    torch.testing.assert_close(ours.intrinsics[:, :2, 2], torch.tensor(SIZES).flip(-1) / 2)
    points = torch.tensor([[0.1, 0.2, 2.0], [-0.5, 0.3, 4.0]])
    before, after = project(cameras, points)[0], project(ours, points)[0]
    for index, (top, left, height, width) in enumerate(within.places.tolist()):
        share = (before[index] - torch.tensor([left, top])) / torch.tensor([width, height])
        torch.testing.assert_close(after[index], share * torch.tensor(SIZES[index]).flip(-1), atol=1e-4, rtol=1e-4)


class Facing:
    """A network that says of any image that it shows a wall across the axis, 5 away, at 60 degrees."""

    patch = PATCH

    def predict(self, images: Tensor) -> Generator[Step, None, RawPrediction]:
        yield Step("looking", 0, len(images))
        count, _, height, width = images.shape
        focal = width / 2 / torch.tan(torch.tensor(30.0).deg2rad())
        intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]).repeat(count, 1, 1)
        cameras = Cameras(torch.eye(4).repeat(count, 1, 1), intrinsics, (height, width))
        sure = torch.full((count, height, width), 2.0)
        cells = torch.zeros(1, count, 2, height // PATCH, width // PATCH)
        points = 5 * pixel_rays(cameras)
        return RawPrediction(
            encoding_from_cameras(cameras), 5 * torch.ones_like(sure), sure, points, sure, Features(cells, (23,))
        )


@pytest.mark.parametrize("at_once", [0, 2])
def test_lying_and_standing_photos_have_their_axes_in_their_own_middles(at_once: int) -> None:
    sizes = torch.tensor([[96, 128], [96, 128], [128, 96]])
    photos = photos_of([(96, 128), (96, 128), (128, 96)], (128, 128))
    model = Vggt(Facing(), VggtConfig(side=112, photos_at_once=at_once, overlap=1), "facing", torch.device("cpu"))
    _, said = heard(model.predict(photos))
    assert said.cameras.size == (128, 128)
    torch.testing.assert_close(said.cameras.intrinsics[:, :2, 2], sizes.flip(-1) / 2, atol=1e-3, rtol=0)
    # At 60 degrees over the whole image, photo and border.
    torch.testing.assert_close(said.cameras.intrinsics[:, 0, 0], torch.full((3,), 64 * 3**0.5), atol=1e-2, rtol=0)
    seen = said.depths.confidence > 0
    assert [int(one.sum()) for one in seen] == [112 * 84] * 3
    points = unproject(said.cameras.resized(said.depths.size), said.depths.depth)
    assert float((points - said.point_map)[seen].norm(dim=-1).max()) < 1e-3
