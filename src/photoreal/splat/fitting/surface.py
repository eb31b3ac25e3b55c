"""Losses that draw Gaussians together into surfaces (Huang et al. 2024, 2D Gaussian Splatting, arXiv 2403.17888)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core import Cameras, pixel_rays

COVERED = 0.5
"""A pixel has a normal from depth where it and its four neighbours are covered by more than this."""
FAINT_COVER = 1e-3
"""Pixels covered by less have no depth to speak of."""


def surface_losses(
    sums: Float[Tensor, "5 H W"],
    transmittance: Float[Tensor, "H W"],
    camera: Cameras,
    shown: Bool[Tensor, "H W"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Depth distortion and disagreement of normals, both without unit, averaged over the pixels `shown`.

    `sums` are composited: depth z along the axis, normal in world axes (3), squared z. With weights w_i:

    - distortion: sum_{i,j} w_i w_j (z_i - z_j)^2 / 2 over the squared depth (their eq. 13, squared differences as in
      the code that they published; dividing by the depth, of which no gradient is taken, frees it from units).
    - disagreement: sum_i w_i (1 - n_i . N) alpha, N the normal of the depth map (eq. 14, weighted as in their code:
      no gradient is taken of alpha and of the sum of weights). The four neighbours that N needs may be ones not shown.
    """
    alpha = 1 - transmittance
    depth = sums[0] / alpha.clamp_min(FAINT_COVER)
    spread = alpha * sums[4] - sums[0] ** 2
    there = shown & (alpha > FAINT_COVER)
    by_depth = torch.where(there, 1 / depth.detach().clamp_min(1e-12) ** 2, torch.zeros_like(depth))
    normal, found = depth_normals(depth, alpha > COVERED, camera)
    agreement = (sums[1:4] * normal).sum(0)
    cover = alpha.detach()
    disagreement = torch.where(found & shown, cover * (cover - agreement), torch.zeros_like(cover))
    pixels = shown.sum().clamp_min(1)
    return (spread * by_depth).sum() / pixels, disagreement.sum() / pixels


def depth_normals(
    depth: Float[Tensor, "H W"], covered: Bool[Tensor, "H W"], camera: Cameras
) -> tuple[Float[Tensor, "3 H W"], Bool[Tensor, "H W"]]:
    """Unit normals in world axes of the surface that a depth map is, turned to the camera; and where there are any.

    By central differences of the first camera's points; `covered` says where there is depth.
    """
    points = (pixel_rays(camera)[0] * depth[..., None]).permute(2, 0, 1)
    right, down = points[:, 1:-1, 2:] - points[:, 1:-1, :-2], points[:, 2:, 1:-1] - points[:, :-2, 1:-1]
    inner = torch.nn.functional.normalize(torch.linalg.cross(down, right, dim=0), dim=0, eps=1e-20)
    in_world = torch.einsum("rc,rhw->chw", camera.cam_from_world[0, :3, :3], inner)
    found = covered[1:-1, 1:-1] & covered[1:-1, 2:] & covered[1:-1, :-2] & covered[2:, 1:-1] & covered[:-2, 1:-1]
    around = (1, 1, 1, 1)
    return torch.nn.functional.pad(in_world, around), torch.nn.functional.pad(found, around)
