"""Surfaces of splats: what is known to be empty stays empty."""

import dataclasses
import math

import torch
from balls import ball_capture

from photoreal.core import Gaussians, drained
from photoreal.mesh import Surface
from photoreal.stages import MeshConfig, surface_of

COUNT = 3000


def ball_of_splats(*, bumpy: bool) -> Gaussians:
    """Opaque round splats on the unit ball, and a bump on it."""
    turn = torch.arange(COUNT) * 2.399963
    height = 1 - 2 * (torch.arange(COUNT) + 0.5) / COUNT
    ring = (1 - height**2).sqrt()
    means = torch.stack([ring * turn.cos(), ring * turn.sin(), height], 1)
    if bumpy:
        means[::4] = torch.tensor([0.0, 0.0, 1.0]) + 0.2 * means[::4]
    turned = torch.tensor([[1.0, 0, 0, 0]]).expand(COUNT, 4)
    return Gaussians(
        means,
        turned.contiguous(),
        torch.full((COUNT, 3), math.log(0.03)),
        torch.full((COUNT, 1), 16.0),
        torch.zeros(COUNT, 1, 3),
    )


def made(*, bumpy: bool, cut_out: bool) -> Surface:
    capture = ball_capture(24)
    config = MeshConfig(depth_side=96)
    config = dataclasses.replace(config, surface=dataclasses.replace(config.surface, photometric=False, faces=4000))
    return drained(surface_of(capture, ball_of_splats(bumpy=bumpy), config, ~capture.photos.masks if cut_out else None))


def reach(found: Surface) -> float:
    """How far the surface comes from the origin."""
    return float(found.mesh.vertices[found.mesh.faces[~found.background]].norm(dim=-1).max())


def test_splats_become_their_surface() -> None:
    found = made(bumpy=False, cut_out=True)
    assert float((found.mesh.vertices.norm(dim=1) - 1).abs().mean()) < 0.03


def test_what_was_cut_out_of_its_photos_has_no_shell_and_nothing_outside_of_its_outlines() -> None:
    kept, cut = (made(bumpy=True, cut_out=cut_out) for cut_out in (False, True))
    assert reach(kept) > 1.15
    assert reach(cut) < 1.08
    assert not bool(cut.background.any())
