"""What a rasterizer is and what it gives."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Gaussians, Value


@dataclass(frozen=True)
class Renders(Value):
    """Pictures of Gaussians, one for each camera; differentiable where the rasterizer is.

    With weights w_i = alpha_i prod_{j<i} (1 - alpha_j), front to back:
    """

    colour: Float[Tensor, "V 3 H W"]
    """sum w_i c_i + (1 - alpha) background, sRGB, not clipped."""
    alpha: Float[Tensor, "V H W"]
    """sum w_i."""
    depth_expected: Float[Tensor, "V H W"]
    """sum w_i z_i / alpha, z along the camera axis in world units; 0 where alpha is 0."""
    depth_median: Float[Tensor, "V H W"]
    """z of the Gaussian at which 1 - transmittance passes 1/2; 0 where it never does."""
    normals: Float[Tensor, "V 3 H W"]
    """sum w_i n_i in world axes, n_i the shortest axis turned towards the camera; not of unit length."""


@runtime_checkable
class Rasterizer(Protocol):
    """Renders Gaussians from cameras, each over its own constant background colour."""

    def __call__(self, gaussians: Gaussians, cameras: Cameras, backgrounds: Float[Tensor, "V 3"]) -> Renders: ...


NEAR = 0.01
"""Gaussians whose mean is nearer than this along the axis are not drawn, world units."""
BLUR = 0.3
"""Variance added to the projected covariance, pixels squared (Kerbl et al. 2023)."""
DIM_MIN = 2.5e-5
"""Antialiased Gaussians keep at least the root of this of their opacity, as in Mip-Splatting's published kernels."""
ALPHA_MIN = 1 / 255
"""Smaller alphas are dropped."""
ALPHA_MAX = 0.99
"""Larger alphas are clipped."""
MARGIN = 0.3
"""Where the local affine approximation of the projection is clamped: this share of the view's half width outside it."""
