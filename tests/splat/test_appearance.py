"""The sphere behind everything."""

import torch

from photoreal.core import Cameras, look_at, pixel_rays
from photoreal.splat import Background, background_image, constant_background
from photoreal.splat.harmonics import harmonic_basis


def camera(size: tuple[int, int]) -> Cameras:
    pose = look_at(torch.tensor([[1.0, 2.0, 0.5]]), torch.zeros(1, 3), torch.tensor([0.0, 0.0, 1.0]))
    height, width = size
    intrinsics = torch.tensor([[[width * 0.8, 0, width / 2], [0, width * 0.8, height / 2], [0, 0, 1]]])
    return Cameras(pose, intrinsics, size)


def test_a_constant_colour_is_that_colour_everywhere():
    colour = torch.tensor([0.2, 0.9, 0.4])
    image = background_image(constant_background(colour), camera((40, 60)))
    torch.testing.assert_close(image, colour[:, None, None].expand(3, 40, 60))


def test_the_interpolated_sphere_is_near_the_exact_one():
    harmonics = 0.3 * torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    view = camera((180, 240))
    rays = pixel_rays(view)[0] @ view.cam_from_world[0, :3, :3]
    exact = 0.5 + harmonic_basis(torch.nn.functional.normalize(rays, dim=-1), 16) @ harmonics
    image = background_image(Background(harmonics), view)
    # Within a cell of the edge, where there is nothing to interpolate towards, the nearest value stands.
    assert (image.permute(1, 2, 0) - exact)[16:-16, 16:-16].abs().max() < 0.01


def test_it_stays_put_when_the_camera_moves_without_turning():
    harmonics = 0.3 * torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    here = camera((40, 60))
    there = here.cam_from_world.clone()
    there[0, :3, 3] += torch.tensor([3.0, -2.0, 1.0])
    moved = Cameras(there, here.intrinsics, here.size)
    first, second = (background_image(Background(harmonics), view) for view in (here, moved))
    torch.testing.assert_close(first, second)
