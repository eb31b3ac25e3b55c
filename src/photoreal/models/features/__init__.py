"""What networks see in images: maps of descriptors by DINOv2 and DINOv3, and one vector for an image by CLIP; each
says by its name whether its weights are embedded or real."""

from photoreal.models.features.clip import ClipEncoder, ClipImage
from photoreal.models.features.dino import Dino
from photoreal.models.features.dinov2_saliency import Dinov2Saliency
from photoreal.models.features.patches import PatchConfig, PatchFeatures, matching_descriptors

__all__ = [
    "ClipEncoder",
    "ClipImage",
    "Dino",
    "Dinov2Saliency",
    "PatchConfig",
    "PatchFeatures",
    "matching_descriptors",
]
