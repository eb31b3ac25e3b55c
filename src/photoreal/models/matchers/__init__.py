"""Networks that find the same place in two photos, each behind a config whose `load` makes a `Matcher`."""

from photoreal.models.matchers.aliked import AlikedConfig
from photoreal.models.matchers.loftr import EfficientLoftrConfig
from photoreal.models.matchers.turning import Rotations
from photoreal.models.matchers.xfeat import XFeatConfig

__all__ = ["AlikedConfig", "EfficientLoftrConfig", "Rotations", "XFeatConfig"]
