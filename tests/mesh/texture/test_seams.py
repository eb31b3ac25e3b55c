import dataclasses

import torch
from balls import ball_capture, ball_depths, ball_mesh, surface_of

from photoreal.core import (
    Capture,
    Points,
    bytes_from_unit,
    drained,
    linear_from_srgb,
    srgb_from_linear,
    unit_from_bytes,
)
from photoreal.mesh import Baked, TextureConfig, bake, camera_hits, render_mesh
from photoreal.mesh.surface.topology import face_neighbours
from photoreal.mesh.texture.bake import face_qualities
from photoreal.mesh.texture.labels import choose
from photoreal.mesh.texture.seams import level
from photoreal.mesh.texture.sightings import Sightings, sightings_of

BALL = ball_mesh()
CAPTURE = ball_capture(14)
NONE = Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8), torch.zeros(0))
CONFIG = TextureConfig(side=1024, rounds=8, density=2.0, mode="best", exposure=False)


def baked(capture: Capture, config: TextureConfig = CONFIG) -> Baked:
    return drained(bake(capture, surface_of(BALL, capture.cameras), NONE, config))


def labelled(capture: Capture) -> tuple[torch.Tensor, Sightings]:
    seen = sightings_of(capture, BALL, ball_depths(capture.cameras), tolerance=0.02)
    return choose(seen, BALL, face_qualities(seen, BALL), seam_cost=CONFIG.seam_cost), seen


def exposed_oddly(capture: Capture, spread: float) -> Capture:
    gains = torch.exp(spread * torch.randn(len(capture), 3, generator=torch.Generator().manual_seed(1)))
    light = linear_from_srgb(unit_from_bytes(capture.photos.images)) * gains[:, :, None, None]
    return capture.replace(photos=capture.photos.replace(images=bytes_from_unit(srgb_from_linear(light))))


def steps_across(found: Baked, edges: torch.Tensor) -> float:
    """Mean difference, in 255ths, between texels on both sides of the middles of edges [F, 3] (true: look there)."""
    one, side = torch.nonzero(edges, as_tuple=True)
    other = face_neighbours(BALL.faces)[one, side]
    ends = torch.stack([BALL.faces[one, side], BALL.faces[one, (side + 1) % 3]], 1)
    colours = []
    for face in (one, other):
        on_edge = (BALL.faces[face][:, :, None] == ends[:, None]).any(2, keepdim=True)
        uvs = found.mesh.uvs[found.mesh.faces[face]] * found.mesh.pages.shape[-1]
        middle, apex = (uvs * on_edge).sum(1) / 2, (uvs * ~on_edge).sum(1)
        spot = (middle + torch.nn.functional.normalize(apex - middle, dim=1)).long()
        colours.append(found.mesh.pages[found.mesh.face_pages[face], :, spot[:, 1], spot[:, 0]].float())
    return float((colours[0] - colours[1]).abs().mean())


def test_photos_of_different_exposures_meet_without_a_step() -> None:
    odd = exposed_oddly(CAPTURE, 0.1)
    labels, _ = labelled(odd)
    seam = labels[face_neighbours(BALL.faces)] != labels[:, None]
    levelled = steps_across(baked(odd), seam)
    raw = baked(odd, dataclasses.replace(CONFIG, level=False))
    paint = steps_across(raw, ~seam)
    assert steps_across(raw, seam) > paint + 4
    assert levelled - paint < 0.2 * (steps_across(raw, seam) - paint)


def test_offsets_undo_constant_steps_and_stay_small_without_any() -> None:
    labels, seen = labelled(CAPTURE)
    assert float(level(BALL, labels, seen).offsets.abs().max()) < 2 / 255
    labels, seen = labelled(exposed_oddly(CAPTURE, 0.1))
    assert float(level(BALL, labels, seen).offsets.abs().max()) > 5 / 255


def test_shares_of_photos_sum_to_one_at_every_corner() -> None:
    labels, seen = labelled(CAPTURE)
    labels[BALL.vertices[BALL.faces].mean(1)[:, 2] < -0.8] = -1
    found = level(BALL, labels, seen)
    sums = found.weights.sum(1)
    assert torch.allclose(sums[labels >= 0], torch.ones(1), atol=1e-6)
    assert float(sums[labels < 0].max()) == 0
    assert torch.equal(found.views[:, 0].long(), labels)


def test_without_any_photo_nothing_is_levelled() -> None:
    _, seen = labelled(CAPTURE)
    found = level(BALL, torch.full((len(BALL.faces),), -1), seen)
    assert float(found.offsets.abs().max()) == 0
    assert int(found.views.max()) == -1


def test_what_a_photo_won_looks_as_in_that_photo() -> None:
    labels, _ = labelled(CAPTURE)
    found = baked(CAPTURE)
    for view in range(0, len(CAPTURE), 3):
        camera = CAPTURE.cameras.take([view])
        face = camera_hits(BALL, camera).face.long()
        image, covered = render_mesh(found.mesh, camera)
        won = (face >= 0) & (labels[face.clamp_min(0)] == view) & (covered == 1)
        away = (image - unit_from_bytes(CAPTURE.photos.images[view])).abs()[:, won]
        assert float(away.mean()) < 2 / 255
