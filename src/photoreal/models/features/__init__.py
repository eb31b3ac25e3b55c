"""What networks see in images: maps of descriptors by DINOv2 and DINOv3, and one vector for an image by CLIP; each
says by its name whether its weights are embedded or real."""

from photoreal.models.features.clip import ClipConfig, ClipEncoder
from photoreal.models.features.dino import DinoConfig
from photoreal.models.features.dinov2_saliency import Dinov2SaliencyConfig
from photoreal.models.features.patches import PatchConfig, PatchFeatures, matching_descriptors

__all__ = [
    "ClipConfig",
    "ClipEncoder",
    "DinoConfig",
    "Dinov2SaliencyConfig",
    "PatchConfig",
    "PatchFeatures",
    "matching_descriptors",
]
