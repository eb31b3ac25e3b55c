"""Triangles from depth maps and photographs: surface, atlas, texture. It is handed values and knows no splats."""

from photoreal.mesh.surface.build import Surface, SurfaceConfig, build_surface, finish_surface, simplify
from photoreal.mesh.texture.bake import Baked, TextureConfig, bake
from photoreal.mesh.texture.fairing import agree
from photoreal.mesh.texture.hits import Hits, camera_hits, render_mesh

__all__ = [
    "Baked",
    "Hits",
    "Surface",
    "SurfaceConfig",
    "TextureConfig",
    "agree",
    "bake",
    "build_surface",
    "camera_hits",
    "finish_surface",
    "render_mesh",
    "simplify",
]
