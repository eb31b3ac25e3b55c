"""photoreal turns photographs into photoreal 3D."""

# Pillow's libraries must be loaded before pycolmap's: the other way round, saving a PNG corrupts the heap (pycolmap 4.2.1).
import PIL.Image as _pillow_first  # pyright: ignore[reportUnusedImport]  # noqa: F401

__version__ = "0.1.0"
