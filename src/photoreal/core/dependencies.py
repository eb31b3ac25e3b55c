"""Optional packages, imported at the moment of need."""

import importlib
from types import ModuleType

from photoreal.core.errors import MissingDependencyError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or say which extra of photoreal brings it.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module} is needed here and is not installed; run: pip install 'photoreal[{extra}]'"
        ) from error
