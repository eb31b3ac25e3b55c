"""SIFT features of photos, written into a COLMAP database."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pycolmap
import torch
from jaxtyping import Int64
from torch import Tensor

from photoreal.align.sfm.background import watch
from photoreal.align.sfm.project import (
    CameraSharing,
    Project,
    camera_groups,
    file_name,
    group_camera,
    write_camera,
    write_image,
    write_photos,
)
from photoreal.core import Photos, photo_sizes

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
    enlarge: Literal["small", "all"] = "small"
    """Which photos are enlarged twofold first: those below 1200 pixels, or all, which finds finer features and takes
    four times as long."""
    threads: int = 0
    """Processor threads; 0 = all. Their number does not change the result."""


def find_features(
    photos: Photos, folder: Path, config: FeatureConfig = FeatureConfig(), *, sharing: CameraSharing = "lens"
) -> Generator[int, None, Project]:
    """Yield the number of photos done; return a new project in `folder` that holds the photos' cameras and features.

    Features lie only where the mask is True. `sharing`: which photos share one camera.
    """
    sizes = photo_sizes(photos)
    write_photos(folder, photos, sizes)
    project = Project(folder, tuple(range(1, len(photos) + 1)))
    with pycolmap.Database.open(str(project.database)) as database:
        for group in camera_groups(photos, sizes, sharing=sharing):
            camera_id = write_camera(database, group_camera(photos, sizes, group))
            for index in group:
                write_image(database, index, camera_id)
        enlarged = (sizes.amax(1).clamp_max(config.max_side) < _FINE_SIDE) | (config.enlarge == "all")
        for rows, first_octave in ((enlarged, -1), (~enlarged, 0)):
            job = _Extraction(project, tuple(rows.nonzero()[:, 0].tolist()), _options(config, first_octave))
            if job.indices:
                yield from watch(job, look=lambda: int((_counts(database, project) > 0).sum()))
    return project


@dataclass(frozen=True)
class _Extraction:
    """Finds the features of some photos."""

    project: Project
    indices: tuple[int, ...]
    options: pycolmap.FeatureExtractionOptions

    def __call__(self, _report: Callable[[], None], token: pycolmap.CancellationToken) -> None:
        reader = pycolmap.ImageReaderOptions()
        masks = self.project.folder / "masks"
        if any(masks.iterdir()):
            reader.mask_path = str(masks)
        pycolmap.extract_features(
            self.project.database,
            self.project.images,
            image_names=[file_name(index) for index in self.indices],
            camera_mode=pycolmap.CameraMode.PER_IMAGE,  # which changes nothing, as each photo has its camera already
            reader_options=reader,
            extraction_options=self.options,
            device=pycolmap.Device.cpu,
            cancellation_token=token,
        )


def _options(config: FeatureConfig, first_octave: int) -> pycolmap.FeatureExtractionOptions:
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size = config.max_side
    options.num_threads = config.threads or (os.cpu_count() or 1)
    options.sift.max_num_features = config.max_features
    options.sift.peak_threshold = config.peak_threshold
    options.sift.first_octave = first_octave
    return options


def feature_counts(project: Project) -> Int64[Tensor, " V"]:
    """The number of features of each photo."""
    with pycolmap.Database.open(str(project.database)) as database:
        return _counts(database, project)


def _counts(database: pycolmap.Database, project: Project) -> Int64[Tensor, " V"]:
    return torch.tensor([database.num_keypoints_for_image(image_id) for image_id in project.image_ids])
