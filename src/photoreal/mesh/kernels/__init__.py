"""Kernels of the mesh room: arrays in, arrays out."""
