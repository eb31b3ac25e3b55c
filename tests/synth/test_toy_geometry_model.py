"""The toy geometry model says what is true, and errs as much as it is told to."""

import pytest
import torch

from photoreal.core import drained
from photoreal.metrics import rotation_errors
from photoreal.models import GeometryModel
from photoreal.synth import ToyGeometry, ToyScene, toy_scene


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(2, views=6, size=(30, 40))


def test_without_errors_it_is_the_truth(room: ToyScene) -> None:
    model = ToyGeometry(room)
    assert isinstance(model, GeometryModel)
    found = drained(model(room.capture.photos.take([3, 1])))
    assert found.gauge == "metric"
    assert found.capture.photos.names == ("toy_003.png", "toy_001.png")
    torch.testing.assert_close(found.capture.cameras.cam_from_world, room.capture.cameras.cam_from_world[[3, 1]])
    torch.testing.assert_close(found.depths.depth, room.depths.depth[[3, 1]])


def test_errors_have_the_size_that_was_asked_for(room: ToyScene) -> None:
    photos = room.capture.photos
    turned = drained(ToyGeometry(room, rotation_degrees=1.0)(photos)).capture.cameras
    relative = rotation_errors(turned, room.capture.cameras)
    assert 0.3 < float(relative.mean()) < 3
    again = drained(ToyGeometry(room, rotation_degrees=1.0)(photos)).capture.cameras
    torch.testing.assert_close(again.cam_from_world, turned.cam_from_world, rtol=0, atol=0)
    noisy = drained(ToyGeometry(room, depth_noise=0.05)(photos)).depths.depth / room.depths.depth
    assert float(noisy.log().std()) == pytest.approx(0.05, rel=0.05)
    stretched = drained(ToyGeometry(room, depth_stretch=0.2)(photos)).depths.depth / room.depths.depth
    assert float(stretched.flatten(1).std(1).max()) < 1e-5
    assert float(stretched[:, 0, 0].log().std()) > 0.05
    shifted = drained(ToyGeometry(room, shift=0.1)(photos)).capture.cameras.centres - room.capture.cameras.centres
    assert 0.03 < float(shifted.abs().mean()) < 0.2
