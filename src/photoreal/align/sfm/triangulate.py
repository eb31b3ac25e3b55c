"""Points of photos whose cameras are known, for datasets that bring none."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pycolmap

from photoreal.align.sfm.background import as_steps, quiet_colmap, watch
from photoreal.align.sfm.nouns import points_from_reconstruction
from photoreal.align.sfm.project import Project
from photoreal.align.sfm.solve import SfmConfig, survey_of
from photoreal.core import Cameras, Capture, Points, Step, Tracks


def triangulate(capture: Capture, config: SfmConfig) -> Generator[Step, None, tuple[Points, Tracks]]:
    """Yield steps; return the points on which matches of the photos meet, in the world of the cameras.

    Matches are verified by the cameras themselves, so few are enough for a pair; the cameras stay as they are. There
    may be no points at all. Works in a temporary folder, which is gone in any case afterwards.
    """
    with TemporaryDirectory(prefix="photoreal-") as folder, quiet_colmap():
        survey = yield from survey_of(capture.photos, Path(folder) / "project", config, sharing="each")
        project = survey.project
        found = _placed(project, capture.cameras)
        if len(capture) > 1:  # COLMAP refuses fewer
            triangulating = watch(_Triangulation(project, found, config))
            found = yield from as_steps("triangulating", 1, triangulating)
        points, tracks = points_from_reconstruction(found, capture.photos, project.image_ids)
    return points.replace(positions=points.positions.float()), tracks


def _placed(project: Project, cameras: Cameras) -> pycolmap.Reconstruction:
    """The photos with their true cameras and no points; the project's cameras become these too."""
    reconstruction = pycolmap.Reconstruction()
    poses = cameras.cam_from_world.double().numpy()
    with pycolmap.Database.open(str(project.database)) as database:
        for row, image_id in enumerate(project.image_ids):
            image = database.read_image(image_id)
            camera = database.read_camera(image.camera_id)
            fx, _, cx, _, fy, cy, *_ = cameras.intrinsics[row].double().flatten().tolist()
            camera.model, camera.params = pycolmap.CameraModelId.PINHOLE, [fx, fy, cx, cy]
            camera.has_prior_focal_length = True
            database.update_camera(camera)
            reconstruction.add_camera_with_trivial_rig(camera)
            pose = pycolmap.Rigid3d(np.ascontiguousarray(poses[row, :3]))
            reconstruction.add_image_with_trivial_frame(image, pose)
    return reconstruction


@dataclass(frozen=True)
class _Triangulation:
    """Finds points of placed photos."""

    project: Project
    placed: pycolmap.Reconstruction
    config: SfmConfig

    def __call__(self, _report: Callable[[], None], token: pycolmap.CancellationToken) -> pycolmap.Reconstruction:
        options = pycolmap.IncrementalPipelineOptions()
        options.extract_colors = False
        options.random_seed = options.triangulation.random_seed = self.config.seed
        options.num_threads = options.mapper.num_threads = self.config.threads or (os.cpu_count() or 1)
        options.triangulation.ignore_two_view_tracks = False
        pycolmap.guided_geometric_verification(self.placed, self.project.database)
        output = self.project.folder / "triangulated"
        output.mkdir()
        return pycolmap.triangulate_points(
            self.placed,
            self.project.database,
            self.project.images,
            output,
            options=options,
            cancellation_token=token,
        )
