"""The networks, one file or folder each behind a typed callable, and in `weights` the one door to what they have
learned: nothing here downloads unasked, and what is read is checked before it is opened."""

from photoreal.models.devices import Device, device_named, no_room
from photoreal.models.features.clip import ClipConfig, ClipEncoder
from photoreal.models.features.dino import DinoConfig
from photoreal.models.features.dinov2_saliency import Dinov2SaliencyConfig
from photoreal.models.features.patches import PatchConfig, PatchFeatures, matching_descriptors
from photoreal.models.features.pooled import PooledConfig, PooledEncoder
from photoreal.models.lpips import LpipsAlex
from photoreal.models.matchers.aliked import AlikedConfig
from photoreal.models.matchers.loftr import EfficientLoftrConfig
from photoreal.models.matchers.xfeat import XFeatConfig
from photoreal.models.protocols import FeatureModel, GeometryModel, ImageEncoder, Matcher, PerceptualNetwork
from photoreal.models.vggt.geometry.prediction import VggtPrediction
from photoreal.models.vggt.vggt import Vggt, VggtConfig

__all__ = [
    "AlikedConfig",
    "ClipConfig",
    "ClipEncoder",
    "Device",
    "DinoConfig",
    "Dinov2SaliencyConfig",
    "EfficientLoftrConfig",
    "FeatureModel",
    "GeometryModel",
    "ImageEncoder",
    "LpipsAlex",
    "Matcher",
    "PatchConfig",
    "PatchFeatures",
    "PerceptualNetwork",
    "PooledConfig",
    "PooledEncoder",
    "Vggt",
    "VggtConfig",
    "VggtPrediction",
    "XFeatConfig",
    "device_named",
    "matching_descriptors",
    "no_room",
]
