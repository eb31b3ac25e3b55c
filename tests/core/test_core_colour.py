"""Colour: curves undo each other and bytes survive exactly."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import bytes_from_unit, linear_from_srgb, srgb_from_linear, unit_from_bytes

ALL = torch.arange(256, dtype=torch.uint8)


def test_every_byte_survives_the_way_to_unit_and_back() -> None:
    assert torch.equal(bytes_from_unit(unit_from_bytes(ALL)), ALL)
    assert torch.equal(bytes_from_unit(unit_from_bytes(ALL).double()), ALL)


def test_every_byte_survives_the_way_to_linear_light_and_back() -> None:
    assert torch.equal(bytes_from_unit(srgb_from_linear(linear_from_srgb(unit_from_bytes(ALL)))), ALL)


@given(value=st.floats(0, 1))
def test_the_curves_are_inverse(value: float) -> None:
    unit = torch.tensor([value], dtype=torch.float64)
    # Not exactly: the standard's constants are rounded, and the two branches meet within 1e-7.
    torch.testing.assert_close(srgb_from_linear(linear_from_srgb(unit)), unit, atol=2e-7, rtol=0)
    torch.testing.assert_close(linear_from_srgb(srgb_from_linear(unit)), unit, atol=2e-7, rtol=0)


def test_the_curves_rise_keep_both_ends_and_know_middle_grey() -> None:
    unit = torch.linspace(0, 1, 4097, dtype=torch.float64)
    for curve in (linear_from_srgb, srgb_from_linear):
        values = curve(unit)
        assert bool((values.diff() > 0).all())
        torch.testing.assert_close(values[[0, -1]], unit[[0, -1]])
    assert float(linear_from_srgb(torch.tensor([0.5]))) == pytest.approx(0.21404, abs=1e-5)


def test_gradients_are_finite_from_black_to_white() -> None:
    for curve in (linear_from_srgb, srgb_from_linear):
        unit = torch.linspace(0, 1, 101).requires_grad_()
        curve(unit).sum().backward()
        assert unit.grad is not None
        assert bool(torch.isfinite(unit.grad).all())


def test_what_lies_outside_is_clipped_and_halves_round_up() -> None:
    values = torch.tensor(
        [-1.0, -1e-6, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 1.001, 100.0, torch.inf, -torch.inf]
    )
    assert bytes_from_unit(values).tolist() == [0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 0]
