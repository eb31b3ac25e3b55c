"""Axioms of rotations, rigid motions and similarities."""

import math

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch import Tensor

from photoreal.core import (
    fit_similarity,
    invert_rigid,
    look_at,
    matrix_from_quaternion,
    quaternion_from_matrix,
    rigid,
    rotation_from_vector,
    similarity_scale,
    skew,
    transform_points,
)

EXACT = {"atol": 1e-9, "rtol": 1e-9}
IDENTITY = torch.eye(4, dtype=torch.float64)


def double(values) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def coordinates(count: int, bound: float) -> st.SearchStrategy[Tensor]:
    return st.tuples(*[st.floats(-bound, bound)] * count).map(double)


vectors = coordinates(3, 5)
axes = vectors.filter(lambda v: v.norm() > 0.1).map(lambda v: v / v.norm())
rotations = st.builds(lambda axis, angle: rotation_from_vector(angle * axis), axes, st.floats(0, math.pi))
half_turns = axes.map(lambda axis: 2 * torch.outer(axis, axis) - IDENTITY[:3, :3])
motions = st.builds(rigid, rotations, vectors)
clouds = st.integers(0, 10_000).map(
    lambda seed: torch.randn(12, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
)


@given(a=motions, b=motions, c=motions)
def test_rigid_motions_are_a_group(a: Tensor, b: Tensor, c: Tensor) -> None:
    torch.testing.assert_close((a @ b) @ c, a @ (b @ c), **EXACT)
    torch.testing.assert_close(a @ invert_rigid(a), IDENTITY, **EXACT)
    torch.testing.assert_close(invert_rigid(a) @ a, IDENTITY, **EXACT)
    torch.testing.assert_close(invert_rigid(a @ b), invert_rigid(b) @ invert_rigid(a), **EXACT)
    torch.testing.assert_close(a @ IDENTITY, a, **EXACT)
    closed = (a @ b)[:3, :3]
    torch.testing.assert_close(closed @ closed.T, IDENTITY[:3, :3], **EXACT)
    assert torch.linalg.det(closed) == pytest.approx(1)


@given(a=motions, b=motions, points=clouds)
def test_rigid_motions_act_on_points_and_keep_distances(a: Tensor, b: Tensor, points: Tensor) -> None:
    torch.testing.assert_close(
        transform_points(a @ b, points), transform_points(a, transform_points(b, points)), **EXACT
    )
    torch.testing.assert_close(transform_points(invert_rigid(a), transform_points(a, points)), points, **EXACT)
    torch.testing.assert_close(torch.pdist(transform_points(a, points)), torch.pdist(points), **EXACT)


def test_inverting_a_batch_inverts_each() -> None:
    batch = rigid(rotation_from_vector(torch.randn(2, 5, 3)), torch.randn(2, 5, 3))
    torch.testing.assert_close(invert_rigid(batch), torch.linalg.inv(batch), atol=1e-5, rtol=1e-5)


@given(rotation=rotations | half_turns)
@example(rotation=torch.diag(double([1, -1, -1])))
@example(rotation=torch.diag(double([-1, 1, -1])))
@example(rotation=torch.diag(double([-1, -1, 1])))
@example(rotation=torch.eye(3, dtype=torch.float64))
def test_matrix_to_quaternion_and_back(rotation: Tensor) -> None:
    quaternion = quaternion_from_matrix(rotation)
    assert quaternion[0] >= 0
    assert quaternion.norm() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(matrix_from_quaternion(quaternion), rotation, **EXACT)


@given(quaternion=coordinates(4, 3).filter(lambda q: q.norm() > 0.01))
def test_quaternion_to_matrix_and_back_up_to_norm_and_sign(quaternion: Tensor) -> None:
    matrix = matrix_from_quaternion(quaternion)
    torch.testing.assert_close(matrix @ matrix.T, IDENTITY[:3, :3], **EXACT)
    assert torch.linalg.det(matrix) == pytest.approx(1)
    unit = quaternion / quaternion.norm()
    assert abs(float(quaternion_from_matrix(matrix) @ unit)) == pytest.approx(1, abs=1e-9)


@given(axis=axes, angle=st.floats(math.pi - 1e-4, math.pi))
def test_float32_rotations_near_half_turns_survive(axis: Tensor, angle: float) -> None:
    rotation = rotation_from_vector(angle * axis).float()
    torch.testing.assert_close(matrix_from_quaternion(quaternion_from_matrix(rotation)), rotation, atol=2e-6, rtol=0)


def test_quaternions_are_wxyz() -> None:
    quarter = math.sqrt(0.5)
    x_to_y = matrix_from_quaternion(double([quarter, 0, 0, quarter]))
    torch.testing.assert_close(x_to_y @ double([1, 0, 0]), double([0, 1, 0]), **EXACT)


def test_batches_of_quaternions_are_each_on_their_own() -> None:
    quaternions = torch.randn(4, 6, 4, dtype=torch.float64)
    matrices = matrix_from_quaternion(quaternions)
    torch.testing.assert_close(matrices[2, 3], matrix_from_quaternion(quaternions[2, 3]))
    torch.testing.assert_close(quaternion_from_matrix(matrices)[1, 5], quaternion_from_matrix(matrices[1, 5]))


@given(axis=axes, angle=st.floats(0, 2 * math.pi))
def test_a_rotation_vector_is_an_axis_and_an_angle(axis: Tensor, angle: float) -> None:
    rotation = rotation_from_vector(angle * axis)
    torch.testing.assert_close(rotation @ axis, axis, **EXACT)
    assert float(rotation.trace()) == pytest.approx(1 + 2 * math.cos(angle), abs=1e-9)
    across = torch.linalg.cross(axis, double([0.3, -0.5, 0.8]))
    assert float(torch.linalg.cross(across, rotation @ across) @ axis) == pytest.approx(
        float(across @ across) * math.sin(angle), abs=1e-9
    )


def test_the_rotation_of_no_vector_is_none_and_its_derivative_is_skew() -> None:
    zero = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(rotation_from_vector(zero), IDENTITY[:3, :3])
    slope = torch.autograd.functional.jacobian(rotation_from_vector, zero)
    torch.testing.assert_close(slope @ double([1, 2, 3]), skew(double([1, 2, 3])))
    assert torch.autograd.gradcheck(rotation_from_vector, zero.clone().requires_grad_())


@given(a=vectors, b=vectors)
def test_skew_is_the_cross_product(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(skew(a) @ b, torch.linalg.cross(a, b), **EXACT)


@given(points=clouds, rotation=rotations, move=vectors, scale=st.floats(0.01, 100))
def test_a_similarity_is_recovered(points: Tensor, rotation: Tensor, move: Tensor, scale: float) -> None:
    truth = rigid(scale * rotation, move)
    torch.testing.assert_close(
        fit_similarity(points, transform_points(truth, points)), truth, atol=1e-8 * (1 + scale), rtol=1e-8
    )
    assert similarity_scale(truth) == pytest.approx(scale)


@given(points=clouds, rotation=rotations, scale=st.floats(0.1, 10))
def test_flat_points_and_mirrored_ones_give_a_rotation_and_no_mirror(points: Tensor, rotation: Tensor, scale: float):
    flat = points * double([1, 1, 0])
    truth = rigid(scale * rotation, double([1, 2, 3]))
    torch.testing.assert_close(fit_similarity(flat, transform_points(truth, flat)), truth, atol=1e-7, rtol=1e-7)
    mirrored = fit_similarity(points, points * double([1, 1, -1]))
    assert torch.linalg.det(mirrored[:3, :3]) > 0


@given(points=clouds, seed=st.integers(0, 1000), nudge=coordinates(7, 0.05))
def test_no_other_similarity_is_nearer(points: Tensor, seed: int, nudge: Tensor) -> None:
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    target = 2 * points + 0.3 * noise
    best = fit_similarity(points, target)

    def cost(similarity: Tensor) -> float:
        return float((transform_points(similarity, points) - target).square().sum())

    other = rigid((1 + nudge[6]) * rotation_from_vector(nudge[:3]), nudge[3:6]) @ best
    assert cost(best) <= cost(other) + 1e-9


@given(centre=vectors, target=vectors)
def test_look_at_puts_the_target_on_the_axis_and_up_above(centre: Tensor, target: Tensor) -> None:
    up = double([0, 0, 1])
    across = torch.linalg.cross(target - centre, up).norm()
    assume(across > 1e-3)
    cam_from_world = look_at(centre, target, up)
    torch.testing.assert_close(cam_from_world @ invert_rigid(cam_from_world), IDENTITY, **EXACT)
    assert torch.linalg.det(cam_from_world[:3, :3]) == pytest.approx(1)
    distance = float((target - centre).norm())
    torch.testing.assert_close(transform_points(cam_from_world, target), double([0, 0, distance]), atol=1e-7, rtol=0)
    torch.testing.assert_close(transform_points(cam_from_world, centre), double([0, 0, 0]), atol=1e-7, rtol=0)
    upward = cam_from_world[:3, :3] @ up
    assert abs(float(upward[0])) < 1e-9, "up must not lean sideways"
    assert upward[1] < 0, "y is down, so up has a negative y"


@given(centre=vectors, sign=st.sampled_from([-1.0, 1.0]), up=axes)
def test_looking_straight_along_up_still_gives_a_rigid_motion(centre: Tensor, sign: float, up: Tensor) -> None:
    cam_from_world = look_at(centre, centre + 2 * sign * up, up)
    torch.testing.assert_close(cam_from_world @ invert_rigid(cam_from_world), IDENTITY, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        transform_points(cam_from_world, centre + 2 * sign * up), double([0, 0, 2]), atol=1e-6, rtol=0
    )
    assert torch.linalg.det(cam_from_world[:3, :3]) == pytest.approx(1)


@given(centre=vectors, up=axes, aside=axes, lean=st.floats(-9, -1))
def test_looking_nearly_along_up_is_still_rigid_in_float32(
    centre: Tensor, up: Tensor, aside: Tensor, lean: float
) -> None:
    target = centre + up + 10**lean * aside
    cam_from_world = look_at(centre.float(), target.float(), up.float())
    rotation = cam_from_world[:3, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
