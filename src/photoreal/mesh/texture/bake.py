"""Photographs onto a surface."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from photoreal.core import Capture, Mesh, Points, Step, TexturedMesh, Value, bytes_from_unit, srgb_from_linear
from photoreal.mesh.kernels.candidates import LIGHT, blend, survey
from photoreal.mesh.kernels.seams import shift
from photoreal.mesh.surface.build import Surface
from photoreal.mesh.texture.atlas import Atlas, unwrap
from photoreal.mesh.texture.exposure import solve_gains
from photoreal.mesh.texture.filling import diffuse, from_points, over_surface
from photoreal.mesh.texture.hits import corner_weights, texel_hits
from photoreal.mesh.texture.labels import choose, taken_from
from photoreal.mesh.texture.occluders import without_occluders
from photoreal.mesh.texture.refinement import refine
from photoreal.mesh.texture.seams import Levels, level
from photoreal.mesh.texture.sightings import Sightings, sightings_of

_BAND = 1 << 20
"""Texels that are worked on at a time."""
_FINER, _COARSER = 1.5, 8.0
"""The texel's side is at most so many times smaller, or larger (far away), than the middle one."""


@dataclass(frozen=True)
class TextureConfig:
    """How photographs become a texture."""

    side: int = 4096
    """Texels along the side of a page at most."""
    pages: int = 4
    """Pages at most; texels become larger where that is not enough."""
    density: float = 1.8
    """Texels along a pixel of the photo that sees a face best."""
    sharpness: float = 4.0
    """Photos are weighted by this power of their pixels per surface: 1 averages noise away, 8 takes nearly the best
    photo alone."""
    outliers: float = 0.15
    """A photo is left out of a texel where it differs by this or more from what most photos agree on, in square roots
    of light (1 for white)."""
    occluders: bool = True
    """Do without a photo where much of a neighbourhood differs so: somebody passed there, or leaves hang before it."""
    exposure: bool = True
    """Bring all photos to one exposure and white balance."""
    rounds: int = 8
    """Corrections of the texture against the photographs; 0 makes none."""
    mode: Literal["blended", "best"] = "blended"
    """blended: a robust mean of all photos that see a place; best: the one photo that sees a face best, levelled where
    two meet."""
    seam_cost: float = 4.0
    """With mode best: a seam costs as much for each pixel of its length as so many pixels that are lost by not taking
    the best photo; 0 takes the best whatever the seams."""
    level: bool = True
    """With mode best: level the colours of two photos where they meet; without, each keeps its own to the pixel."""


@dataclass(frozen=True)
class Texels(Value):
    """Texels of a page that lie on the mesh, and where."""

    index: Int64[Tensor, " N"]
    """In the page, row by row."""
    face: Int64[Tensor, " N"]
    weights: Float[Tensor, "N 3"]
    """Barycentric, in the face."""
    places: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]


Colours = Callable[[Texels], tuple[Tensor, Tensor]]
"""Linear light of texels, and which of them a photo sees."""


@dataclass(frozen=True)
class Baked:
    """A texture and what is known of its making."""

    mesh: TexturedMesh
    gains: Float[Tensor, "V 3"]
    """Linear light of each photo times this is at the texture's exposure."""
    texel: float
    """Side of a texel, median, world units."""
    unseen: float
    """Share of the area, the outer shell aside, of faces whose middle no photo sees."""


