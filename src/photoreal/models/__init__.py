"""The networks, one file or folder each behind a typed callable, and the one door to their weights: nothing here
downloads unasked, and what is read is checked before it is opened."""

from photoreal.models.lpips import LpipsAlex
from photoreal.models.protocols import FeatureModel, GeometryModel, ImageEncoder, Matcher, PerceptualNetwork
from photoreal.models.weights import (
    WEIGHTS,
    HubFiles,
    PackageFile,
    Weights,
    command,
    get,
    load_strictly,
    locate,
    read_arrays,
    read_state,
)

__all__ = [
    "WEIGHTS",
    "FeatureModel",
    "GeometryModel",
    "HubFiles",
    "ImageEncoder",
    "LpipsAlex",
    "Matcher",
    "PackageFile",
    "PerceptualNetwork",
    "Weights",
    "command",
    "get",
    "load_strictly",
    "locate",
    "read_arrays",
    "read_state",
]
