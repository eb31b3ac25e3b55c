"""Numba kernels of the CPU rasterizer: sixteen-lane arithmetic, projection, binning, compositing.

Kernels take plain arrays and scalars, so they may have more parameters than other functions of the house."""
