import dataclasses

import pytest
import torch
import tyro
from balls import ball_capture, ball_mesh, paint, surface_of

from photoreal.core import (
    Capture,
    PhotorealError,
    Points,
    bytes_from_unit,
    drained,
    linear_from_srgb,
    srgb_from_linear,
    unit_from_bytes,
)
from photoreal.mesh import Baked, TextureConfig, bake, render_mesh
from photoreal.metrics import psnr

BALL = ball_mesh()
NONE = Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8), torch.zeros(0))
CONFIG = TextureConfig(side=1024, rounds=0)
BEST = dataclasses.replace(CONFIG, mode="best")
both_modes = pytest.mark.parametrize("config", [CONFIG, BEST], ids=["blended", "best"])


def baked(capture: Capture, config: TextureConfig = CONFIG, others: Points = NONE) -> Baked:
    return drained(bake(capture, surface_of(BALL, capture.cameras), others, config))


def held_out_psnr(found: Baked, capture: Capture, views: tuple[int, ...] = (3, 8)) -> float:
    values = []
    for view in views:
        image, covered = render_mesh(found.mesh, capture.cameras.take([view]))
        inside = capture.photos.masks[view] & (covered == 1)
        values.append(psnr(image, unit_from_bytes(capture.photos.images[view]), inside))
    return sum(values) / len(values)


WHOLE = ball_capture()
SEEN = WHOLE.take([i for i in range(14) if i not in (3, 8)])


@both_modes
def test_the_texture_is_the_paint(config: TextureConfig) -> None:
    assert held_out_psnr(baked(SEEN, config), WHOLE) > 38


def test_refinement_brings_it_nearer() -> None:
    coarse = TextureConfig(side=1024, rounds=0, density=0.7, sharpness=1.0)
    finer = TextureConfig(side=1024, rounds=4, density=0.7, sharpness=1.0)
    assert held_out_psnr(baked(SEEN, finer), WHOLE) > held_out_psnr(baked(SEEN, coarse), WHOLE)


def noisy(capture: Capture) -> Capture:
    """As a camera would have it: each byte off by about 4."""
    noise = 4 * torch.randn(capture.photos.images.shape, generator=torch.Generator().manual_seed(0))
    images = (capture.photos.images + noise).round().clamp(0, 255).to(torch.uint8)
    return capture.replace(photos=capture.photos.replace(images=images))


@both_modes
def test_a_passer_by_in_one_photo_leaves_no_trace(config: TextureConfig) -> None:
    many = noisy(ball_capture(32))
    images = many.photos.images.clone()
    images[4, :, 20:70, 30:66] = torch.tensor([255, 0, 255], dtype=torch.uint8)[:, None, None]
    spoiled = many.replace(photos=many.photos.replace(images=images))
    views = (0, 1, 4, 6)
    clean = held_out_psnr(baked(many, config), many, views)
    assert held_out_psnr(baked(spoiled, config), many, views) > clean - 0.3


def test_exposures_are_brought_to_one() -> None:
    gains = torch.exp(0.2 * torch.randn(len(SEEN), 3, generator=torch.Generator().manual_seed(1)))
    gains = gains / gains.log().mean(0).exp()
    light = linear_from_srgb(unit_from_bytes(SEEN.photos.images)) * gains[:, :, None, None]
    odd = SEEN.replace(photos=SEEN.photos.replace(images=bytes_from_unit(srgb_from_linear(light))))
    found = baked(odd)
    assert torch.allclose(found.gains * gains, torch.ones_like(gains), atol=0.05)
    assert held_out_psnr(found, WHOLE) > 32


@both_modes
def test_what_no_photo_sees_comes_from_points_and_says_so(config: TextureConfig) -> None:
    upper = WHOLE.take([i for i in range(14) if float(WHOLE.cameras.centres[i, 2]) > 1.0])
    places = torch.nn.functional.normalize(torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    others = Points(places, bytes_from_unit(paint(places)), torch.ones(len(places)))
    found = baked(upper, config, others)
    assert 0.1 < found.unseen < 0.5
    assert baked(WHOLE, config).unseen < 0.01
    below = WHOLE.cameras.centres[:, 2].argmin()
    image, covered = render_mesh(found.mesh, WHOLE.cameras.take([int(below)]))
    photo = unit_from_bytes(WHOLE.photos.images[int(below)])
    assert psnr(image, photo, covered == 1) > 22
    height = found.mesh.vertices[found.mesh.faces].mean(1)[:, 2]
    spots = (found.mesh.uvs[found.mesh.faces].mean(1) * found.mesh.pages.shape[-1]).long()
    seen = found.mesh.seen[found.mesh.face_pages, spots[:, 1], spots[:, 0]]
    assert float(seen[height > 0.5].float().mean()) > 0.95
    assert float(seen[height < -0.8].float().mean()) < 0.05


@both_modes
def test_without_points_the_unseen_is_spread_from_the_seen(config: TextureConfig) -> None:
    upper = WHOLE.take([i for i in range(14) if float(WHOLE.cameras.centres[i, 2]) > 1.0])
    found = baked(upper, config)
    assert int(found.mesh.pages.float().amax(1).min()) > 30  # nothing is left black


def test_the_texture_spans_pages_when_it_must() -> None:
    found = baked(SEEN, TextureConfig(side=128, pages=4, rounds=1))
    assert len(found.mesh.pages) > 1
    assert held_out_psnr(found, WHOLE) > 30


def test_a_photo_with_little_light_is_not_divided_by_nothing() -> None:
    images = SEEN.photos.images.clone()
    images[2] = 0
    dark = SEEN.replace(photos=SEEN.photos.replace(images=images))
    found = baked(dark)
    assert bool(torch.isfinite(found.gains).all())
    assert held_out_psnr(found, WHOLE) > 30


@pytest.mark.parametrize(
    "config",
    [TextureConfig(sharpness=1.0), TextureConfig(sharpness=8.0), TextureConfig(mode="best")],
    ids=["even", "sharp", "best"],
)
def test_bytes_are_the_same_twice(config: TextureConfig) -> None:
    config = dataclasses.replace(config, side=512, rounds=1)
    assert torch.equal(baked(SEEN, config).mesh.pages, baked(SEEN, config).mesh.pages)


def test_what_is_no_mode_is_refused() -> None:
    assert tyro.cli(TextureConfig, args=["--mode", "best"]).mode == "best"
    with pytest.raises(SystemExit):
        tyro.cli(TextureConfig, args=["--mode", "worst"])


def test_a_cost_of_seams_that_means_nothing_is_refused() -> None:
    with pytest.raises(PhotorealError, match="cost of seams"):
        baked(SEEN, dataclasses.replace(BEST, seam_cost=-1.0))
