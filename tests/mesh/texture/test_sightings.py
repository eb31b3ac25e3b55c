import torch
from balls import ball_capture, ball_depths, ball_mesh

from photoreal.core import Depths
from photoreal.mesh.texture.sightings import sightings_of

BALL = ball_mesh()
CAPTURE = ball_capture(14)
DEPTHS = ball_depths(CAPTURE.cameras)


def test_trust_rises_from_the_outline_and_is_none_beyond_the_mask() -> None:
    trust = sightings_of(CAPTURE, BALL, DEPTHS, tolerance=0.02).trust[0]
    assert int(trust[48, 48]) == 255
    assert int(trust[~CAPTURE.photos.masks[0]].max()) == 0
    inside = torch.nonzero(CAPTURE.photos.masks[0][48])[:, 0]
    assert 0 < int(trust[48, inside[1]]) < 40


def test_what_stands_before_the_mesh_makes_its_pixels_a_last_resort() -> None:
    depth = DEPTHS.depth.clone()
    depth[3, 40:56, 40:56] = 1.0
    small = Depths(depth[:, ::2, ::2].contiguous(), DEPTHS.confidence[:, ::2, ::2].contiguous())
    empty = Depths(torch.where(small.depth == 1.0, torch.inf, small.depth), small.confidence)
    plain, hidden, gone = (
        sightings_of(CAPTURE, BALL, depths, tolerance=0.02).trust for depths in (DEPTHS, small, empty)
    )
    assert torch.equal(gone, hidden)
    assert int(hidden[3, 42:54, 42:54].max()) == 1
    assert torch.equal(hidden[4, 30:66, 30:66], plain[4, 30:66, 30:66])
    assert torch.equal(hidden[3, 60:66, 30:66], plain[3, 60:66, 30:66])
