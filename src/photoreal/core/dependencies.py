"""Optional packages, imported at the moment of need."""

import importlib
from types import ModuleType

from photoreal.core.errors import MissingDependencyError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or say which extra of photoreal brings it.

    Raises:
        MissingDependencyError: the package is not installed, or it is and does not load.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        state = "is not installed" if absent else f"does not load: {error}"
        raise MissingDependencyError(
            f"{module} is needed here and {state}; run: pip install 'photoreal[{extra}]'"
        ) from error
