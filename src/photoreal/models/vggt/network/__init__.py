"""VGGT's network (Wang et al. 2025) in plain PyTorch, with the parameters of the published checkpoint; it works on
tokens in place and by parts, and keeps only what its heads read."""

from photoreal.models.vggt.network.shape import VggtShape
from photoreal.models.vggt.network.vggt_network import VggtNetwork

__all__ = ["VggtNetwork", "VggtShape"]
