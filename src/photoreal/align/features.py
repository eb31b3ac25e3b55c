"""SIFT features of photos, written into a COLMAP database."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pycolmap
import torch

from photoreal.align.background import watch
from photoreal.align.project import (
    Project,
    camera_groups,
    file_name,
    group_camera,
    photo_sizes,
    write_camera,
    write_image,
    write_photos,
)
from photoreal.core import Photos

_FINE_SIDE = 1200


@dataclass(frozen=True)
class FeatureConfig:
    """How many SIFT features are found (Lowe 2004)."""

    max_side: int = 1600
    """Photos are searched at this many pixels on their longer side at most."""
    max_features: int = 8192
    """Features kept for one photo, the coarsest first."""
    peak_threshold: float = 0.0067
    """Least contrast of a feature; lower finds more, and less certain, ones."""
    threads: int = 0
    """Processor threads; 0 = all. Their number does not change the result."""


def find_features(
    photos: Photos, folder: Path, config: FeatureConfig = FeatureConfig()
) -> Generator[int, None, Project]:
    """Yield the number of photos done; return a new project in `folder` that holds the photos' cameras and features.

    Features lie only where the mask is True.
    """
    sizes = photo_sizes(photos)
    write_photos(folder, photos, sizes)
    project = Project(folder, tuple(range(1, len(photos) + 1)))
    done = 0
    for group in camera_groups(photos, sizes, sharing="lens"):
        with pycolmap.Database.open(project.database) as database:
            camera_id = write_camera(database, group_camera(photos, sizes, group))
            for index in group:
                write_image(database, index, camera_id)
        longer = min(int(sizes[group[0]].max()), config.max_side)
        job = _Extraction(project, tuple(group), camera_id, _options(config, longer))
        for count in watch(job):
            yield done + count
        done += len(group)
        yield done
    return project


@dataclass(frozen=True)
class _Extraction:
    """Finds the features of photos of one camera, a few at a time so that progress shows."""

    project: Project
    group: tuple[int, ...]
    camera_id: int
    options: pycolmap.FeatureExtractionOptions

    def __call__(self, report: Callable[[], None], token: pycolmap.CancellationToken) -> None:
        reader = pycolmap.ImageReaderOptions()
        reader.existing_camera_id = self.camera_id
        reader.camera_model = "SIMPLE_RADIAL"
        masks = self.project.folder / "masks"
        if any(masks.iterdir()):
            reader.mask_path = str(masks)
        step = 2 * (os.cpu_count() or 1)
        for start in range(0, len(self.group), step):
            if token.is_cancelled:
                return
            few = self.group[start : start + step]
            pycolmap.extract_features(
                self.project.database,
                self.project.images,
                image_names=[file_name(index) for index in few],
                camera_mode=pycolmap.CameraMode.SINGLE,
                reader_options=reader,
                extraction_options=self.options,
                device=pycolmap.Device.cpu,
                cancellation_token=token,
            )
            for _ in few:
                report()


def _options(config: FeatureConfig, longer_side: int) -> pycolmap.FeatureExtractionOptions:
    """Small photos are enlarged twofold first; in large ones those finest features are many, slow and little worth."""
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size = config.max_side
    options.num_threads = config.threads or (os.cpu_count() or 1)
    options.sift.max_num_features = config.max_features
    options.sift.peak_threshold = config.peak_threshold
    options.sift.first_octave = -1 if longer_side < _FINE_SIDE else 0
    return options


def feature_counts(project: Project) -> torch.Tensor:
    """The number of features of each photo."""
    with pycolmap.Database.open(project.database) as database:
        return torch.tensor([database.num_keypoints_for_image(image_id) for image_id in project.image_ids])
