import pytest
import torch
from balls import ball_mesh

from photoreal.core import Mesh
from photoreal.mesh.surface.cleaning import boundary_loops, close_holes, distances_to, smooth, without_floaters
from photoreal.mesh.surface.topology import boundary_edges, components, face_neighbours

BALL = ball_mesh()


def together(one: Mesh, other: Mesh) -> Mesh:
    return Mesh(torch.cat([one.vertices, other.vertices]), torch.cat([one.faces, other.faces + len(one.vertices)]))


def without_cap(mesh: Mesh, height: float) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[mesh.vertices[mesh.faces][..., 2].max(1).values < height])


def test_floaters_go_and_the_rest_stays() -> None:
    small = Mesh(0.05 * BALL.vertices + 2, BALL.faces)
    found = without_floaters(together(BALL, small), share=0.01)
    assert torch.equal(found.vertices, BALL.vertices)
    assert torch.equal(found.faces, BALL.faces)
    assert len(without_floaters(together(BALL, small), share=0.001).faces) == 2 * len(BALL.faces)


def test_parts_are_counted() -> None:
    count, part = components(together(BALL, Mesh(BALL.vertices + 5, BALL.faces)))
    assert count == 2
    assert torch.equal(part, torch.arange(2).repeat_interleave(len(BALL.faces)))


def test_neighbours_are_mutual_across_each_edge() -> None:
    neighbours = face_neighbours(BALL.faces)
    assert int(neighbours.min()) >= 0
    for face in range(0, len(BALL.faces), 97):
        for corner in range(3):
            other = int(neighbours[face, corner])
            ends = {int(BALL.faces[face, corner]), int(BALL.faces[face, (corner + 1) % 3])}
            assert ends <= set(BALL.faces[other].tolist())
            assert face in neighbours[other].tolist()


def test_small_holes_close_and_large_ones_stay() -> None:
    open_ball = without_cap(BALL, 0.95)
    hole = boundary_loops(open_ball)
    assert len(hole) == 1
    around = open_ball.vertices[torch.from_numpy(hole[0])]
    length = float((around - around.roll(1, 0)).norm(dim=1).sum())
    closed, count = close_holes(open_ball, perimeter=1.01 * length)
    assert count == 1
    assert len(boundary_edges(closed.faces)) == 0
    assert bool((closed.face_normals * closed.vertices[closed.faces].mean(1)).sum(1).gt(0).all())
    same, count = close_holes(open_ball, perimeter=0.99 * length)
    assert count == 0
    assert torch.equal(same.faces, open_ball.faces)


def test_loops_that_touch_in_a_vertex_are_closed_apart() -> None:
    # Two triangles that share one vertex only: their outlines are two loops through it.
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    mesh = Mesh(vertices, torch.tensor([[0, 1, 2], [0, 3, 4]]))
    assert sorted(sorted(loop.tolist()) for loop in boundary_loops(mesh)) == [[0, 1, 2], [0, 3, 4]]


def test_smoothing_takes_noise_and_keeps_the_size() -> None:
    noise = 0.01 * torch.randn(BALL.vertices.shape, generator=torch.Generator().manual_seed(0))
    found = smooth(Mesh(BALL.vertices + noise, BALL.faces), rounds=5)
    before, after = ((v.norm(dim=1) - 1) for v in (BALL.vertices + noise, found.vertices))
    assert float(after.std()) < 0.6 * float(before.std())
    assert abs(float(after.mean())) < 0.003


def test_smoothing_leaves_open_borders_where_they_are() -> None:
    open_ball = without_cap(BALL, 0.8)
    border = boundary_edges(open_ball.faces).unique()
    found = smooth(open_ball, rounds=3)
    assert torch.equal(found.vertices[border], open_ball.vertices[border])


def test_distances_are_to_the_surface() -> None:
    samples = torch.tensor([[0.0, 0, 0], [0, 0, 2], [1.5, 0, 0]])
    found = distances_to(BALL, samples)
    assert found.tolist() == pytest.approx([1, 1, 0.5], abs=0.02)
