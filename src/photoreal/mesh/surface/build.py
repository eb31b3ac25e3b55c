"""From depth maps to a clean surface of a wanted size."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool
from pyfqmr.Simplify import Simplify
from torch import Tensor

from photoreal.core import Cameras, Capture, CaptureError, Depths, Mesh, Step
from photoreal.mesh.surface.cleaning import close_holes, distances_to, smooth, without_floaters
from photoreal.mesh.surface.confidence import confirmed, middle_depth
from photoreal.mesh.surface.planes import find_ground
from photoreal.mesh.surface.shell import shell
from photoreal.mesh.surface.topology import compact, joined
from photoreal.mesh.surface.volume import extract, fuse

_SAMPLES = 20_000
_SHEET = 10
"""The ground's sheet has at most the faces over this, its border aside; being flat it needs few."""


@dataclass(frozen=True)
class SurfaceConfig:
    """How depth maps become a surface."""

    voxel: float = 0.0
    """Side of a voxel in the scene's units; 0: 1.5 pixels of the depth maps at the median depth."""
    truncation: float = 4.0
    """Depths are trusted to within so many voxels."""
    tolerance: float = 0.02
    """Two views confirm each other where their depths agree within this share."""
    alone: float = 0.0
    """What a depth is worth that no other view confirms or contradicts, beside one that all confirm."""
    far: float = 4.0
    """What is farther than so many median depths is background, not surface."""
    ground: bool = True
    """Whether to look for flat ground that cameras see at too flat an angle to agree on."""
    floaters: float = 0.005
    """Loose parts with less than this share of the largest part's area are removed."""
    holes: float = 30.0
    """Holes with a shorter border than so many voxels are closed; larger ones stay open."""
    smoothing: int = 5
    """Rounds of smoothing that does not shrink."""
    photometric: bool = True
    """Whether to move the surface to where the photographs agree."""
    faces: int = 100_000
    """Triangles of the surface at most."""
    background: Literal["shell", "none"] = "shell"
    """shell: a coarse outer shell carries sky and distance; none: they are left out."""


@dataclass(frozen=True)
class Surface:
    """A surface and how it came to be."""

    mesh: Mesh
    background: Bool[Tensor, " F"]
    """Faces of the outer shell."""
    voxel: float
    """Side of a voxel, world units."""
    depths: Depths
    """As far as other views confirm them: what stands before the mesh."""
    figures: dict[str, float]
    sheet: int = 0
    """So many of the mesh's last faces are a flat sheet of ground."""

    @property
    def tolerance(self) -> float:
        """How far the mesh may be from the true surface, world units."""
        return 2 * self.voxel


def build_surface(depths: Depths, cameras: Cameras, config: SurfaceConfig) -> Generator[Step, None, Surface]:
    """Confirm, fuse, extract and clean: a dense surface; `finish_surface` makes it small.

    Raises:
        CaptureError: there are fewer than 2 views, no view confirms another, or memory would not suffice.
    """
    if len(depths) < 2:
        raise CaptureError(f"{len(depths)} view is not enough for a surface; 2 that see the same place are needed")
    yield Step("confirming depths")
    believed = confirmed(depths, cameras, tolerance=config.tolerance, alone=config.alone, far=config.far)
    if not bool(believed.known.any()):
        raise CaptureError(
            f"no depth of {len(depths)} views is confirmed by another within {config.tolerance:.0%}; they see "
            "nothing in common, or the splats are too vague"
        )
    voxel = config.voxel or 1.5 * middle_depth(believed) / float(cameras.intrinsics[:, 0, 0].median())
    ground = None
    if config.ground:
        yield Step("looking for ground")
        ground = find_ground(depths, believed, cameras, voxel=voxel)
        believed = believed if ground is None else ground.depths
    yield Step("fusing")
    volume = fuse(lambda: [(believed, cameras)], torch.zeros(3), voxel, truncation=config.truncation)
    yield Step("extracting")
    raw, _ = extract(volume, least=0.3 if config.alone == 0 else 0.3 * config.alone)
    blocks = float(len(volume.keys))
    del volume
    mesh = without_floaters(raw, share=config.floaters)
    mesh, closed = close_holes(mesh, perimeter=config.holes * voxel)
    mesh = smooth(mesh, rounds=config.smoothing)
    figures = {"voxel": voxel, "blocks": blocks, "faces_before": float(len(mesh.faces)), "holes_closed": float(closed)}
    sheet = 0 if ground is None else len(ground.sheet.faces)
    mesh = mesh if ground is None else joined(mesh, ground.sheet)
    return Surface(mesh, torch.zeros(len(mesh.faces), dtype=torch.bool), voxel, believed, figures, sheet)


def finish_surface(dense: Surface, capture: Capture, config: SurfaceConfig) -> Surface:
    """The surface with at most the wanted number of faces, the error of that told, and the outer shell around it."""
    count = len(dense.mesh.faces) - dense.sheet
    rest, sheet = (compact(Mesh(dense.mesh.vertices, faces)) for faces in dense.mesh.faces.split([count, dense.sheet]))
    small = joined(simplify(rest, config.faces), simplify(sheet, config.faces // _SHEET, borders=True))
    whole = joined(small, shell(small, dense.depths, capture)) if config.background == "shell" else small
    background = torch.arange(len(whole.faces)) >= len(small.faces)
    figures = dense.figures | _error_of(dense.mesh, small) | {"faces": float(len(small.faces))}
    return dataclasses.replace(dense, mesh=whole, background=background, figures=figures, sheet=0)


def simplify(mesh: Mesh, faces: int, *, borders: bool = False) -> Mesh:
    """At most so many faces, by collapsing the edges that change least (quadrics, Garland and Heckbert 1997).

    With `borders` open borders keep all their vertices, and there may be more faces.
    """
    if len(mesh.faces) <= faces:
        return mesh
    simplifier = Simplify()
    simplifier.setMesh(mesh.vertices.double().numpy(), mesh.faces.numpy().astype(np.int32))
    simplifier.simplify_mesh(target_count=faces, aggressiveness=5, preserve_border=borders, verbose=False)
    vertices, triangles, _ = simplifier.getMesh()
    return Mesh(torch.from_numpy(np.asarray(vertices)).float(), torch.from_numpy(np.asarray(triangles)).long())


def _error_of(mesh: Mesh, small: Mesh) -> dict[str, float]:
    """How far the vertices before simplification are from the surface after it, world units."""
    chosen = mesh.vertices[torch.randperm(len(mesh.vertices), generator=torch.Generator().manual_seed(0))[:_SAMPLES]]
    found = distances_to(small, chosen)
    return {"simplification_error": float(found.mean()), "simplification_error_95": float(found.quantile(0.95))}
