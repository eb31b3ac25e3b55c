"""Photos of any shape as images of the one size that the network takes, and its maps back over the photos.

The network believes that a camera's axis goes through the middle of its image. On the canvas that photos of several
sizes share, each lies in the top left corner; so each is moved to the middle of its image, and what the network says
is moved back.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from photoreal.core import Cameras, Photos, Value
from photoreal.models.vggt.network.aggregator import MEAN
from photoreal.models.vggt.preparation import resized


@dataclass(frozen=True)
class Frame(Value):
    """Where V photos lie in images of one size, each of them whole."""

    places: Int64[Tensor, "V 4"]
    """Top, left, height and width of each photo in its image."""
    sizes: Int64[Tensor, "V 2"]
    """Height and width of each photo on the canvas."""
    canvas: tuple[int, int]
    """Height and width of the canvas that the photos share."""
    size: tuple[int, int]
    """Height and width of the images."""

    @property
    def is_canvas(self) -> bool:
        """Whether the images are the canvas, scaled, so that there is nothing to move."""
        whole = self.places.new_tensor([0, 0, *self.size, *self.canvas])
        return bool((torch.cat([self.places, self.sizes], dim=1) == whole).all())


def frame(sizes: Int64[Tensor, "V 2"], canvas: tuple[int, int], size: tuple[int, int], patch: int) -> Frame:
    """Each photo in the middle of its image, as large as can be.

    One whose proportions differ from the image's by less than a patch fills it, slightly stretched; others have a
    border, the same on opposite sides.

    Args:
        sizes: height and width of each photo on the canvas (`core.photo_sizes`).
        canvas: height and width of the canvas.
        size: height and width of the images, multiples of `patch`.
        patch: side of a patch in pixels.
    """
    image = torch.tensor(size)
    scale = (image / sizes).amin(1, keepdim=True)
    extent = (scale * sizes).round().long()
    border = image - extent
    # Opposite borders are alike, so that the middle stays the middle.
    inset = (extent - border % 2).maximum(2 - image % 2)
    extent = torch.where(border < patch, image, inset)
    corner = torch.div(image - extent, 2, rounding_mode="floor")
    return Frame(torch.cat([corner, extent], dim=1), sizes, canvas, size)


def framed(photos: Photos, within: Frame) -> tuple[Float[Tensor, "V 3 h w"], Bool[Tensor, "V h w"]]:
    """The photos as images in [0, 1], and which of their pixels show the scene by half or more.

    What is masked or beside the photo is ImageNet's mean, which is 0 to the network.
    """
    mean = torch.tensor(MEAN, device=photos.images.device)[:, None, None]
    images = mean.repeat(len(photos), 1, *within.size)
    shown = torch.zeros(len(photos), *within.size, dtype=torch.bool, device=mean.device)
    # One by one: as floats, large photos would take four times their memory.
    for row, (place, own) in enumerate(zip(within.places.tolist(), within.sizes.tolist(), strict=True)):
        top, left, height, width = place
        photo = photos.images[row, :, : own[0], : own[1]]
        mask = photos.masks[row, : own[0], : own[1]]
        there = (..., slice(top, top + height), slice(left, left + width))
        images[row][there] = resized(torch.where(mask, photo / 255, mean), (height, width))
        shown[row][there] = torch.nn.functional.adaptive_avg_pool2d(mask[None].float(), (height, width))[0] >= 0.5
    return images, shown


def over_canvas(maps: Shaped[Tensor, "V *inner h w"], within: Frame) -> Shaped[Tensor, "V *inner h w"]:
    """The maps, of any number of cells, over the photos' canvas instead of over the images: at each cell what was said
    nearest to it, and 0 where the canvas holds no photo."""
    if within.is_canvas:
        return maps
    moved = torch.zeros_like(maps)
    for row, (place, own) in enumerate(zip(within.places.tolist(), within.sizes.tolist(), strict=True)):
        down = _sources(maps.shape[-2], (within.canvas[0], own[0]), (place[0], place[2], within.size[0]))
        right = _sources(maps.shape[-1], (within.canvas[1], own[1]), (place[1], place[3], within.size[1]))
        moved[row, ..., : len(down), : len(right)] = maps[row][..., down[:, None], right]
    return moved


def _sources(cells: int, lengths: tuple[int, int], place: tuple[int, int, int]) -> Int64[Tensor, " N"]:
    """For each cell along an axis of the canvas whose centre the photo reaches: the cell of the map that is there.

    Args:
        cells: that the map has along the axis, over the canvas as over the image.
        lengths: of the canvas and of the photo, in pixels.
        place: where in the image the photo begins, how long it is there, and how long the image is.
    """
    centres = (torch.arange(cells) + 0.5) * lengths[0] / cells
    centres = centres[centres < lengths[1]]
    return ((place[0] + centres * place[1] / lengths[1]) * cells / place[2]).long().clamp(0, cells - 1)


def cameras_over_canvas(cameras: Cameras, within: Frame) -> Cameras:
    """Cameras of the images as those of the photos, in pixels of the canvas."""
    corner, extent = (part.flip(-1).to(cameras.intrinsics) for part in (within.places[:, :2], within.places[:, 2:]))
    scale = within.sizes.flip(-1).to(extent) / extent
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, :2, 2] -= corner
    intrinsics[:, :2] *= scale[:, :, None]
    return Cameras(cameras.cam_from_world, intrinsics, within.canvas)
