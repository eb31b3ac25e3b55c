"""The cost of a patch against plain numpy, and what it must not depend on."""

import numpy as np
import pytest

from photoreal.align.dense.kernels.likeness import ROWS, WEIGHT, WORST, grey_at, patch_cost, patch_of, samples_of

SHIFT = np.array([1, 0, 2.25, 0, 1, -1.5, 0, 0, 1], np.float32)
TILTED = np.array([1.02, 0.03, 1.0, -0.02, 0.97, 2.0, 2e-4, -1e-4, 1], np.float32)


def smooth(seed: int) -> np.ndarray:
    ys, xs = np.mgrid[:60, :80].astype(np.float64)
    rng = np.random.default_rng(seed)
    waves = np.sum([np.sin(xs * a + ys * b + c) for a, b, c in rng.uniform(0.1, 0.6, (6, 3))], axis=0)
    return (0.5 + 0.06 * waves).astype(np.float32)


def patch(grey: np.ndarray, row: int, column: int, radius: int = 4) -> tuple[np.ndarray, float]:
    made = np.empty((ROWS, samples_of(radius, 2)), np.float32)
    return made, float(patch_of(grey, row, column, radius, 2, made))


def cost(first: np.ndarray, second: np.ndarray, homography: np.ndarray, row: int, column: int) -> float:
    made, variance = patch(first, row, column)
    cells = np.empty(made.shape[1], np.int32)
    masked = bool((second < 0).any())
    return float(patch_cost(second, masked, homography, row, column, 4, np.float32(variance), made, cells))


def by_numpy(first: np.ndarray, second: np.ndarray, homography: np.ndarray, row: int, column: int) -> float:
    weights, ours, theirs = [], [], []
    for i in range(-4, 5, 2):
        for j in range(-4, 5, 2):
            p = homography.reshape(3, 3).astype(np.float64) @ [column + 0.5 + j, row + 0.5 + i, 1]
            ours.append(float(first[row + i, column + j]))
            theirs.append(float(grey_at(second, np.float32(p[0] / p[2]), np.float32(p[1] / p[2]))))
            difference = first[row + i, column + j] - first[row, column]
            weights.append(np.exp(-(i * i + j * j) / (2 * 16) - difference**2 / (2 * 0.04)))
    w, a, b = np.array(weights) / np.sum(weights), np.array(ours), np.array(theirs)
    a, b = a - w @ a, b - w @ b
    return 1 - float(w @ (a * b) / np.sqrt((w @ (a * a)) * (w @ (b * b))))


@pytest.mark.parametrize("homography", [SHIFT, TILTED], ids=["shift", "tilted"])
def test_the_cost_is_one_less_the_weighted_correlation(homography: np.ndarray) -> None:
    first, second = smooth(0), smooth(1)
    for row, column in ((20, 30), (33, 41), (12, 60)):
        assert cost(first, second, homography, row, column) == pytest.approx(
            by_numpy(first, second, homography, row, column), abs=2e-3
        )


def test_a_photo_is_like_itself_whatever_its_brightness_and_contrast() -> None:
    grey, same = smooth(2), np.array([1, 0, 0, 0, 1, 0, 0, 0, 1], np.float32)
    assert cost(grey, grey, same, 30, 30) < 1e-4
    assert cost(grey, (0.6 * grey + 0.2).astype(np.float32), same, 30, 30) < 1e-3
    assert cost(grey, (1 - grey).astype(np.float32), same, 30, 30) > 1.9


def test_masked_pixels_count_for_nothing() -> None:
    first, second = smooth(0), smooth(1)
    damaged = second.copy()
    damaged[0, 0] = -1
    whole, part = (cost(first, one, TILTED, 33, 41) for one in (second, damaged))
    assert whole == pytest.approx(part, abs=1e-3)
    holes = first.copy()
    holes[28:32, 30:50] = -1
    made, _ = patch(holes, 33, 41)
    assert made[WEIGHT].sum() == pytest.approx(1, abs=1e-5)
    assert (made[WEIGHT, :10] == 0).sum() >= 5


def test_what_is_outside_or_flat_cannot_be_compared() -> None:
    grey = smooth(3)
    far = np.array([1, 0, 500, 0, 1, 0, 0, 0, 1], np.float32)
    behind = np.array([1, 0, 0, 0, 1, 0, 0, 0, -1], np.float32)
    same = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1], np.float32)
    assert cost(grey, grey, far, 30, 30) == WORST
    assert cost(grey, grey, behind, 30, 30) == WORST
    assert cost(np.full_like(grey, 0.5), grey, same, 30, 30) == WORST
    assert cost(grey, np.full_like(grey, 0.5), same, 30, 30) == WORST
