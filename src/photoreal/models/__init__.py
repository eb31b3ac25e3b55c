"""The networks, one file each behind a typed callable, and the one door to their weights: nothing here downloads, and
what is read is checked by its sha256 before it is opened."""

from photoreal.models.lpips import LpipsAlex
from photoreal.models.protocols import PerceptualNetwork
from photoreal.models.weights import WEIGHTS, Weights, locate, read_arrays

__all__ = ["WEIGHTS", "LpipsAlex", "PerceptualNetwork", "Weights", "locate", "read_arrays"]
