import itertools

import numpy as np
import pytest
import torch
from balls import ball_capture, ball_depths, ball_mesh

from photoreal.core import PhotorealError
from photoreal.mesh.kernels.labels import energy, least_energy, settle
from photoreal.mesh.surface.topology import face_neighbours
from photoreal.mesh.texture.bake import face_qualities
from photoreal.mesh.texture.labels import alike, choose
from photoreal.mesh.texture.sightings import sightings_of

BALL = ball_mesh()
CAPTURE = ball_capture(14)
SEEN = sightings_of(CAPTURE, BALL, ball_depths(CAPTURE.cameras), tolerance=0.02)
QUALITIES = face_qualities(SEEN, BALL)
Problem = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def problem(faces: np.ndarray, photos: int, most: int, weight: float, seed: int) -> Problem:
    """Costs, candidates, counts, neighbours, sides across and edge weights, at random, of a mesh's faces."""
    generator = np.random.default_rng(seed)
    neighbours = face_neighbours(torch.from_numpy(faces)).numpy()
    across = np.zeros_like(neighbours)
    weights = np.zeros(neighbours.shape, np.float32)
    for face, side in itertools.product(range(len(faces)), range(3)):
        other = neighbours[face, side]
        if other >= 0:
            across[face, side] = int(np.flatnonzero(neighbours[other] == face)[0])
            if other > face:
                weights[face, side] = weights[other, across[face, side]] = weight * generator.random()
    candidates = np.stack([generator.permutation(photos)[:most] for _ in faces]).astype(np.int32)
    costs = generator.random((len(faces), most)).astype(np.float32)
    return costs, candidates, generator.integers(0, most + 1, len(faces)), neighbours, across, weights


def strip(count: int) -> np.ndarray:
    return np.array([[i, i + 1, i + 2] if i % 2 == 0 else [i + 1, i, i + 2] for i in range(count)])


FAN = np.array([[0, 1 + i, 1 + (i + 1) % 7] for i in range(7)])
"""A closed ring of faces: its graph has a loop."""


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("faces", [strip(7), FAN])
def test_on_tiny_graphs_the_choice_is_the_best_of_all(faces: np.ndarray, seed: int) -> None:
    costs, candidates, counts, neighbours, across, weights = problem(faces, 4, 3, 1.0, seed)
    best = np.zeros(len(faces), np.int64)
    found = least_energy(costs, candidates, counts, neighbours, across, weights, 30, best)
    every = itertools.product(*(range(max(1, count)) for count in counts))
    least = min(energy(costs, candidates, counts, neighbours, weights, np.array(picks)) for picks in every)
    assert found == pytest.approx(least, abs=1e-5)
    assert found == pytest.approx(energy(costs, candidates, counts, neighbours, weights, best))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 3.0])
def test_it_is_never_worse_than_settling_face_by_face(weight: float) -> None:
    faces = ball_mesh(12).faces.numpy()
    costs, candidates, counts, neighbours, across, weights = problem(faces, 8, 6, weight, 1)
    settled = np.where(np.arange(6) < counts[:, None], costs, np.inf).argmin(1)
    settle(costs, candidates, counts, neighbours, weights, 100, settled)
    alone = energy(costs, candidates, counts, neighbours, weights, settled)
    best = np.zeros(len(faces), np.int64)
    found = least_energy(costs, candidates, counts, neighbours, across, weights, 30, best)
    assert found <= alone
    if weight == 1.0:
        assert found < 0.98 * alone


def seams(labels: torch.Tensor) -> int:
    beyond = labels[face_neighbours(BALL.faces)]
    return int((beyond != labels[:, None]).sum()) // 2


def test_faces_take_photos_that_see_them_and_seams_are_few_where_they_cost() -> None:
    free = choose(SEEN, BALL, QUALITIES, seam_cost=0.0)
    dear = choose(SEEN, BALL, QUALITIES, seam_cost=4.0)
    for labels in (free, dear):
        assert bool((QUALITIES.gather(1, labels[:, None]) > 0).all())
    assert seams(dear) < 0.9 * seams(free)
    assert torch.equal(dear, choose(SEEN, BALL, QUALITIES, seam_cost=4.0))


def test_a_face_that_no_photo_sees_has_none() -> None:
    hidden = BALL.vertices[BALL.faces].mean(1)[:, 2] < -0.3
    labels = choose(SEEN, BALL, QUALITIES * ~hidden[:, None], seam_cost=4.0)
    assert torch.equal(labels < 0, hidden)


def test_a_photo_of_something_else_is_unlike_the_others() -> None:
    generator = torch.Generator().manual_seed(0)
    colours = 0.5 + 0.02 * torch.randn(200, 7, 3, generator=generator)
    colours[:, 2] = torch.tensor([0.9, 0.1, 0.9])
    seen = torch.ones(200, 7, dtype=torch.bool)
    seen[:100, 5] = False
    kept = alike(colours, seen)
    assert not bool(kept[:, 2].any())
    assert not bool(kept[:100, 5].any())
    assert float(kept[:, [0, 1, 3, 4, 6]].float().mean()) > 0.99


def test_two_photos_cannot_outvote_each_other() -> None:
    colours = torch.tensor([[[0.1, 0.1, 0.1], [0.9, 0.9, 0.9], [0.0, 0.0, 0.0]]])
    seen = torch.tensor([[True, True, False]])
    assert torch.equal(alike(colours, seen), seen)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_a_cost_that_means_nothing_is_refused(cost: float) -> None:
    with pytest.raises(PhotorealError, match="cost of seams"):
        choose(SEEN, BALL, QUALITIES, seam_cost=cost)
