"""Photos as a COLMAP project: their own sizes, cameras and files."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from PIL import Image

from photoreal.align.sfm.project import FOCAL_PRIOR, camera_groups, file_name, group_camera, write_photos
from photoreal.core import Photos, photo_sizes


def photos_of(sizes: list[tuple[int, int]], lenses: list[int], hints: list[float] | None = None) -> Photos:
    """Photos of the given heights and widths on their common canvas."""
    generator = torch.Generator().manual_seed(0)
    height, width = (max(side) for side in zip(*sizes, strict=True))
    images = torch.zeros(len(sizes), 3, height, width, dtype=torch.uint8)
    masks = torch.zeros(len(sizes), height, width, dtype=torch.bool)
    for k, (h, w) in enumerate(sizes):
        images[k, :, :h, :w] = torch.randint(1, 255, (3, h, w), generator=generator, dtype=torch.uint8)
        masks[k, :h, :w] = True
    names = tuple(f"p{k}.jpg" for k in range(len(sizes)))
    return Photos(images, masks, names, torch.tensor(hints or [0.0] * len(sizes)), torch.tensor(lenses))


def test_padding_is_not_part_of_a_photo() -> None:
    sizes = [(40, 60), (60, 40), (30, 50)]
    assert photo_sizes(photos_of(sizes, [0, 1, 2])).tolist() == [list(size) for size in sizes]


def test_a_masked_border_is_part_of_a_photo_of_one_lens() -> None:
    photos = photos_of([(40, 60)] * 3, [0, 0, 0])
    photos.masks[:, 25:] = False
    photos.images[:, :, 25:] = 0
    assert photo_sizes(photos).tolist() == [[40, 60]] * 3


def test_a_masked_border_with_a_picture_in_it_is_no_padding() -> None:
    photos = photos_of([(40, 60), (60, 40)], [0, 1])
    photos.masks[:, 25:] = False
    assert photo_sizes(photos).tolist() == [[40, 60], [60, 40]]


def test_cameras_are_shared_as_told() -> None:
    photos = photos_of([(40, 60), (40, 60), (60, 40), (40, 60)], [5, 5, 7, 8])
    sizes = photo_sizes(photos)
    assert camera_groups(photos, sizes, sharing="lens") == [[0, 1], [2], [3]]
    assert camera_groups(photos, sizes, sharing="one") == [[0, 1, 3], [2]]
    assert camera_groups(photos, sizes, sharing="each") == [[0], [1], [2], [3]]


def test_camera_takes_the_hint_or_a_usual_focal_length() -> None:
    photos = photos_of([(40, 60), (40, 60), (60, 40)], [0, 0, 1], [0.0, 55.0, 0.0])
    sizes = photo_sizes(photos)
    known, unknown = group_camera(photos, sizes, [0, 1]), group_camera(photos, sizes, [2])
    assert known.has_prior_focal_length
    assert not unknown.has_prior_focal_length
    assert list(known.params) == pytest.approx([55.0, 30.0, 20.0, 0.0])
    assert list(unknown.params) == pytest.approx([FOCAL_PRIOR * 60, 20.0, 30.0, 0.0])
    assert unknown.camera_id == pycolmap.INVALID_CAMERA_ID


def test_files_have_the_photos_own_size_and_masks_for_all_if_for_any(tmp_path: Path) -> None:
    photos = photos_of([(40, 60), (60, 40)], [0, 1])
    photos.masks[1, :10] = False
    write_photos(tmp_path, photos, photo_sizes(photos))
    for index, size in ((0, (60, 40)), (1, (40, 60))):
        with Image.open(tmp_path / "images" / file_name(index)) as image:
            assert image.size == size
    with Image.open(tmp_path / "masks" / f"{file_name(1)}.png") as image:
        mask = np.array(image)
    assert mask.shape == (60, 40)
    assert not mask[:10].any()
    assert (mask[10:] == 255).all()
    with Image.open(tmp_path / "masks" / f"{file_name(0)}.png") as image:
        assert (np.array(image) == 255).all()
