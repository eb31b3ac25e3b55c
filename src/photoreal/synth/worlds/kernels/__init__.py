"""Numba kernels of the worlds, in plain arrays."""
