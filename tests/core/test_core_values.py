"""Values are frozen, mapped as a whole, and refuse parts that do not belong together."""

import dataclasses

import pytest
import torch

from photoreal.core import (
    Cameras,
    Capture,
    Depths,
    Features,
    Gaussians,
    Geometry,
    Matches,
    Mesh,
    Photos,
    Points,
    TexturedMesh,
    Tracks,
    Value,
    join,
)
from photoreal.synth import toy_scene


def photos(names: tuple[str, ...] = ("a.jpg", "b.jpg", "c.jpg"), size: tuple[int, int] = (4, 6)) -> Photos:
    count = len(names)
    return Photos(
        torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, *size).contiguous(),
        torch.ones(count, *size, dtype=torch.bool),
        names,
        torch.arange(count, dtype=torch.float32),
        torch.arange(count),
    )


def cameras(count: int = 3, size: tuple[int, int] = (4, 6)) -> Cameras:
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, 2, 3] = torch.arange(count)
    return Cameras(poses, torch.eye(3).repeat(count, 1, 1), size)


def gaussians(count: int = 5) -> Gaussians:
    return Gaussians(
        torch.randn(count, 3),
        torch.randn(count, 4),
        torch.randn(count, 3),
        torch.randn(count, 1),
        torch.randn(count, 4, 3),
    )


EVERY_NOUN = [
    photos(),
    cameras(),
    Capture(photos(), cameras()),
    gaussians(),
    Points(torch.randn(4, 3), torch.zeros(4, 3, dtype=torch.uint8), torch.ones(4)),
    Tracks(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.randn(2, 2)),
    Depths(torch.ones(1, 2, 3), torch.ones(1, 2, 3)),
    Features(torch.ones(2, 1, 5, 2, 3), (6, 8)),
    Matches(torch.ones(2, 2), torch.zeros(2, 2), torch.tensor([0.5, 1.0])),
    Mesh(torch.randn(3, 3), torch.tensor([[0, 1, 2]])),
    TexturedMesh(
        torch.randn(3, 3),
        torch.randn(3, 3),
        torch.tensor([[0, 1, 2]]),
        torch.rand(3, 2),
        torch.tensor([0]),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.ones(1, 8, 8, dtype=torch.bool),
        torch.tensor([False]),
    ),
]
nouns = pytest.mark.parametrize("noun", EVERY_NOUN, ids=lambda noun: type(noun).__name__)


def tensors(value: Value) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    value.map(lambda tensor: found.append(tensor) or tensor)
    return found


@nouns
def test_values_are_frozen(noun: Value) -> None:
    first = dataclasses.fields(noun)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(noun, first, None)


@nouns
def test_map_reaches_every_tensor_also_of_nested_values_and_keeps_the_rest(noun: Value) -> None:
    copy = noun.map(torch.clone)
    assert type(copy) is type(noun)
    before, after = tensors(noun), tensors(copy)
    leaves = sum(len(tensors(f)) if isinstance(f, Value) else isinstance(f, torch.Tensor) for f in vars(noun).values())
    assert len(before) == len(after) == leaves >= 1
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new)
        assert old.data_ptr() != new.data_ptr()
    for name, field in vars(noun).items():
        if not isinstance(field, torch.Tensor | Value):
            assert getattr(copy, name) == field


@nouns
def test_to_moves_every_tensor(noun: Value) -> None:
    assert {tensor.device.type for tensor in tensors(noun.to("meta"))} == {"meta"}
    assert {tensor.device.type for tensor in tensors(noun.to(torch.device("cpu")))} == {"cpu"}


def test_replace_changes_what_it_names_and_nothing_else() -> None:
    whole = photos()
    changed = whole.replace(focal_hints=torch.full((3,), 7.0))
    assert changed.focal_hints.tolist() == [7, 7, 7]
    assert whole.focal_hints.tolist() == [0, 1, 2]
    assert changed.images is whole.images
    with pytest.raises(TypeError, match="focal_hint"):
        whole.replace(focal_hint=torch.zeros(3))


def test_replace_checks_again() -> None:
    with pytest.raises(ValueError, match="3 photos but 2 cameras"):
        Capture(photos(), cameras()).replace(cameras=cameras(2))


@pytest.mark.parametrize("names", [("a.jpg", "a.jpg", "b.jpg"), ("a.jpg", "b.jpg")])
def test_photos_need_distinct_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="3 images need as many distinct names, not 2"):
        photos().replace(names=names)


def test_captures_need_a_camera_of_the_right_size_for_each_photo() -> None:
    with pytest.raises(ValueError, match="3 photos but 4 cameras"):
        Capture(photos(), cameras(4))
    with pytest.raises(ValueError, match=r"photos are \(4, 6\) pixels but cameras \(6, 4\)"):
        Capture(photos(), cameras(size=(6, 4)))


def test_taking_keeps_photos_names_and_cameras_together() -> None:
    taken = Capture(photos(), cameras()).take([2, 0])
    assert len(taken) == 2
    assert taken.photos.names == ("c.jpg", "a.jpg")
    assert taken.photos.images[:, 0, 0, 0].tolist() == [2, 0]
    assert taken.photos.focal_hints.tolist() == [2, 0]
    assert taken.photos.lens_ids.tolist() == [2, 0]
    assert taken.cameras.cam_from_world[:, 2, 3].tolist() == [2, 0]
    assert len(Capture(photos(), cameras()).take([])) == 0
    assert photos().size == (4, 6)


def test_gaussians_are_taken_and_joined() -> None:
    some = gaussians()
    index = torch.tensor([True, False, True, False, False])
    both = join(some.take(index), some.take(~index))
    assert len(both) == len(some) == 5
    assert torch.equal(both.means, torch.cat([some.means[index], some.means[~index]]))
    assert torch.equal(some.take(torch.tensor([4, 1])).colour_harmonics, some.colour_harmonics[[4, 1]])


def test_a_layer_of_features_is_found_by_its_number() -> None:
    features = Features(torch.arange(60.0).reshape(2, 1, 5, 2, 3), (6, 8))
    torch.testing.assert_close(features.layer(8), features.descriptors[1])
    assert features.grid == (2, 3)
    assert len(features) == 1
    with pytest.raises(ValueError, match="2 layers of descriptors but 1 names"):
        Features(features.descriptors, (6,))


def test_geometry_has_a_depth_map_for_each_photo() -> None:
    scene = toy_scene(0, views=2, size=(6, 8))
    with pytest.raises(ValueError, match="2 photos but 1 depth maps"):
        Geometry(scene.capture, scene.depths.take([0]), "metric", "toy")
