"""Going from coarse to fine keeps planes where they are."""

import numpy as np
import torch

from photoreal.align.dense.levels import Belief, enlarged, levels
from photoreal.synth import toy_scene


def test_each_level_is_twice_the_one_before_and_covers_the_same() -> None:
    capture = toy_scene(0, views=2, size=(240, 320)).capture
    found = levels(capture, 280)
    sizes = [level.cameras.size for level in found]
    assert sizes == [(105, 140), (210, 280)]
    assert len(levels(toy_scene(0, views=2, size=(60, 80)).capture, 640)) == 1
    means = [float(level.grey.mean()) for level in found]
    assert abs(means[0] - means[1]) < 1e-3


def test_a_pixel_that_is_masked_in_part_is_masked() -> None:
    capture = toy_scene(0, views=2, size=(240, 320)).capture
    masks = capture.photos.masks.clone()
    masks[0, 100, 50] = False
    capture = capture.replace(photos=capture.photos.replace(masks=masks))
    coarse = levels(capture, 160)[-1]
    assert coarse.grey[0, 50, 25] < 0
    assert (coarse.grey[0] < 0).sum() == 1
    assert coarse.masked.tolist() == [True, False]


def test_a_plane_stays_itself_when_enlarged() -> None:
    level = levels(toy_scene(0, views=1, size=(60, 80)).capture, 80)[0]
    fx, fy, cx, cy = level.lenses[0].astype(np.float64)
    normal, offset = np.array([0.3, 0.2, -0.9327379]), -2.5

    def depths(height: int, width: int) -> np.ndarray:
        ys, xs = (np.arange(height) + 0.5) * 60 / height, (np.arange(width) + 0.5) * 80 / width
        return offset / (normal[0] * ((xs - cx) / fx) + normal[1] * ((ys[:, None] - cy) / fy) + normal[2])

    planes = np.concatenate([np.broadcast_to(normal, (60, 80, 3)), depths(60, 80)[..., None]], axis=-1)
    flat = np.zeros((60, 80), np.float32)
    belief = Belief(planes.astype(np.float32), flat, flat.astype(np.uint32))
    fine = enlarged(belief, level.lenses[0], (121, 159))
    np.testing.assert_allclose(fine.planes[..., 3], depths(121, 159), rtol=1e-4)
    assert torch.from_numpy(fine.costs).shape == (121, 159)
