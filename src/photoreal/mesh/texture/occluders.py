"""Where a photo shows something else than the surface: a passer-by, leaves, a finger before the lens."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core import Cameras, Mesh
from photoreal.mesh.kernels.candidates import LIGHT, blend
from photoreal.mesh.texture.hits import camera_hits, corner_weights
from photoreal.mesh.texture.sightings import Sightings

_SIDE = 240
"""Photos are looked at with this many pixels along the longer side."""
_WINDOW = 0.04
"""Of the longer side: pixels count with their neighbourhood."""
_SHARE = 0.4
"""Where more of a neighbourhood than this differs, something stands there,"""
_KNOWN = 0.1
"""if at least this share of it can be compared."""
_LEAST = 3
"""So many photos make a consensus."""


def without_occluders(
    sightings: Sightings, mesh: Mesh, cameras: Cameras, *, outliers: float, sharpness: float
) -> Sightings:
    """The sightings, each photo a last resort where much of a neighbourhood differs from what the photos agree on.

    A pixel alone may differ because the surface is a little off, or agree by chance, as dark leaves do with dark
    bricks; a region does so only where the photo shows something else. A pixel differs where neither it nor any of its
    eight neighbours is nearer to the consensus of `blend` than `outliers`, in square roots of light.
    """
    trust = sightings.trust.clone()
    for view in range(len(sightings)):
        camera = cameras.take([view])
        scale = min(1.0, _SIDE / max(camera.size))
        small = camera.resized((max(1, round(camera.size[0] * scale)), max(1, round(camera.size[1] * scale))))
        hidden = _regions(*_differences(sightings, view, mesh, small, (outliers, sharpness)))
        if bool(hidden.any()):
            whole = torch.nn.functional.interpolate(hidden[None, None].float(), camera.size, mode="nearest")[0, 0] > 0
            trust[view] = torch.where(whole, trust[view].clamp_max(1), trust[view])
    return sightings.replace(trust=trust)


def _differences(
    sightings: Sightings, view: int, mesh: Mesh, camera: Cameras, consensus: tuple[float, float]
) -> tuple[Bool[Tensor, "H W"], Bool[Tensor, "H W"]]:
    """Where the photo differs from the consensus, and where it can be compared: three photos or more agree there."""
    outliers, sharpness = consensus
    hits = camera_hits(mesh, camera)
    there = hits.face >= 0
    face = hits.face[there].long()
    weights = corner_weights(hits.weights[there])
    places = (mesh.vertices[mesh.faces[face]] * weights[..., None]).sum(1).float()
    light, counts = np.zeros((len(face), 3), np.float32), np.zeros(len(face), np.int32)
    blend(
        places.numpy(), mesh.face_normals[face].float().numpy(), sightings.cameras.numpy(), sightings.centres.numpy(),
        sightings.images.numpy(), sightings.depth.numpy(), sightings.trust.numpy(), sightings.gains.numpy(),
        np.float32(sightings.tolerance), np.float32(sharpness), np.float32(outliers), LIGHT, light, counts,
    )  # fmt: skip
    agreed, compared = torch.zeros(*camera.size, 3), torch.zeros(camera.size, dtype=torch.bool)
    agreed[there] = torch.from_numpy(light).clamp_min(0).sqrt()
    compared[there] = torch.from_numpy(counts) >= _LEAST
    own = torch.from_numpy(LIGHT)[sightings.images[view].long()] * sightings.gains[view]
    trusted = _smaller((sightings.trust[view] > 0).float()[None], camera.size)[0]
    apart = _least_apart(_smaller(own.permute(2, 0, 1), camera.size).sqrt(), agreed.permute(2, 0, 1))
    compared &= trusted == 1
    return (apart > outliers) & compared, compared


def _smaller(image: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    return torch.nn.functional.interpolate(image[None], size, mode="area")[0]


def _least_apart(own: Float[Tensor, "3 H W"], agreed: Float[Tensor, "3 H W"]) -> Float[Tensor, "H W"]:
    """The largest difference of a channel, to the pixel or whichever of its neighbours is nearest."""
    height, width = own.shape[-2:]
    around = torch.nn.functional.pad(own[None], (1, 1, 1, 1), mode="replicate")[0]
    shifted = (around[:, y : y + height, x : x + width] for y in range(3) for x in range(3))
    return torch.stack([(each - agreed).abs().amax(0) for each in shifted]).amin(0)


def _regions(differs: Bool[Tensor, "H W"], compared: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Where much of what can be compared around differs, and the gaps between."""
    reach = max(1, round(0.5 * _WINDOW * max(differs.shape)))
    odd, known = (
        torch.nn.functional.avg_pool2d(values[None, None].float(), 2 * reach + 1, 1, reach)[0, 0]
        for values in (differs, compared)
    )
    found = ((odd > _SHARE * known) & (known > _KNOWN)).float()[None]
    grown = torch.nn.functional.max_pool2d(found, 2 * reach + 1, 1, reach)
    return -torch.nn.functional.max_pool2d(-grown, 2 * reach + 1, 1, reach)[0] > 0
