"""A reconstruction of COLMAP as the house's values: pinhole capture, points and tracks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from photoreal.align.orient import oriented_from_world
from photoreal.core import Cameras, Capture, Photos, Points, Tracks, transform_points, turned_cameras
from photoreal.io import Lens, undistort


@dataclass(frozen=True)
class _Sightings:
    """Rows of what photos see: which photo, which point, and where in the photo as it was taken."""

    view: Tensor
    point: Tensor
    pixel: Float[Tensor, "K 2"]


def nouns_from_reconstruction(
    reconstruction: pycolmap.Reconstruction, photos: Photos, image_ids: Sequence[int]
) -> tuple[Capture, Points, Tracks]:
    """Undistorted photos with their cameras, the points and their sightings, in the world of `oriented_from_world`.

    Args:
        photos: those of the reconstruction, in the order wanted.
        image_ids: their numbers in it.
    """
    points, tracks = points_from_reconstruction(reconstruction, photos, image_ids)
    images = [reconstruction.image(number) for number in image_ids]
    poses = torch.eye(4, dtype=torch.float64).repeat(len(images), 1, 1)
    poses[:, :3] = torch.from_numpy(np.stack([image.cam_from_world().matrix() for image in images]))
    new_from_world = oriented_from_world(poses, points.positions)
    lenses = [_lens(reconstruction.camera(image.camera_id)) for image in images]
    straight, intrinsics = undistort(photos, lenses)
    cameras = Cameras(turned_cameras(poses, new_from_world).float(), intrinsics.float(), photos.size)
    turned = points.replace(positions=transform_points(new_from_world, points.positions).float())
    return Capture(straight, cameras), turned, tracks


def points_from_reconstruction(
    reconstruction: pycolmap.Reconstruction, photos: Photos, image_ids: Sequence[int]
) -> tuple[Points, Tracks]:
    """The points, float64 in the reconstruction's own world, and their sightings in undistorted photos.

    Args:
        photos: those of the reconstruction, as they were taken, in the order wanted.
        image_ids: their numbers in it.
    """
    point_ids = sorted(reconstruction.point3D_ids())
    positions = np.array([reconstruction.point3D(number).xyz for number in point_ids]).reshape(-1, 3)
    images = [reconstruction.image(number) for number in image_ids]
    sightings = _sightings(images, {number: row for row, number in enumerate(point_ids)})
    points = Points(
        torch.from_numpy(positions),
        _colours(photos, sightings, len(point_ids)),
        torch.bincount(sightings.point, minlength=len(point_ids)).float(),
    )
    return points, _straight_tracks(sightings, [reconstruction.camera(image.camera_id) for image in images])


def _lens(camera: pycolmap.Camera) -> Lens:
    return Lens(camera.model_name, tuple(float(value) for value in camera.params), (camera.height, camera.width))


def _sightings(images: Sequence[pycolmap.Image], row_of_point: dict[int, int]) -> _Sightings:
    """A photo that sees a point twice counts once."""
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for view, image in enumerate(images):
        for sighting in image.get_observation_points2D():
            x, y = sighting.xy
            found.setdefault((view, row_of_point[sighting.point3D_id]), (float(x), float(y)))
    keys = torch.tensor(list(found), dtype=torch.long).reshape(-1, 2)
    pixels = torch.tensor(list(found.values()), dtype=torch.float64).reshape(-1, 2)
    return _Sightings(keys[:, 0], keys[:, 1], pixels)


def _colours(photos: Photos, sightings: _Sightings, count: int) -> UInt8[Tensor, "N 3"]:
    """The mean over the photos that see each point, at the nearest pixel."""
    height, width = photos.size
    x = sightings.pixel[:, 0].long().clamp(0, width - 1)
    y = sightings.pixel[:, 1].long().clamp(0, height - 1)
    seen = photos.images[sightings.view, :, y, x].double()
    total = torch.zeros(count, 3, dtype=torch.float64).index_add(0, sightings.point, seen)
    number = torch.bincount(sightings.point, minlength=count).clamp_min(1)
    return (total / number[:, None]).round().to(torch.uint8)


def _straight_tracks(sightings: _Sightings, cameras: Sequence[pycolmap.Camera]) -> Tracks:
    """Pixels as the pinhole cameras see them."""
    pixels = sightings.pixel.clone()
    for view, camera in enumerate(cameras):
        rows = sightings.view == view
        rays = np.asarray(camera.cam_from_img(np.ascontiguousarray(sightings.pixel[rows].numpy())))
        focal = np.array([camera.focal_length_x, camera.focal_length_y])
        centre = np.array([camera.principal_point_x, camera.principal_point_y])
        pixels[rows] = torch.from_numpy(rays * focal + centre)
    kept = pixels.isfinite().all(1)
    return Tracks(sightings.view[kept], sightings.point[kept], pixels[kept].float())


def parallax(cameras: Cameras, points: Points, tracks: Tracks) -> Float[Tensor, " N"]:
    """For each point the angle in degrees across the rays from the photos that see it, 0 for one that none sees.

    It is twice the largest angle between a ray and the mean of the point's rays.
    """
    rays = points.positions.double()[tracks.point] - cameras.centres.double()[tracks.view]
    rays = torch.nn.functional.normalize(rays, dim=1)
    mean = torch.zeros(len(points), 3, dtype=torch.float64).index_add(0, tracks.point, rays)
    towards = torch.nn.functional.normalize(mean, dim=1)[tracks.point]
    angles = 2 * torch.rad2deg(torch.atan2(torch.linalg.cross(rays, towards).norm(dim=1), (rays * towards).sum(1)))
    widest = np.zeros(len(points))
    np.maximum.at(widest, tracks.point.numpy(), angles.numpy())
    return torch.from_numpy(widest)
