"""The path tracer agrees with what can be computed by hand. Runs where the `synth` extra and an LLVM library are."""

import numpy as np
import pytest

from photoreal.core import MissingDependencyError
from photoreal.synth.pathtrace import ALBEDO_FLOOR, Radiance, Tracer, denoised
from photoreal.synth.reading_room import Light, Room
from photoreal.synth.shapes import Thing, at, panel
from photoreal.synth.textures import Finish

pytest.importorskip("mitsuba")


def grey_finish(value: float) -> Finish:
    return Finish(np.full((4, 4, 3), value, dtype=np.float32), (1.0, 1.0), 1.0, 0.0)


@pytest.fixture(scope="module")
def tracer() -> Tracer:
    """A floor of 20 m under a small lamp, 1 m above it."""
    floor = Thing("floor", panel(20, 20).moved(at(-10, -10, 0, tilt=-90)), grey_finish(0.5))
    lamp = Light(panel(0.1, 0.1).moved(at(-0.05, 0.05, 1.0, tilt=90)), np.full((4, 4, 3), 10.0, dtype=np.float32))
    try:
        return Tracer(Room((floor,), (lamp,)))
    except MissingDependencyError as error:
        pytest.skip(str(error))


def straight_down(spread: float, cells: int) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-spread, spread, cells + 1), np.linspace(-spread, spread, cells + 1))
    return np.stack([x, y, -np.ones_like(x)], -1).astype(np.float32)


def test_distances_are_along_the_given_ray(tracer: Tracer) -> None:
    depth = tracer.depth_of(np.array([0.3, 0.2, 0.8]), straight_down(0.5, 8))
    np.testing.assert_allclose(depth, 0.8, rtol=1e-5)
    assert np.isinf(tracer.depth_of(np.array([0.3, 0.2, 0.8]), -straight_down(0.1, 2))).all()


def test_light_below_a_lamp_follows_the_inverse_square(tracer: Tracer) -> None:
    seen = tracer.radiance(np.array([0.0, 0.0, 0.5]), straight_down(0.02, 4), strata=8, seed=1)
    light = (seen.light * (seen.albedo + ALBEDO_FLOOR)).mean()
    irradiance = 10.0 * 0.1**2
    # sRGB 0.5 is 21.4 % reflectance; Disney's diffuse lobe of a rough surface is not exactly Lambert's.
    assert light == pytest.approx(0.214 * irradiance / np.pi, rel=0.3)
    np.testing.assert_allclose(seen.albedo, 0.214, rtol=0.3)
    np.testing.assert_allclose(seen.normal, np.broadcast_to([0, 0, 1], seen.normal.shape), atol=1e-4)


def test_what_stands_between_blocks(tracer: Tracer) -> None:
    targets = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [3.0, 1.0, 0.2]])
    np.testing.assert_array_equal(
        tracer.blocked(np.array([1.0, 0.0, 0.9]), targets, tolerance=0.01), [False, True, False]
    )


def test_denoising_keeps_texture_and_removes_noise() -> None:
    pytest.importorskip("pyoidn")
    rng = np.random.default_rng(0)
    albedo = np.repeat(rng.uniform(0.1, 0.9, (96, 96, 1)), 3, -1).astype(np.float32)
    light = np.full_like(albedo, 0.5)
    noisy = (light * rng.gamma(4, 0.25, light.shape)).astype(np.float32)
    normal = np.broadcast_to(np.array([0, 0, 1], dtype=np.float32), albedo.shape).copy()
    clean = denoised(Radiance(noisy, albedo, normal))
    truth = light * (albedo + ALBEDO_FLOOR)
    assert np.abs(clean - truth).mean() < 0.2 * np.abs(noisy * (albedo + ALBEDO_FLOOR) - truth).mean()
