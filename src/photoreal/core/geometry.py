"""What a geometry model says of photographs."""

from dataclasses import dataclass
from typing import Literal

from photoreal.core.maps import Depths
from photoreal.core.photos import Capture
from photoreal.core.value import Value

Gauge = Literal["metric", "scale_invariant"]
"""Whether one unit is a metre, or of no known length."""


@dataclass(frozen=True)
class Geometry(Value):
    """Cameras of photographs, and depth as each of them sees it."""

    capture: Capture
    """The photos that could be placed, undistorted, in the order in which they were given."""
    depths: Depths
    """In the units of the cameras; maps may be coarser than the photos, which they cover. A map's confidence says which
    of its pixels to believe more; between models it does not compare."""
    gauge: Gauge
    model: str
    """What made it, in words, such as "embedded: structure from motion"."""

    def __post_init__(self) -> None:
        if len(self.capture) != len(self.depths):
            raise ValueError(f"{len(self.capture)} photos but {len(self.depths)} depth maps")

    def __len__(self) -> int:
        return len(self.capture)
