"""Cameras from photographs: SIFT features and those of networks, verified matches, and structure from motion that tries
again in other ways when it registers too little; the world it returns is upright, centred and of a usual size. And
depth of photos whose cameras are known, by comparing them."""

from photoreal.align.dense.fusion import fused_points
from photoreal.align.dense.patchmatch import DenseConfig, DenseGeometry, dense_geometry
from photoreal.align.orient import oriented_from_world, up_direction
from photoreal.align.scale import MetricScale, metric_scale
from photoreal.align.settle import settled
from photoreal.align.sfm.diagnosis import LeftOut
from photoreal.align.sfm.features import FeatureConfig
from photoreal.align.sfm.learned import MatcherName, NetworkConfig
from photoreal.align.sfm.matching import MatchConfig
from photoreal.align.sfm.solve import DRAFT_SFM, STANDARD_SFM, SfmConfig, Solution, solve
from photoreal.align.sfm.triangulate import triangulate

__all__ = [
    "DRAFT_SFM",
    "STANDARD_SFM",
    "DenseConfig",
    "DenseGeometry",
    "FeatureConfig",
    "LeftOut",
    "MatchConfig",
    "MatcherName",
    "MetricScale",
    "NetworkConfig",
    "SfmConfig",
    "Solution",
    "dense_geometry",
    "fused_points",
    "metric_scale",
    "oriented_from_world",
    "settled",
    "solve",
    "triangulate",
    "up_direction",
]