def bake(capture: Capture, surface: Surface, others: Points, config: TextureConfig) -> Generator[Step, None, Baked]:
    """Unwrap a mesh and colour every texel from the photos that see it.

    Texels that no photo sees take the colours of `others`, coloured points such as splats, and are not `seen`. The
    surface's depths are those of the capture's views, in that order.
    """
    yield Step("visibility", 0, 1)
    mesh = surface.mesh
    sightings = _sightings(capture, surface, config)
    qualities = face_qualities(sightings, mesh)
    areas = mesh.face_areas * ~surface.background
    unseen = float(areas[qualities.max(1).values <= 0].sum() / areas.sum().clamp_min(1e-30))
    yield Step("unwrapping", 0, 1)
    texel = texel_sizes(mesh, qualities, config)
    atlas = unwrap(mesh, texel, side=config.side)
    labels = None
    if config.mode == "best":
        yield Step("choosing photos", 0, 1)
        labels = choose(sightings, mesh, qualities, seam_cost=config.seam_cost)
        qualities = qualities * (labels[:, None] == torch.arange(len(sightings)))
    colours = _filled(_colours(sightings, labels, config), mesh, others, surface.tolerance)
    painted: list[tuple[Tensor, Tensor]] = []
    for page in range(atlas.pages):
        yield Step("texture", page, atlas.pages)
        painted.append(_paint(atlas, page, mesh, colours))
    pages, seen = (torch.stack(parts) for parts in zip(*painted, strict=True))
    better = refine(pages, atlas, mesh, capture.cameras, sightings, qualities)
    for done, refined in enumerate(islice(better, config.rounds)):
        pages = refined
        yield Step("refining", done + 1, config.rounds)
    if labels is not None and config.level:
        yield Step("levelling seams", 0, 1)
        pages = _levelled(pages, atlas, mesh, level(mesh, labels, sightings), sightings)
    textured = TexturedMesh(
        vertices=mesh.vertices[atlas.source],
        normals=mesh.vertex_normals[atlas.source],
        faces=atlas.faces,
        uvs=atlas.uvs / atlas.side,
        face_pages=atlas.face_pages,
        pages=bytes_from_unit(pages).permute(0, 3, 1, 2).contiguous(),
        seen=seen,
        background=surface.background,
    )
    return Baked(textured, sightings.gains, float(texel.median()), unseen)


def _sightings(capture: Capture, surface: Surface, config: TextureConfig) -> Sightings:
    """Which photo sees what, at one exposure, without what stands before the surface."""
    mesh = surface.mesh
    found = sightings_of(capture, mesh, surface.depths, tolerance=surface.tolerance)
    if config.exposure:
        found = found.replace(gains=solve_gains(found, mesh))
    if config.occluders:
        found = without_occluders(found, mesh, capture.cameras, outliers=config.outliers, sharpness=config.sharpness)
    return found


def face_qualities(sightings: Sightings, mesh: Mesh) -> Float[Tensor, "F V"]:
    """Pixels per surface of each face's middle in each photo, times the trust there; 0 where it is not seen."""
    qualities = np.zeros((len(mesh.faces), len(sightings)), np.float32)
    middles = mesh.vertices[mesh.faces].mean(1)
    survey(
        middles.float().numpy(), mesh.face_normals.float().numpy(), sightings.cameras.numpy(),
        sightings.centres.numpy(),
        sightings.depth.numpy(), sightings.trust.numpy(), np.float32(sightings.tolerance), qualities,
    )  # fmt: skip
    return torch.from_numpy(qualities)


def texel_sizes(mesh: Mesh, qualities: Float[Tensor, "F V"], config: TextureConfig) -> Float[Tensor, " F"]:
    """Side of a texel on each face, so that the best photo's pixel is `density` texels; even, and not too many."""
    best = qualities.max(1).values
    areas = mesh.face_areas
    seen = best > 0
    if not bool(seen.any()):
        side = float((areas.sum() / (config.side**2 / 2)).sqrt())
        return torch.full((len(areas),), side)
    own = 1 / best.clamp_min(1e-30).sqrt() / config.density
    order = torch.argsort(own[seen])
    texels = torch.cumsum((areas / own.square())[seen][order], 0)
    middle = own[seen][order][int(torch.searchsorted(texels, 0.5 * texels[-1]))]
    texel = torch.where(seen, own.clamp(middle / _FINER, middle * _COARSER), _COARSER * middle)
    wanted = float((areas / texel.square()).sum()) / 0.7
    return texel * max(1.0, (wanted / (config.pages * config.side**2)) ** 0.5)


def _texels(atlas: Atlas, page: int, mesh: Mesh) -> Iterator[Texels]:
    """All texels of a page that lie on the mesh, some at a time."""
    hits = texel_hits(atlas, page)
    faces, inner, normals = hits.face.reshape(-1), hits.weights.reshape(-1, 2), mesh.vertex_normals
    for band in torch.nonzero(faces >= 0)[:, 0].split(_BAND):
        face = faces[band].long()
        corners, weights = mesh.faces[face], corner_weights(inner[band])
        places = (mesh.vertices[corners] * weights[..., None]).sum(1).float()
        turned = torch.nn.functional.normalize((normals[corners] * weights[..., None]).sum(1), dim=1).float()
        yield Texels(band, face, weights, places, turned)


