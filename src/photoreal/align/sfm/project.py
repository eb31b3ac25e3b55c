"""A COLMAP project in a folder: the photos as files, and a database that knows their cameras."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pycolmap
import torch
from jaxtyping import Int64
from PIL import Image
from torch import Tensor

from photoreal.core import Photos, photo_sizes

FOCAL_PRIOR = 1.2
"""Focal length of a lens that says nothing, in longer sides of its photo."""

CameraSharing = Literal["lens", "one", "each"]
"""Which photos share intrinsics: those of one lens, all of one size, or none."""


@dataclass(frozen=True)
class Project:
    """Where the files of a COLMAP project lie and which photo is which image."""

    folder: Path
    image_ids: tuple[int, ...]
    """COLMAP's number of each photo, in the order of the photos."""

    @property
    def database(self) -> Path:
        """The database file."""
        return self.folder / "database.db"

    @property
    def images(self) -> Path:
        """The folder of image files."""
        return self.folder / "images"

    def beside(self, name: str) -> "Project":
        """The same photos with another, empty place for a database."""
        (self.folder / name / "images").mkdir(parents=True)  # COLMAP's mappers ask for it and leave it alone
        return Project(self.folder / name, self.image_ids)


def camera_groups(photos: Photos, sizes: Int64[Tensor, "V 2"], *, sharing: CameraSharing) -> list[list[int]]:
    """The photos that share one camera, as lists of indices."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, ((height, width), lens) in enumerate(zip(sizes.tolist(), photos.lens_ids.tolist(), strict=True)):
        key = {"lens": (lens, height, width), "one": (height, width), "each": (index,)}[sharing]
        groups[key].append(index)
    return list(groups.values())


def group_camera(photos: Photos, sizes: Int64[Tensor, "V 2"], group: Sequence[int]) -> pycolmap.Camera:
    """A camera with one radial distortion, the focal length that EXIF hints at or a usual one, and no number yet."""
    height, width = sizes[group[0]].tolist()
    hints = photos.focal_hints[list(group)]
    known = hints[hints > 0]
    focal = float(known.median()) if len(known) else FOCAL_PRIOR * max(height, width)
    camera = pycolmap.Camera.create_from_model_name(0, "SIMPLE_RADIAL", focal, width, height)
    camera.has_prior_focal_length = len(known) > 0
    camera.camera_id = pycolmap.INVALID_CAMERA_ID
    return camera


def file_name(index: int) -> str:
    """The name of photo number `index` in the project."""
    return f"{index:06d}.png"


def write_photos(folder: Path, photos: Photos, sizes: Int64[Tensor, "V 2"]) -> None:
    """Grey images of the photos' own sizes, and a mask for each if any photo has a masked pixel."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]
    masked = any(
        not bool(mask[:height, :width].all())
        for mask, (height, width) in zip(photos.masks, sizes.tolist(), strict=True)
    )
    for index, (height, width) in enumerate(sizes.tolist()):
        grey = (photos.images[index, :, :height, :width] * weights).sum(0).round()
        _save(folder / "images" / file_name(index), grey.to(torch.uint8))
        if masked:  # COLMAP refuses a photo without a mask where others have one
            mask = photos.masks[index, :height, :width]
            _save(folder / "masks" / f"{file_name(index)}.png", mask.to(torch.uint8) * 255)


def _save(path: Path, grey: Tensor) -> None:
    Image.fromarray(np.ascontiguousarray(grey.numpy())).save(path, compress_level=1)


def write_camera(database: pycolmap.Database, camera: pycolmap.Camera) -> int:
    """The number under which `camera`, with a rig of its own, now stands in the database."""
    camera.camera_id = database.write_camera(camera)
    rig = pycolmap.Rig()
    rig.add_ref_sensor(camera.sensor_id)
    database.write_rig(rig)
    return camera.camera_id


def copied(project: Project, photos: Photos, name: str, *, sharing: CameraSharing) -> Project:
    """A project beside this one of the same photos, without features; the photos share cameras as told."""
    sizes = photo_sizes(photos)
    new = project.beside(name)
    with pycolmap.Database.open(str(new.database)) as database:
        for group in camera_groups(photos, sizes, sharing=sharing):
            camera_id = write_camera(database, group_camera(photos, sizes, group))
            for index in group:
                write_image(database, index, camera_id)
    return new


def regrouped(project: Project, photos: Photos, *, sharing: CameraSharing) -> Project:
    """A project beside this one with the same features and matches, whose photos share cameras as told."""
    new = copied(project, photos, f"sharing-{sharing}", sharing=sharing)
    with pycolmap.Database.open(str(project.database)) as old, pycolmap.Database.open(str(new.database)) as database:
        for image_id in project.image_ids:
            database.write_keypoints(image_id, old.read_keypoints(image_id))
        for pair_id, geometry in zip(*old.read_two_view_geometries(), strict=True):
            first, second = pycolmap.pair_id_to_image_pair(pair_id)
            database.write_two_view_geometry(first, second, geometry)
    return new


def write_image(database: pycolmap.Database, index: int, camera_id: int) -> int:
    """The number under which photo number `index` now stands in the database, taken by a camera of `write_camera`.

    Numbers that COLMAP gives by itself depend on which of its threads is done first, and so does all that follows.
    """
    image = pycolmap.Image(name=file_name(index), camera_id=camera_id, image_id=index + 1)
    database.write_image(image, use_image_id=True)
    frame = pycolmap.Frame()
    frame.rig_id = camera_id  # one rig for each camera, so both are counted alike
    frame.add_data_id(image.data_id)
    database.write_frame(frame)
    return image.image_id
