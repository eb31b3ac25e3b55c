import pytest
import torch

from photoreal.core import Cameras, Depths, look_at, pixel_rays, unproject
from photoreal.mesh.surface.confidence import confirmed
from photoreal.mesh.surface.planes import find_ground, main_plane, without_holes

COUNT, SIZE = 8, (60, 80)
EYE = 0.05
"""Height of the cameras above the ground z = 0, before a wall at y = 2."""


def standing() -> Cameras:
    across = torch.linspace(-0.4, 0.4, COUNT)
    eyes = torch.stack([across, torch.zeros(COUNT), torch.full((COUNT,), EYE)], 1)
    poses = look_at(eyes, eyes + torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]))
    lens = torch.tensor([[60.0, 0, 40], [0, 60, 30], [0, 0, 1]])
    return Cameras(poses, lens.expand(COUNT, 3, 3).contiguous(), SIZE)


def seen_from(cameras: Cameras, noise: float) -> tuple[Depths, torch.Tensor]:
    """Depths of wall and ground, the ground's wrong by `noise` differently in each view; and where the ground is."""
    rays = pixel_rays(cameras) @ cameras.cam_from_world[:, None, :3, :3]
    ground = -EYE / rays[..., 2].clamp_max(-1e-9)
    wall = 2 / rays[..., 1]
    below = (rays[..., 2] < 0) & (ground < wall)
    factors = torch.exp(noise * torch.randn(COUNT, 1, 1, generator=torch.Generator().manual_seed(0)))
    depth = torch.where(below, ground * factors, wall)
    cosine = torch.where(below, (-rays[..., 2] / rays.norm(dim=-1)).clamp_min(0.05), 1.0)
    return Depths(depth, cosine), below


def test_ground_that_no_view_confirms_becomes_a_flat_sheet() -> None:
    cameras = standing()
    depths, below = seen_from(cameras, 0.1)
    believed = confirmed(depths, cameras)
    ground = find_ground(depths, believed, cameras, voxel=0.02)
    assert ground is not None
    near = ground.sheet.vertices[:, 1] < 2
    assert float(ground.sheet.vertices[near, 2].abs().max()) < 0.02
    assert float(ground.sheet.face_normals[:, 2].min()) > 0.95
    assert float((ground.depths.confidence[below] == 0).float().mean()) > 0.9
    assert torch.equal(ground.depths.confidence[~below], believed.confidence[~below])
    reached = unproject(cameras, torch.where(below, depths.depth, torch.ones(())))[below]
    assert float(ground.sheet.vertices[:, 1].max()) > 0.8 * min(2.0, float(reached[:, 1].max()))


def test_ground_on_which_all_agree_is_left_to_the_depths() -> None:
    cameras = standing()
    depths, _ = seen_from(cameras, 0.0)
    assert find_ground(depths, Depths(depths.depth, torch.ones_like(depths.depth)), cameras, voxel=0.02) is None


def test_points_all_over_the_place_make_no_plane() -> None:
    points = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0))
    assert main_plane(points, near=0.005) is None


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_plane_is_found_among_strays(share: float) -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(3000, 3, generator=generator)
    flat = torch.rand(3000, generator=generator) < share
    points[flat, 2] = 0.3 + 0.1 * points[flat, 0]
    plane = main_plane(points, near=0.005)
    assert plane is not None
    assert float((points[flat] @ plane.normal - plane.offset).abs().max()) < 0.005


def test_the_plane_does_not_hang_on_the_trials_luck() -> None:
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(40_000, 3, generator=generator)
    points[:30_000, 2] = 0.3 + 0.004 * torch.randn(30_000, generator=generator)
    planes = [main_plane(points[torch.randperm(len(points), generator=generator)], near=0.005) for _ in range(4)]
    found = torch.stack([plane.normal * plane.normal[2].sign() for plane in planes if plane is not None])
    assert len(found) == 4
    assert float((found - found[0]).norm(dim=1).max()) < 2e-5


def test_too_few_points_make_no_plane() -> None:
    assert main_plane(torch.zeros(0, 3), near=0.1) is None
    assert main_plane(torch.rand(2, 3), near=0.1) is None


def test_small_holes_of_the_sheet_are_filled_and_pits_stay() -> None:
    cells = torch.ones(60, 80, dtype=torch.bool)
    cells[10:14, 20:26] = False  # 24 of 4800
    cells[30:50, 40:60] = False  # 400
    cells[56:, 3:5] = False  # open to the side
    filled = without_holes(cells)
    assert bool(filled[10:14, 20:26].all())
    assert not bool(filled[30:50, 40:60].any())
    assert not bool(filled[56:, 3:5].any())
    assert bool(filled[cells].all())
