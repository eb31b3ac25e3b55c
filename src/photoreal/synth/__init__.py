"""Scenes with known truth: a toy room ray cast in torch for tests, and a believable reading room path traced into a
whole capture (photographs with EXIF, lens distortion and noise; cameras, depths and mesh beside them)."""

from photoreal.synth.toy import ToyScene, toy_scene

__all__ = ["ToyScene", "toy_scene"]
