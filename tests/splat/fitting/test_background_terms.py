"""The background's terms over a picture against its harmonics, and their gradient against its transpose."""

import numpy as np
import pytest
import torch
from numba import njit

from photoreal.core import Cameras, pixel_rays
from photoreal.splat.fitting.kernels.background import (
    ROW_TERMS,
    TERMS,
    along_row,
    along_row_backward,
    background_backward,
    background_channel,
    height_of,
    place_in_row,
    terms_of_cameras,
)
from photoreal.splat.frame import camera_numbers
from photoreal.splat.harmonics import harmonic_basis
from photoreal.splat.kernels.lanes import load, store, total

SIZE = (9, 32)


@njit
def paint(terms, cam, height, width, image):
    """The background of every pixel, by the kernels' functions."""
    row_terms = np.empty(3 * ROW_TERMS, np.float32)
    for row in range(height):
        y = height_of(row, cam)
        along_row(terms, y, row_terms)
        for i in range(0, width, 16):
            x, inverse = place_in_row(i, y, cam)
            for c in range(3):
                store(image, (c * height + row) * width + i, background_channel(row_terms, c, x, inverse))


@njit
def unpaint(by_image, cam, height, width, by_terms):
    """The gradient by the terms, from that by the image."""
    lanes, by_row_terms = np.zeros(60 * 16, np.float32), np.zeros(3 * ROW_TERMS * 16, np.float32)
    for row in range(height):
        y = height_of(row, cam)
        for i in range(0, width, 16):
            x, inverse = place_in_row(i, y, cam)
            o, plane = row * width + i, height * width
            g = (load(by_image, o), load(by_image, plane + o), load(by_image, 2 * plane + o))
            background_backward(g, x, inverse, by_row_terms)
        along_row_backward(by_row_terms, y, lanes)
    for k in range(60):
        by_terms[k] = total(load(lanes, 16 * k))


def wide_camera(seed: int) -> Cameras:
    """A turned camera, 130 degrees wide, its principal point off the middle."""
    height, width = SIZE
    pose = torch.eye(4)
    pose[:3, :3] = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)))[0]
    pose[:3, :3] *= torch.linalg.det(pose[:3, :3])
    lens = torch.tensor([[[width / 4.3, 0, 0.4 * width], [0, width / 4, 0.6 * height], [0, 0, 1]]])
    return Cameras(pose[None], lens, SIZE)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_terms_paint_what_harmonics_do(seed: int):
    camera = wide_camera(seed)
    rng = np.random.default_rng(seed)
    harmonics = rng.normal(size=(16, 3)).astype(np.float32)
    rays = torch.nn.functional.normalize(pixel_rays(camera)[0] @ camera.cam_from_world[0, :3, :3], dim=-1)
    wanted = (harmonic_basis(rays.double(), 16) @ torch.from_numpy(harmonics).double()).permute(2, 0, 1)
    cam = camera_numbers(camera)
    terms = terms_of_cameras(cam[None])[0] @ harmonics
    image = np.empty(3 * SIZE[0] * SIZE[1], np.float32)
    paint(terms.reshape(-1), cam, *SIZE, image)
    np.testing.assert_allclose(image.reshape(3, *SIZE), wanted, atol=5e-6)


def test_gradient_is_the_transpose():
    rng = np.random.default_rng(3)
    cam = camera_numbers(wide_camera(3))
    terms, by_image = rng.normal(size=3 * TERMS).astype(np.float32), rng.normal(size=3 * 9 * 32).astype(np.float32)
    image, by_terms = np.empty_like(by_image), np.empty_like(terms)
    paint(terms, cam, *SIZE, image)
    unpaint(by_image, cam, *SIZE, by_terms)
    assert np.dot(image.astype(np.float64), by_image) == pytest.approx(
        np.dot(terms.astype(np.float64), by_terms), rel=1e-5
    )
