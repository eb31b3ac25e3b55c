"""VGGT (Wang et al. 2025): cameras and depth of photographs in one pass of a network."""
