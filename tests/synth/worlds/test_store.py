"""What is written of a sample is read again, and a stopped run goes on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photoreal.core import FormatError
from photoreal.synth.worlds.render import Sample
from photoreal.synth.worlds.store import read_sample, render_worlds, stored_numbers, write_sample


def sample() -> Sample:
    y, x = np.mgrid[:40, :56]
    depth = (1 + 0.1 * x + 0.02 * y).astype(np.float32)
    depth[:10] = np.inf
    image = np.stack([x * 4, y * 5, x + y], -1).astype(np.uint8)
    return Sample(image, depth, 63.25, "room")


def test_depth_comes_back_to_a_part_in_thousands_and_the_sky_is_nothing(tmp_path: Path) -> None:
    write_sample(tmp_path, 7, sample())
    found = read_sample(tmp_path, 7)
    solid = np.isfinite(sample().depth)
    np.testing.assert_allclose(1 / found.inverse_depth[solid], sample().depth[solid], rtol=1e-4)
    assert (found.inverse_depth[~solid] == 0).all()
    assert found.horizontal_field_of_view == 63.25
    assert np.abs(found.image.astype(int) - sample().image).mean() < 8
    assert stored_numbers(tmp_path) == [7]


def test_what_is_there_stays_and_numbers_can_be_shared(tmp_path: Path) -> None:
    assert [step.done for step in render_worlds(tmp_path, 2, first=1, every=2, size=(28, 42))] == [0, 1]
    assert stored_numbers(tmp_path) == [1, 3]
    before = (tmp_path / "000001.png").stat().st_mtime_ns
    list(render_worlds(tmp_path, 3, first=1, every=1, size=(28, 42)))
    assert stored_numbers(tmp_path) == [1, 2, 3]
    assert (tmp_path / "000001.png").stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".*"))


def test_a_picture_that_is_no_sample_is_told(tmp_path: Path) -> None:
    write_sample(tmp_path, 7, sample())
    Image.fromarray(np.zeros((40, 56), np.uint16)).save(tmp_path / "000007.png")
    with pytest.raises(FormatError, match="does not say what its values mean"):
        read_sample(tmp_path, 7)