def _colours(sightings: Sightings, labels: Int64[Tensor, " F"] | None, config: TextureConfig) -> Colours:
    """How texels are coloured: by their face's photo if there are `labels`, else, and where that does not see them, by
    all."""

    def blended(texels: Texels) -> tuple[Tensor, Tensor]:
        light, counts = np.zeros((len(texels.index), 3), np.float32), np.zeros(len(texels.index), np.int32)
        blend(
            texels.places.numpy(), texels.normals.numpy(), sightings.cameras.numpy(), sightings.centres.numpy(),
            sightings.images.numpy(), sightings.depth.numpy(), sightings.trust.numpy(), sightings.gains.numpy(),
            np.float32(sightings.tolerance), np.float32(config.sharpness), np.float32(config.outliers), LIGHT,
            light, counts,
        )  # fmt: skip
        return torch.from_numpy(light), torch.from_numpy(counts > 0)

    def best(texels: Texels, labels: Int64[Tensor, " F"]) -> tuple[Tensor, Tensor]:
        light, found = taken_from(sightings, texels.places, texels.normals, labels[texels.face])
        missing = ~found
        light[missing], found[missing] = blended(texels.map(lambda values: values[missing]))
        return light, found

    return blended if labels is None else lambda texels: best(texels, labels)


def _filled(colours: Colours, mesh: Mesh, others: Points, reach: float) -> Colours:
    """`colours`, and for texels without any those of `others` within `reach`, else of the surface around."""
    count = len(mesh.vertices)
    face = torch.zeros(count, dtype=torch.int64)
    face[mesh.faces.reshape(-1)] = torch.arange(len(mesh.faces)).repeat_interleave(3)
    vertices = Texels(
        torch.arange(count), face, torch.zeros(count, 3), mesh.vertices.float(), mesh.vertex_normals.float()
    )
    around = over_surface(mesh, *colours(vertices))

    def filled(texels: Texels) -> tuple[Tensor, Tensor]:
        light, sure = colours(texels)
        unsure = torch.nonzero(~sure)[:, 0]
        guessed, there = from_points(texels.places[unsure], others, reach=reach)
        inner = (around[mesh.faces[texels.face[unsure]]] * texels.weights[unsure][..., None]).sum(1)
        light[unsure] = torch.where(there[:, None], guessed, inner.to(light.dtype))
        return light, sure

    return filled


def _on_page(
    atlas: Atlas, page: int, mesh: Mesh, values: Colours
) -> tuple[Float[Tensor, "3 S S"], Bool[Tensor, "S S"]]:
    """A page of values, and which of them a photo gave; the space between charts follows what is beside it."""
    found, seen = torch.zeros(atlas.side**2, 3), torch.zeros(atlas.side**2, dtype=torch.bool)
    inside = torch.zeros_like(seen)
    for texels in _texels(atlas, page, mesh):
        found[texels.index], seen[texels.index] = values(texels)
        inside[texels.index] = True
    shape = (atlas.side, atlas.side)
    return diffuse(found.reshape(*shape, 3).permute(2, 0, 1), inside.reshape(shape)), seen.reshape(shape)


def _paint(atlas: Atlas, page: int, mesh: Mesh, colours: Colours) -> tuple[Float[Tensor, "S S 3"], Bool[Tensor, "S S"]]:
    """A page's colours, sRGB in [0, 1], and which of them a photo gave."""
    light, seen = _on_page(atlas, page, mesh, colours)
    return srgb_from_linear(light).clamp(0, 1).permute(1, 2, 0), seen


def _levelled(
    pages: Float[Tensor, "P S S 3"], atlas: Atlas, mesh: Mesh, levels: Levels, sightings: Sightings
) -> Float[Tensor, "P S S 3"]:
    """The pages without steps where two photos meet."""

    def shifts(texels: Texels) -> tuple[Tensor, Tensor]:
        own = np.empty((len(texels.index), 3), np.float32)
        shift(
            texels.places.numpy(), texels.normals.numpy(), texels.face.numpy(), texels.weights.float().numpy(),
            levels.views.numpy(), levels.weights.numpy(), levels.offsets.numpy(), sightings.cameras.numpy(),
            sightings.centres.numpy(), sightings.images.numpy(), sightings.depth.numpy(), sightings.trust.numpy(),
            sightings.gains.numpy(), np.float32(sightings.tolerance), LIGHT, own,
        )  # fmt: skip
        return torch.from_numpy(own), torch.ones(len(own), dtype=torch.bool)

    spread = [_on_page(atlas, page, mesh, shifts)[0].permute(1, 2, 0) for page in range(atlas.pages)]
    return (pages + torch.stack(spread)).clamp(0, 1)
