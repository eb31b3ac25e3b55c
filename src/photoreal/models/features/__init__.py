"""What networks see in images: maps of descriptors by DINOv2 and DINOv3, and one vector for an image by CLIP or out of
its map; each says by its name whether its weights are embedded or real."""

from photoreal.models.features.clip import ClipConfig, ClipEncoder
from photoreal.models.features.dino import DinoConfig
from photoreal.models.features.dinov2_saliency import Dinov2SaliencyConfig
from photoreal.models.features.patches import PatchConfig, PatchFeatures, matching_descriptors
from photoreal.models.features.pooled import PooledConfig, PooledEncoder

__all__ = [
    "ClipConfig",
    "ClipEncoder",
    "DinoConfig",
    "Dinov2SaliencyConfig",
    "PatchConfig",
    "PatchFeatures",
    "PooledConfig",
    "PooledEncoder",
    "matching_descriptors",
]
