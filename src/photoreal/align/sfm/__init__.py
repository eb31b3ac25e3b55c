"""Structure from motion: photographs to cameras, and cameras to points."""
