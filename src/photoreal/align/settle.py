"""A geometry model's world, turned upright, and points of its depths."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from photoreal.align.orient import oriented_from_world
from photoreal.core import (
    AlignmentError,
    Cameras,
    Depths,
    Geometry,
    Points,
    rigid,
    similarity_scale,
    transform_points,
    turned_cameras,
    unproject,
)


def settled(geometry: Geometry, *, points: int, seed: int = 0) -> tuple[Geometry, Points]:
    """The geometry in the world of `oriented_from_world`, whose length is kept if it is metric, and points of it.

    The points are drawn at random from the surer half of all pixels with a finite depth; each has the colour of its
    pixel and that pixel's confidence.

    Raises:
        AlignmentError: no pixel has a depth.
    """
    cameras, depths = geometry.capture.cameras, geometry.depths
    cloud = _drawn(geometry, points, seed)
    if not len(cloud):
        raise AlignmentError(f"{geometry.model} found no depth in any of {len(geometry)} photos; are they masked?")
    new_from_world = oriented_from_world(cameras.cam_from_world, cloud.positions)
    scale = similarity_scale(new_from_world)
    if geometry.gauge == "metric":
        new_from_world = rigid(new_from_world[:3, :3] / scale, new_from_world[:3, 3] / scale)
        scale = 1.0
    poses = turned_cameras(cameras.cam_from_world.double(), new_from_world).float()
    turned = Cameras(poses, cameras.intrinsics.float(), cameras.size)
    stretched = Depths(depths.depth * float(scale), depths.confidence)
    positions = transform_points(new_from_world, cloud.positions.double()).float()
    capture = geometry.capture.replace(cameras=turned)
    return geometry.replace(capture=capture, depths=stretched), cloud.replace(positions=positions)


def _drawn(geometry: Geometry, count: int, seed: int) -> Points:
    depths, photos = geometry.depths, geometry.capture.photos
    cameras = geometry.capture.cameras.resized(depths.size)
    # One by one: as floats, all photos would take four times their memory.
    colours = torch.stack([_shrunk(image, depths.size).round().to(torch.uint8) for image in photos.images])
    covered = torch.stack([_shrunk(mask[None], depths.size)[0] == 1 for mask in photos.masks])
    known = depths.known & covered
    if not bool(known.any()):
        return Points(torch.empty(0, 3), torch.empty(0, 3, dtype=torch.uint8), torch.empty(0))
    sure = known & (depths.confidence >= depths.confidence[known].median())
    rows = sure.flatten().nonzero()[:, 0]
    chosen = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:count]]
    positions = unproject(cameras, torch.where(known, depths.depth, torch.ones(()))).reshape(-1, 3)[chosen]
    return Points(positions, colours.permute(0, 2, 3, 1).reshape(-1, 3)[chosen], depths.confidence.flatten()[chosen])


def _shrunk(image: Shaped[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    return torch.nn.functional.interpolate(image[None].float(), size=size, mode="area")[0]
