"""A whole scene to look at: Gaussians before a background."""

from dataclasses import dataclass

from photoreal.core import Gaussians, Value
from photoreal.splat.background import Background


@dataclass(frozen=True)
class Splats(Value):
    """Gaussians and what lies behind them."""

    gaussians: Gaussians
    background: Background
