"""Cameras from photographs: SIFT features, verified matches, and structure from motion that tries again in other ways
when it registers too little; the world it returns is upright, centred and of a usual size."""

from photoreal.align.diagnosis import LeftOut
from photoreal.align.features import FeatureConfig
from photoreal.align.matching import MatchConfig
from photoreal.align.orient import oriented_from_world, turned_cameras, up_direction
from photoreal.align.scale import MetricScale, metric_scale
from photoreal.align.sfm import DRAFT_SFM, STANDARD_SFM, SfmConfig, Solution, SolveStep, solve

__all__ = [
    "DRAFT_SFM",
    "STANDARD_SFM",
    "FeatureConfig",
    "LeftOut",
    "MatchConfig",
    "MetricScale",
    "SfmConfig",
    "Solution",
    "SolveStep",
    "metric_scale",
    "oriented_from_world",
    "solve",
    "turned_cameras",
    "up_direction",
]
