"""Geometry metrics against brute force, closed forms and the gauges they promise to take out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import CaptureError
from photoreal.metrics import (
    DepthError,
    accuracy,
    chamfer,
    completeness,
    depth_error,
    f_score,
    precision,
    recall,
)


def clouds(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(40, 3, generator=generator), torch.rand(60, 3, generator=generator)


@given(seed=st.integers(0, 100), threshold=st.floats(0.01, 0.5))
def test_distances_agree_with_brute_force(seed: int, threshold: float) -> None:
    points, truth = clouds(seed)
    distances = torch.cdist(points.double(), truth.double())
    ours, theirs = distances.min(1).values, distances.min(0).values
    assert accuracy(points, truth) == pytest.approx(float(ours.mean()))
    assert completeness(points, truth) == pytest.approx(float(theirs.mean()))
    assert chamfer(points, truth) == pytest.approx(float(ours.mean() + theirs.mean()) / 2)
    p, r = float((ours < threshold).double().mean()), float((theirs < threshold).double().mean())
    assert precision(points, truth, threshold=threshold) == pytest.approx(p)
    assert recall(points, truth, threshold=threshold) == pytest.approx(r)
    assert f_score(points, truth, threshold=threshold) == pytest.approx(2 * p * r / (p + r) if p + r else 0)


def test_part_of_a_surface_is_accurate_but_not_complete() -> None:
    _, truth = clouds()
    part = truth[:20]
    assert accuracy(part, truth) == 0
    assert completeness(part, truth) > 0
    assert completeness(part, truth) == accuracy(truth, part)
    assert f_score(truth, truth, threshold=1e-6) == 1
    assert f_score(part, part + 10, threshold=1.0) == 0


def test_no_points_are_an_error() -> None:
    points, _ = clouds()
    with pytest.raises(CaptureError, match="0 points cannot be compared with 40"):
        chamfer(points[:0], points)
    with pytest.raises(CaptureError, match="40 points cannot be compared with 0"):
        f_score(points, points[:0], threshold=0.1)


def depths(seed: int = 0) -> torch.Tensor:
    return 1 + 4 * torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_known_depth_error() -> None:
    truth = torch.tensor([1.0, 2.0, 4.0, 5.0])
    depth = torch.tensor([1.1, 2.0, 2.0, 7.0])
    found = depth_error(depth, truth)
    assert found.abs_rel == pytest.approx((0.1 + 0 + 0.5 + 0.4) / 4, abs=1e-6)
    assert found.delta1 == 0.5


@given(seed=st.integers(0, 100), scale=st.floats(0.01, 100), offset=st.floats(-5, 5))
def test_the_gauge_is_taken_out(seed: int, scale: float, offset: float) -> None:
    truth = depths(seed)
    perfect = depth_error(scale * truth, truth, gauge="scale_invariant")
    assert perfect.abs_rel < 1e-12
    assert perfect.delta1 == 1
    assert depth_error((truth - offset) / scale, truth, gauge="affine_invariant").abs_rel < 1e-9
    noisy = truth + 0.1 * depths(seed + 1)
    expected = depth_error(noisy, truth, gauge="scale_invariant").abs_rel
    assert depth_error(scale * noisy, truth, gauge="scale_invariant").abs_rel == pytest.approx(expected)


def test_more_freedom_fits_a_metric_error() -> None:
    truth = depths()
    assert depth_error(2 * truth, truth).abs_rel == pytest.approx(1)
    assert depth_error(2 * truth, truth).delta1 == 0


def test_pixels_without_truth_or_masked_do_not_count() -> None:
    truth = depths()
    depth = 1.05 * truth
    truth[0, 0, :4] = torch.tensor([0, -1, torch.nan, torch.inf])
    mask = torch.ones_like(truth, dtype=torch.bool)
    mask[1] = False
    depth[1] = torch.nan
    found = depth_error(depth, truth, mask)
    assert isinstance(found, DepthError)
    assert found.abs_rel == pytest.approx(0.05)
    with pytest.raises(CaptureError, match="72 of 212 depths to compare are not finite"):
        depth_error(depth, truth)
    with pytest.raises(CaptureError, match="none of 216 pixels"):
        depth_error(depth, truth, torch.zeros_like(mask))


def test_a_depth_behind_the_camera_is_outside_every_factor() -> None:
    truth = torch.ones(4)
    assert depth_error(torch.tensor([1.0, 1.0, -1.0, 0.0]), truth).delta1 == 0.5
