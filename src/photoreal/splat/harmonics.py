"""Real spherical harmonics up to degree 3, in the order and signs of Kerbl et al. 2023 (with Condon-Shortley phase)."""

import torch
from jaxtyping import Float
from torch import Tensor

Y_0 = 0.28209479177387814
"""The constant harmonic, 1 / (2 sqrt(pi))."""
Y_1 = 0.4886025119029199
Y_2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)
Y_3 = (
    -0.5900435899266435,
    2.890611442640554,
    -0.4570457994644658,
    0.3731763325901154,
    -0.4570457994644658,
    1.445305721320277,
    -0.5900435899266435,
)


def harmonic_basis(directions: Float[Tensor, "*batch 3"], count: int) -> Float[Tensor, "*batch {count}"]:
    """Y_0 ... Y_{count-1} of unit directions; `count` is 1, 4, 9 or 16."""
    x, y, z = directions.unbind(-1)
    basis = [torch.full_like(x, Y_0)]
    if count > 1:
        basis += [-Y_1 * y, Y_1 * z, -Y_1 * x]
    xx, yy, zz = x * x, y * y, z * z
    if count > 4:
        a, b, c, d, e = Y_2
        basis += [a * x * y, b * y * z, c * (2 * zz - xx - yy), d * x * z, e * (xx - yy)]
    if count > 9:
        a, b, c, d, e, f, g = Y_3
        basis += [
            a * y * (3 * xx - yy),
            b * x * y * z,
            c * y * (4 * zz - xx - yy),
            d * z * (2 * zz - 3 * xx - 3 * yy),
            e * x * (4 * zz - xx - yy),
            f * z * (xx - yy),
            g * x * (xx - 3 * yy),
        ]
    return torch.stack(basis, dim=-1)


def view_colours(colour_harmonics: Float[Tensor, "N K 3"], directions: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """sRGB colours, at least 0 and unbounded above, seen along unit directions (Kerbl et al. 2023)."""
    basis = harmonic_basis(directions, colour_harmonics.shape[1])
    return ((basis[..., None] * colour_harmonics).sum(1) + 0.5).clamp_min(0)


def view_opacities(opacity_harmonics: Float[Tensor, "N K"], directions: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """Opacities in (0, 1) seen along unit directions (density as harmonics: Deng et al. 2025, Selfi)."""
    basis = harmonic_basis(directions, opacity_harmonics.shape[1])
    return torch.sigmoid((basis * opacity_harmonics).sum(1))


def opacity_from_logit(logit: Float[Tensor, " N"]) -> Float[Tensor, "N 1"]:
    """Opacity harmonics of degree 0 that give sigmoid(logit) from all sides."""
    return (logit / Y_0)[:, None]
