import torch
from balls import ball_capture, ball_depths, ball_mesh

from photoreal.core import Capture
from photoreal.mesh.texture.occluders import without_occluders
from photoreal.mesh.texture.sightings import Sightings, sightings_of

BALL = ball_mesh()
CAPTURE = ball_capture(32, side=240)
REGION = (slice(75, 165), slice(50, 175))


def seen_of(capture: Capture) -> Sightings:
    return sightings_of(capture, BALL, ball_depths(capture.cameras), tolerance=0.02)


def judged(capture: Capture) -> tuple[Sightings, Sightings]:
    """Before and after."""
    seen = seen_of(capture)
    return seen, without_occluders(seen, BALL, capture.cameras, outliers=0.15, sharpness=4.0)


def behind_leaves(capture: Capture, view: int) -> Capture:
    """Leaves before the ball in one photo: of every colour, eight pixels wide; a sixth of them are gaps."""
    generator = torch.Generator().manual_seed(0)
    images = capture.photos.images.clone()
    leaves = torch.randint(0, 256, (3, 30, 30), generator=generator, dtype=torch.uint8)
    leaves = leaves.repeat_interleave(8, 1).repeat_interleave(8, 2)
    gaps = torch.rand(30, 30, generator=generator).repeat_interleave(8, 0).repeat_interleave(8, 1) < 1 / 6
    images[view][:, *REGION] = torch.where(gaps, images[view], leaves)[:, *REGION]
    return capture.replace(photos=capture.photos.replace(images=images))


def test_leaves_before_the_surface_are_found_as_a_whole() -> None:
    before, after = judged(behind_leaves(CAPTURE, 4))
    inner = before.trust[4] > 1
    inside = torch.zeros_like(inner)
    inside[REGION] = True
    found = after.trust[4] == 1
    assert float(found[inner & inside].float().mean()) > 0.9
    assert float(found[inner & ~inside].float().mean()) < 0.15


def test_photos_that_show_the_surface_keep_their_trust() -> None:
    before, after = judged(CAPTURE)
    assert torch.equal(before.trust, after.trust)
    before, after = judged(behind_leaves(CAPTURE, 4))
    others = [view for view in range(32) if view != 4]
    assert torch.equal(before.trust[others], after.trust[others])


def test_two_photos_make_no_consensus() -> None:
    nearest = (CAPTURE.cameras.centres - CAPTURE.cameras.centres[4]).norm(dim=1).argsort()[:2].tolist()
    before, after = judged(behind_leaves(CAPTURE, 4).take(nearest))
    assert torch.equal(before.trust, after.trust)


def test_masked_pixels_stay_out() -> None:
    _, after = judged(behind_leaves(CAPTURE, 4))
    assert int(after.trust[~CAPTURE.photos.masks].max()) == 0
