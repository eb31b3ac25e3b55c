"""Numba kernels of multi-view stereo, in plain arrays."""
