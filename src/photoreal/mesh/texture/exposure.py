"""One exposure for all photos: a gain for each photo and channel, solved jointly."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import Mesh
from photoreal.mesh.kernels.candidates import LIGHT, look
from photoreal.mesh.texture.sightings import Sightings

_SAMPLES = 30_000
_ROUNDS = 10
_PRIOR = 20.0
"""A photo is held to a gain of 1 as if by so many samples."""
_FAR = 0.1
"""Differences of more than this (natural logarithm of light) count less: a shadow, a highlight, a passer-by."""
_DARK, _BRIGHT = 0.01, 0.9
"""Linear light outside of these is too noisy or clipped."""


def solve_gains(sightings: Sightings, mesh: Mesh, *, seed: int = 0) -> Float[Tensor, "V 3"]:
    """Factors that bring the linear light of all photos to one exposure and white balance; their geometric mean is 1.

    They minimise the robust differences, in logarithms, between photos that see the same points of the mesh
    (Goldman 2010 has the model; here without vignetting), with a weak pull towards 1.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(mesh.vertices), generator=generator)[:_SAMPLES]
    points, normals = mesh.vertices[chosen].float().numpy(), mesh.vertex_normals[chosen].float().numpy()
    views = len(sightings)
    colours, qualities = np.zeros((len(points), views, 3), np.float32), np.zeros((len(points), views), np.float32)
    look(
        points, normals, sightings.cameras.numpy(), sightings.centres.numpy(), sightings.images.numpy(),
        sightings.depth.numpy(), sightings.trust.numpy(), np.float32(sightings.tolerance), LIGHT, colours, qualities,
    )  # fmt: skip
    usable = (qualities > 0) & (colours.min(2) > _DARK) & (colours.max(2) < _BRIGHT)
    usable &= usable.sum(1, keepdims=True) >= 2
    logs = np.log(np.where(usable[..., None], colours, 1.0))
    gains = np.stack([_balanced(logs[..., k], usable) for k in range(3)], 1)
    return torch.from_numpy(np.exp(gains).astype(np.float32))


def _balanced(logs: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Offsets of the views by iteratively reweighted least squares; the points' own values are eliminated."""
    views = logs.shape[1]
    offsets, weights = np.zeros(views), usable.astype(np.float64)
    for _ in range(_ROUNDS):
        of_point = np.maximum(weights.sum(1, keepdims=True), 1e-12)
        centred = logs - (weights * logs).sum(1, keepdims=True) / of_point
        shared = weights.T @ (weights / of_point)
        matrix = np.diag(weights.sum(0) + _PRIOR) - shared
        offsets = np.linalg.solve(matrix, -(weights * centred).sum(0))
        shifted = centred + offsets
        shifted -= (weights * shifted).sum(1, keepdims=True) / of_point
        weights = usable * np.minimum(1.0, _FAR / np.maximum(np.abs(shifted), 1e-12))
    return offsets - offsets.mean()
