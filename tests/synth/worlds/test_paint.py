"""Textures at all their sizes."""

import numpy as np

from photoreal.synth.worlds.paint import SIDE, SIZES, STARTS, textures


def test_each_size_is_the_mean_of_the_one_before() -> None:
    texels = textures().texels[:20].astype(np.float64)
    for level in range(3):
        side = SIZES[level]
        fine, coarse = (
            texels[:, STARTS[k] : STARTS[k] + SIZES[k] ** 2].reshape(20, SIZES[k], SIZES[k], 3)
            for k in (level, level + 1)
        )
        mean = fine.reshape(20, side // 2, 2, side // 2, 2, 3).mean((2, 4))
        np.testing.assert_allclose(mean, coarse, atol=1.5)


def test_kinds_share_out_all_rows_and_no_texture_is_empty() -> None:
    found = textures()
    rows = sorted(row for members in found.kinds.values() for row in members)
    assert rows == list(range(len(found.texels)))
    finest = found.texels[:, : SIDE * SIDE].reshape(len(rows), -1)
    assert (finest.std(1) > 0.5).all()
