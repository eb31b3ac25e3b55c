"""photoreal turns photographs into photoreal 3D."""

# Pillow's libraries must be loaded before pycolmap's (4.2.1): the other way round, saving a PNG corrupts the heap.
from PIL import Image as _Image  # pyright: ignore[reportUnusedImport]  # noqa: F401

__version__ = "0.1.0"
