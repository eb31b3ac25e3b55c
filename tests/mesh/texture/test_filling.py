import torch
from balls import ball_mesh

from photoreal.core import Mesh, Points
from photoreal.mesh.surface.topology import joined
from photoreal.mesh.texture.filling import diffuse, from_points, over_surface


def test_known_texels_stay_and_unknown_ones_come_from_around() -> None:
    generator = torch.Generator().manual_seed(0)
    page, known = torch.rand(3, 50, 50, generator=generator), torch.zeros(50, 50, dtype=torch.bool)
    known[10:20, 10:20] = known[30:40, 5:45] = True
    page[:, 10:20, 10:20] = torch.tensor([1.0, 0.5, 0.0])[:, None, None]
    found = diffuse(page, known)
    assert torch.equal(found[:, known], page[:, known])
    assert torch.allclose(found[:, 8, 15], torch.tensor([1.0, 0.5, 0.0]), atol=0.1)
    low, high = page[:, known].amin(1), page[:, known].amax(1)
    assert bool((found >= low[:, None, None] - 1e-5).all())
    assert bool((found <= high[:, None, None] + 1e-5).all())


def test_halving_the_texture_does_not_mix_charts() -> None:
    page, known = torch.zeros(3, 64, 64), torch.zeros(64, 64, dtype=torch.bool)
    known[:, :30] = known[:, 34:] = True
    page[:, :, 34:] = 1.0
    half = torch.nn.functional.avg_pool2d(diffuse(page, known), 2)
    assert float(half[:, :, :15].max()) == 0.0
    assert float(half[:, :, 17:].min()) == 1.0


def test_nothing_known_changes_nothing() -> None:
    page = torch.rand(3, 8, 8)
    assert torch.equal(diffuse(page, torch.zeros(8, 8, dtype=torch.bool)), page)


def test_places_take_the_light_of_near_points() -> None:
    points = Points(
        torch.tensor([[0.0, 0, 0], [10.0, 0, 0]]),
        torch.tensor([[255, 0, 0], [0, 0, 255]], dtype=torch.uint8),
        torch.ones(2),
    )
    colours, there = from_points(torch.tensor([[0.1, 0, 0], [9.9, 0, 0], [5.0, 0, 0]]), points, reach=1.0)
    assert there.tolist() == [True, True, False]
    assert torch.allclose(colours[:2], torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]), atol=1e-6)


def test_vertices_without_colour_lie_smoothly_between_those_with() -> None:
    ball = ball_mesh()
    height = ball.vertices[:, 2]
    known = height.abs() > 0.5
    colours = torch.where(known, (height > 0).float(), torch.tensor(0.5))[:, None].expand(-1, 3).contiguous()
    found = over_surface(ball, colours, known)
    assert torch.equal(found[known], colours[known])
    assert abs(float(found[height.abs() < 0.05].mean()) - 0.5) < 0.05
    assert bool((found[(height > 0.2) & ~known] > 0.5).all())


def test_a_part_without_any_colour_has_the_mean() -> None:
    ball = ball_mesh(8)
    both = joined(ball, Mesh(ball.vertices + 5, ball.faces))
    known = torch.arange(len(both.vertices)) < len(ball.vertices)
    found = over_surface(both, known[:, None] * torch.tensor([0.2, 0.4, 0.6]), known)
    assert torch.allclose(found[~known], torch.tensor([0.2, 0.4, 0.6]), atol=1e-3)


def test_colours_stay_where_all_are_known_or_none() -> None:
    ball = ball_mesh(8)
    colours = torch.rand(len(ball.vertices), 3)
    for known in (torch.ones(len(colours), dtype=torch.bool), torch.zeros(len(colours), dtype=torch.bool)):
        assert torch.equal(over_surface(ball, colours, known), colours)
