"""Bodies made of chance stay within their measure."""

import numpy as np
import pytest

from photoreal.synth.worlds.bodies import VARIANTS, ball, block, body_of, cylinder, tube

KINDS = ("turned", "blob", "stone", "bar", "plate", "heap", "wheel")


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_stands_on_the_origin_within_a_cube_of_side_1(kind: str) -> None:
    shapes = [body_of(kind, number) for number in (0, 1, VARIANTS - 1)]
    for body in shapes:
        low, high = body.vertices.min(0), body.vertices.max(0)
        assert low[2] == pytest.approx(0, abs=1e-9)
        assert (high - low).max() == pytest.approx(1)
        np.testing.assert_allclose((low + high)[:2], 0, atol=1e-6)
        assert body.faces.min() >= 0
        assert body.faces.max() < len(body.vertices)
    assert not np.array_equal(shapes[0].vertices, shapes[1].vertices)
    assert body_of(kind, 0) is shapes[0]


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return abs(float((a * np.cross(b, c)).sum() / 6))


def test_simple_bodies_have_their_volume() -> None:
    assert volume(ball(60, 120).vertices, ball(60, 120).faces) == pytest.approx(np.pi / 6, rel=0.01)
    assert volume(cylinder(120).vertices, cylinder(120).faces) == pytest.approx(np.pi / 4, rel=0.01)
    assert np.ptp(block().vertices, axis=0).tolist() == [1, 1, 1]


def test_a_tube_is_as_thick_as_asked_along_its_path() -> None:
    path = np.stack([np.linspace(0, 3, 20), np.sin(np.linspace(0, 2, 20)), np.zeros(20)], -1)
    made = tube(path, 0.2, 12)
    away = np.linalg.norm(made.vertices.reshape(20, 12, 3) - path[:, None], axis=-1)
    np.testing.assert_allclose(away, 0.2, rtol=1e-6)
