"""The nouns of the house, frozen values of tensors, and the conventions they obey: OpenCV axes, `target_from_source`
names, pixels whose first centre is (0.5, 0.5), wxyz quaternions, sRGB bytes for images."""

from photoreal.core.cameras import Cameras, pixel_rays, project, unproject, world_rays
from photoreal.core.colour import bytes_from_unit, linear_from_srgb, srgb_from_linear, unit_from_bytes
from photoreal.core.dependencies import require
from photoreal.core.errors import (
    AlignmentError,
    CaptureError,
    FormatError,
    MissingDependencyError,
    MissingWeightsError,
    PhotorealError,
    SceneError,
)
from photoreal.core.gaussians import Gaussians, join
from photoreal.core.maps import Depths, Features, Gauge, Geometry
from photoreal.core.meshes import Mesh, TexturedMesh
from photoreal.core.photos import Capture, Photos, photo_sizes
from photoreal.core.points import Matches, Points, Tracks
from photoreal.core.steps import Step, drained
from photoreal.core.transforms import (
    fit_similarity,
    invert_rigid,
    look_at,
    matrix_from_quaternion,
    quaternion_from_matrix,
    rigid,
    rotation_from_vector,
    similarity_scale,
    skew,
    transform_points,
    turned_cameras,
)
from photoreal.core.value import Value

__all__ = [
    "AlignmentError",
    "Cameras",
    "Capture",
    "CaptureError",
    "Depths",
    "Features",
    "FormatError",
    "Gauge",
    "Gaussians",
    "Geometry",
    "Matches",
    "Mesh",
    "MissingDependencyError",
    "MissingWeightsError",
    "PhotorealError",
    "Photos",
    "Points",
    "SceneError",
    "Step",
    "TexturedMesh",
    "Tracks",
    "Value",
    "bytes_from_unit",
    "drained",
    "fit_similarity",
    "invert_rigid",
    "join",
    "linear_from_srgb",
    "look_at",
    "matrix_from_quaternion",
    "photo_sizes",
    "pixel_rays",
    "project",
    "quaternion_from_matrix",
    "require",
    "rigid",
    "rotation_from_vector",
    "similarity_scale",
    "skew",
    "srgb_from_linear",
    "transform_points",
    "turned_cameras",
    "unit_from_bytes",
    "unproject",
    "world_rays",
]
