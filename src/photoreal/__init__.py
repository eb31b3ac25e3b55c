"""photoreal turns photographs into photoreal 3D."""

__version__ = "0.1.0"
