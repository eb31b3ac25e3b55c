"""The networks, one file or folder each behind a typed callable, and the one door to their weights: nothing here
downloads unasked, and what is read is checked before it is opened."""

from photoreal.models.features.clip import ClipConfig, ClipEncoder
from photoreal.models.features.dino import DinoConfig
from photoreal.models.features.dinov2_saliency import Dinov2SaliencyConfig
from photoreal.models.features.patches import PatchConfig, PatchFeatures, matching_descriptors
from photoreal.models.lpips import LpipsAlex
from photoreal.models.matchers.aliked import AlikedConfig
from photoreal.models.matchers.loftr import EfficientLoftrConfig
from photoreal.models.matchers.xfeat import XFeatConfig
from photoreal.models.protocols import FeatureModel, GeometryModel, ImageEncoder, Matcher, PerceptualNetwork
from photoreal.models.vggt.geometry.prediction import VggtPrediction
from photoreal.models.vggt.vggt import Vggt, VggtConfig
from photoreal.models.weights.catalogue import WEIGHTS, HubFiles, PackageFile, Weights
from photoreal.models.weights.pickled import read_arrays
from photoreal.models.weights.sources import command, find, get, locate
from photoreal.models.weights.tensors import load_strictly, read_state

__all__ = [
    "WEIGHTS",
    "AlikedConfig",
    "ClipConfig",
    "ClipEncoder",
    "DinoConfig",
    "Dinov2SaliencyConfig",
    "EfficientLoftrConfig",
    "FeatureModel",
    "GeometryModel",
    "HubFiles",
    "ImageEncoder",
    "LpipsAlex",
    "Matcher",
    "PackageFile",
    "PatchConfig",
    "PatchFeatures",
    "PerceptualNetwork",
    "Vggt",
    "VggtConfig",
    "VggtPrediction",
    "Weights",
    "XFeatConfig",
    "command",
    "find",
    "get",
    "load_strictly",
    "locate",
    "matching_descriptors",
    "read_arrays",
    "read_state",
]
