"""The texture corrected until its renders are the photographs."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Mesh, srgb_from_linear
from photoreal.mesh.kernels.candidates import LIGHT
from photoreal.mesh.kernels.fitting import carry_back
from photoreal.mesh.texture.atlas import Atlas
from photoreal.mesh.texture.hits import camera_hits
from photoreal.mesh.texture.sightings import Sightings

_SOFT = 0.3
"""Residuals (sRGB) count less the nearer they come to this, and not at all beyond: passers-by, highlights."""


def refine(
    pages: Float[Tensor, "P S S 3"],
    atlas: Atlas,
    mesh: Mesh,
    cameras: Cameras,
    sightings: Sightings,
    qualities: Float[Tensor, "F V"],
) -> Iterator[Float[Tensor, "P S S 3"]]:
    """Yield ever better pages (sRGB in [0, 1]); they minimise the robust differences to the photos' pixels.

    Rendering with fixed geometry is linear in the texels (bilinear weights of what each pixel's ray hits), so this is
    the simultaneous iterative reconstruction of tomography (Gilbert 1972; rows of the system sum to 1), reweighted for
    Tukey's loss: what all photos agreed on before stays, however good the one photo that differs. A pixel counts by
    its trust and by the square of its photo's quality for the face beside the best. Few rounds sharpen; many would fit
    what the geometry gets wrong.
    """
    best = qualities.max(1).values.numpy()
    faces, uvs, face_pages = atlas.faces.numpy(), atlas.uvs.numpy(), atlas.face_pages.numpy()
    current = pages.clone()
    while True:
        sums, totals = np.zeros(current.shape, np.float32), np.zeros(current.shape[:3], np.float32)
        for view in range(len(sightings)):
            hits = camera_hits(mesh, cameras.take([view]))
            carry_back(
                current.numpy(), target_of(sightings, view).numpy(), sightings.trust[view].numpy(),
                hits.face.numpy(), hits.weights.numpy(), faces, uvs, face_pages,
                qualities[:, view].contiguous().numpy(), best, np.float32(_SOFT), sums, totals,
            )  # fmt: skip
        step = torch.from_numpy(sums) / (torch.from_numpy(totals) + 0.05)[..., None]
        current = (current + step).clamp(0, 1)
        yield current


def target_of(sightings: Sightings, view: int) -> Float[Tensor, "H W 3"]:
    """A photo at the common exposure, sRGB in [0, 1]."""
    linear = torch.from_numpy(LIGHT)[sightings.images[view].long()] * sightings.gains[view]
    return srgb_from_linear(linear).clamp(0, 1)
