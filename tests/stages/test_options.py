"""Which options are refused, and which photos are held out."""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoreal.align import NetworkConfig
from photoreal.core import CaptureError, PhotorealError
from photoreal.models import EfficientLoftrConfig, XFeatConfig
from photoreal.splat import FitConfig
from photoreal.stages import PRESETS, Preset, ReconstructConfig, check_options, preset, split

NAMES = tuple(f"{number:02d}.jpg" for number in range(20))


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_can_be(name: Preset) -> None:
    check_options(preset(name))
    assert preset(name) == PRESETS[name]


def test_better_presets_do_more() -> None:
    draft, standard, best = (PRESETS[name] for name in ("draft", "standard", "best"))
    for key in ("steps", "max_gaussians"):
        assert getattr(draft.fit, key) < getattr(standard.fit, key) < getattr(best.fit, key)
    assert draft.read.max_side < standard.read.max_side < best.read.max_side


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "--seed is -1; it must be at least 0"),
        ({"seed": 2**40}, "--seed is 1099511627776; it must be at most 2147483647"),
        ({"hold_out": 1}, "--hold-out 1 holds out every photo"),
        ({"fit": {"steps": 0}}, "--fit.steps is 0"),
        ({"fit": {"surfaces_every": 0}}, "--fit.surfaces-every is 0; it must be at least 1"),
        ({"fit": {"distortion": -0.1}}, "--fit.distortion is -0.1; it must be at least 0"),
        ({"fit": {"coarse": ((0.5, float("inf")),)}}, "--fit.coarse is inf; it must be a finite number"),
        ({"film": {"side": 1}}, "--film.side is 1; it must be at least 16"),
        ({"fit": {"smoothing": True, "opacity_degree": 1}}, "--fit.smoothing needs opacity that is the same from all"),
        ({"vggt": {"side": 10}}, "--vggt.side is 10; it must be at least 56"),
        (
            {"sfm": {"networks": NetworkConfig(loftr=EfficientLoftrConfig(merge=0.0))}},
            r"--sfm\.networks\.loftr\.merge is 0\.0; it must be at least 0\.1",
        ),
        (
            {"sfm": {"networks": NetworkConfig(xfeat=XFeatConfig(max_features=-5))}},
            r"--sfm\.networks\.xfeat\.max-features is -5; it must be at least 50",
        ),
        ({"sfm": {"threads": 0}}, "--sfm.threads is 0; it must be at least 1"),
    ],
)
def test_options_that_cannot_be_are_named_as_on_the_command_line(changes: dict[str, object], words: str) -> None:
    config = ReconstructConfig()
    for name, value in changes.items():
        inner = getattr(config, name)
        new = dataclasses.replace(inner, **value) if isinstance(value, dict) else value
        config = dataclasses.replace(config, **{name: new})
    with pytest.raises(PhotorealError, match=words):
        check_options(config)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_told_before_anything_is_done() -> None:
    config = ReconstructConfig(fit=FitConfig(device="cuda"))
    with pytest.raises(PhotorealError, match=r"there is no CUDA device; leave out --fit\.device cuda"):
        check_options(config)


def test_holding_out_every_photo_by_number_is_fine_where_names_are_given() -> None:
    check_options(ReconstructConfig(hold_out=1, held_out=("a",)))


@given(count=st.integers(1, 40), every=st.integers(0, 12).filter(lambda n: n != 1))
def test_a_split_has_every_photo_once_and_holds_out_its_share(count: int, every: int) -> None:
    names = tuple(str(number) for number in range(count))
    kept, held = split(names, ReconstructConfig(hold_out=every))
    assert sorted(kept + held) == list(range(count))
    assert kept
    if every:
        assert abs(len(held) - count / every) < 1
        assert all(b - a == every for a, b in itertools.pairwise(held))
    else:
        assert held == []


def test_the_first_photo_and_the_last_are_seen() -> None:
    assert split(NAMES[:16], ReconstructConfig(hold_out=8)) == (
        [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15],
        [4, 12],
    )


def test_named_photos_are_held_out_with_or_without_suffix() -> None:
    kept, held = split(NAMES, ReconstructConfig(held_out=("03.jpg", "07", "not there")))
    assert held == [3, 7]
    assert len(kept) == 18


def test_names_that_no_photo_has_are_an_error() -> None:
    with pytest.raises(CaptureError, match=r"0 of the 20 photos used are named 99\.jpg or 98"):
        split(NAMES, ReconstructConfig(held_out=("99.jpg", "98")))


def test_something_must_be_left_to_fit() -> None:
    with pytest.raises(CaptureError, match="all 2 photos used are held out; leave some to fit"):
        split(NAMES[:2], ReconstructConfig(held_out=("00", "01")))
