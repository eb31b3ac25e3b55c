"""VGGT (Wang et al. 2025): cameras, depth, points and features of photographs in one pass of a network."""

from photoreal.models.vggt.geometry.prediction import VggtPrediction
from photoreal.models.vggt.vggt import Vggt, VggtConfig

__all__ = ["Vggt", "VggtConfig", "VggtPrediction"]
