"""Scenes with known truth: a toy room ray cast in torch for tests, and a believable reading room path traced into a
whole capture (photographs with EXIF, lens distortion and noise; cameras, depths and mesh beside them)."""

from photoreal.synth.camera_path import Lens, Walk, between_poses, distort, phone_lens, pinhole, undistort, walk_poses
from photoreal.synth.capture import CaptureConfig, RenderStep, render_capture
from photoreal.synth.toy import ToyGeometry, ToyScene, toy_scene
from photoreal.synth.truth import read_depths

__all__ = [
    "CaptureConfig",
    "Lens",
    "RenderStep",
    "ToyGeometry",
    "ToyScene",
    "Walk",
    "between_poses",
    "distort",
    "phone_lens",
    "pinhole",
    "read_depths",
    "render_capture",
    "toy_scene",
    "undistort",
    "walk_poses",
]
