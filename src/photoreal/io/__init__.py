"""Files in and out: photos, videos and datasets become values; a scene becomes a folder that other programs open."""

from photoreal.io.colmap import PosedReading, read_colmap, write_colmap
from photoreal.io.exif import Exif, Place, focal_hint, read_exif
from photoreal.io.files import atomic_folder, atomic_path, clean_partials, locked, read_json, write_json, writing
from photoreal.io.lens import Lens, opencv_lens, undistort
from photoreal.io.meshes.glb import GlbConfig, glb_bytes, write_glb
from photoreal.io.meshes.glb_reading import read_glb
from photoreal.io.meshes.obj import write_obj
from photoreal.io.meshes.pages import write_seen
from photoreal.io.meshes.textured_ply import write_textured_ply
from photoreal.io.meshes.usdz import write_usdz
from photoreal.io.nerfstudio import read_nerfstudio, read_nerfstudio_cameras, write_nerfstudio
from photoreal.io.photos import PhotoReading, ReadConfig, Skipped, read_photos
from photoreal.io.ply import read_gaussians_ply, read_points, write_gaussians_ply, write_points
from photoreal.io.run import ClaimPolicy, LeftOutRecord, RunRecord, StageRecord, claim, read_run, write_run
from photoreal.io.scene import (
    ImageFormat,
    SceneCapture,
    gaussians_path,
    image_names,
    image_paths,
    read_capture,
    read_depths,
    read_gaussians,
    read_tensors,
    write_capture,
    write_depths,
    write_gaussians,
    write_tensors,
)
from photoreal.io.source import SourceKind, detect
from photoreal.io.spz import read_spz, write_spz
from photoreal.io.video import VideoConfig, read_video

__all__ = [
    "ClaimPolicy",
    "Exif",
    "GlbConfig",
    "ImageFormat",
    "LeftOutRecord",
    "Lens",
    "PhotoReading",
    "Place",
    "PosedReading",
    "ReadConfig",
    "RunRecord",
    "SceneCapture",
    "Skipped",
    "SourceKind",
    "StageRecord",
    "VideoConfig",
    "atomic_folder",
    "atomic_path",
    "claim",
    "clean_partials",
    "detect",
    "focal_hint",
    "gaussians_path",
    "glb_bytes",
    "image_names",
    "image_paths",
    "locked",
    "opencv_lens",
    "read_capture",
    "read_colmap",
    "read_depths",
    "read_exif",
    "read_gaussians",
    "read_gaussians_ply",
    "read_glb",
    "read_json",
    "read_nerfstudio",
    "read_nerfstudio_cameras",
    "read_photos",
    "read_points",
    "read_run",
    "read_spz",
    "read_tensors",
    "read_video",
    "undistort",
    "write_capture",
    "write_colmap",
    "write_depths",
    "write_gaussians",
    "write_gaussians_ply",
    "write_glb",
    "write_json",
    "write_nerfstudio",
    "write_obj",
    "write_points",
    "write_run",
    "write_seen",
    "write_spz",
    "write_tensors",
    "write_textured_ply",
    "write_usdz",
    "writing",
]
