"""The network against numbers of the reference at a small random configuration, its layout against the published."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from photoreal.core import Photos, drained
from photoreal.models import GeometryModel, VggtConfig
from photoreal.models.vggt import vggt as vggt_module
from photoreal.models.vggt.network.aggregator import Tokens
from photoreal.models.vggt.network.blocks import turned, turns_of
from photoreal.models.vggt.network.dense_head import depth_of, place_waves, points_of
from photoreal.models.vggt.network.shape import TrackShape, VggtShape
from photoreal.models.vggt.network.vggt_network import VggtNetwork
from photoreal.models.vggt.raw import RawPrediction

FIXTURES = Path(__file__).parent / "fixtures"
TINY = VggtShape(
    width=64,
    depth=4,
    heads=4,
    eye_depth=2,
    eye_heads=4,
    eye_grid=4,
    layers=(0, 1, 2, 3),
    camera_heads=4,
    fused=32,
    pyramid=(16, 32, 48, 48),
    track=TrackShape(features=32, hidden=48, levels=3, radius=2),
)
FIRST = {
    "camera_token", "register_token", "cls_token", "register_tokens", "mask_token", "pos_embed", "empty_pose_tokens",
    "query_ref_token",
}  # fmt: skip


def filled(network: nn.Module) -> nn.Module:
    """Every parameter drawn from a seed that is the checksum of its name: what the reference was filled with."""
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        last = name.rpartition(".")[2]
        noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        if last == "gamma" or (tensor.ndim == 1 and last == "weight"):
            state[name] = 1 + 0.1 * noise
        elif last in FIRST:
            state[name] = 0.5 * noise
        elif tensor.ndim <= 1:
            state[name] = 0.1 * noise
        else:
            state[name] = noise / (noise.numel() / noise.shape[0]) ** 0.5
    network.load_state_dict(state, strict=True)
    return network.eval().requires_grad_(requires_grad=False)


def of_reference(name: str) -> dict[str, Tensor]:
    return safetensors.torch.load_file(FIXTURES / f"vggt_{name}.safetensors")


def images(count: int = 3) -> Tensor:
    return torch.rand((1, 3, 3, 70, 98), generator=torch.Generator().manual_seed(1001))[0, :count]


@pytest.fixture(scope="module")
def network() -> VggtNetwork:
    return filled(VggtNetwork(TINY))


@pytest.fixture(scope="module")
def tokens(network: VggtNetwork) -> Tokens:
    return drained(network.tokens(images(), (0, 1, 2, 3)))


@pytest.fixture(scope="module")
def raw(network: VggtNetwork) -> RawPrediction:
    return drained(network.predict(images()))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_the_layout_is_that_of_the_published_checkpoint() -> None:
    published = json.loads((FIXTURES / "vggt_1b.json").read_text())
    with torch.device("meta"):
        network = VggtNetwork(VggtShape())
    ours = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert ours == published
    assert len(ours) == 1797
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 1_256_537_516


def test_tokens_of_patches(network: VggtNetwork) -> None:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images() - mean[:, None, None]) / deviation[:, None, None]
    with torch.no_grad():
        close(network.aggregator.patch_embed(normalised), of_reference("tokens")["vit_patch_tokens"])


@pytest.mark.parametrize("layer", range(4))
def test_tokens_of_every_layer(tokens: Tokens, layer: int) -> None:
    expected = of_reference("tokens")[f"tokens_{layer}"][0]
    close(tokens.layers[layer], expected[:, 5:])
    if layer == 3:
        close(tokens.camera, expected[:, 0])


def test_cameras_after_every_round(network: VggtNetwork, tokens: Tokens, raw: RawPrediction) -> None:
    expected = of_reference("pose")
    found = network.camera_head(tokens.camera)
    for index in range(4):
        close(found[index], expected[f"pose_enc_{index}"][0])
    close(raw.pose_encoding, expected["pose_enc_3"][0])


def test_depth_and_points(raw: RawPrediction) -> None:
    depth, points = of_reference("depth"), of_reference("points")
    close(raw.depth, depth["depth"][0, ..., 0])
    close(raw.depth_confidence, depth["depth_conf"][0])
    close(raw.points, points["world_points"][0])
    close(raw.point_confidence, points["world_points_conf"][0])


def test_tracks(network: VggtNetwork, tokens: Tokens) -> None:
    expected = of_reference("track")
    found = network.track_head(tokens.layers, tokens.grid, (70, 98), expected["query_points"][0], rounds=3)
    torch.testing.assert_close(found.pixels[0], expected["track_0"][0], atol=1e-3, rtol=0)
    torch.testing.assert_close(found.pixels[1], expected["track_1"][0], atol=2e-2, rtol=0)
    torch.testing.assert_close(found.pixels[2], expected["track_2"][0], atol=0.5, rtol=0)
    torch.testing.assert_close(found.visibility, expected["vis"][0], atol=1e-2, rtol=0)
    torch.testing.assert_close(found.confidence, expected["conf"][0], atol=1e-2, rtol=0)


def test_turns_and_places_are_told_as_the_reference_does() -> None:
    units = of_reference("units")
    found = turned(units["rope_x"], turns_of(units["rope_pos"][0], 16))
    torch.testing.assert_close(found, units["rope_out"], atol=1e-4, rtol=1e-4)
    waves = place_waves(16, (4, 5), 98 / 70).permute(1, 2, 0)
    torch.testing.assert_close(waves, units["uv_embed16"], atol=1e-4, rtol=1e-4)


def test_features_are_the_tokens_as_maps(raw: RawPrediction, tokens: Tokens) -> None:
    assert raw.features.layers == (0, 1, 2, 3)
    assert raw.features.grid == (5, 7)
    close(raw.features.layer(2)[1, :, 3, 4], tokens.layers[2, 1, 3 * 7 + 4])


def test_working_by_parts_changes_nothing(network: VggtNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = drained(network.predict(images()))
    for module in ("aggregator", "vggt_network"):
        monkeypatch.setattr(f"photoreal.models.vggt.network.{module}._PHOTOS", 1)
    monkeypatch.setattr("photoreal.models.vggt.network.blocks._PART", 7)
    parted = drained(network.predict(images()))
    close(parted.depth, whole.depth)
    close(parted.pose_encoding, whole.pose_encoding)
    close(parted.features.descriptors, whole.features.descriptors)


def test_who_watches_keeps_the_precision_that_is_set_and_the_heads_have_theirs(
    network: VggtNetwork, raw: RawPrediction
) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        steps = network.predict(images())
        for _ in range(4):
            next(steps)
            assert torch.is_autocast_enabled("cpu")
        found = drained(steps)
    close(found.depth, raw.depth)
    close(found.pose_encoding, raw.pose_encoding)


def test_layers_that_nobody_reads_are_not_kept(network: VggtNetwork, tokens: Tokens) -> None:
    found = drained(network.tokens(images(), (2,)))
    assert found.layers.shape[0] == 1
    close(found.layers[0], tokens.layers[2])
    close(found.camera, tokens.camera)


def test_the_photos_after_the_first_may_change_places(network: VggtNetwork, raw: RawPrediction) -> None:
    swapped = drained(network.predict(images()[[0, 2, 1]]))
    close(swapped.depth[[0, 2, 1]], raw.depth)
    close(swapped.pose_encoding[[0, 2, 1]], raw.pose_encoding)


def test_one_photo_alone_and_a_square_grid_work(network: VggtNetwork) -> None:
    alone = drained(network.predict(images(1)[:, :, :56, :56]))
    assert alone.depth.shape == (1, 56, 56)
    assert bool(alone.depth.isfinite().all())


def test_activations_have_the_right_ranges() -> None:
    numbers = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    depth, sure = depth_of(numbers[:, :2])
    assert bool((depth > 0).all())
    assert bool((sure > 1).all())
    points, _ = points_of(numbers)
    torch.testing.assert_close(points.abs().log1p() * points.sign(), numbers[:, :3].permute(0, 2, 3, 1))


def test_a_small_shape_differs_only_in_numbers() -> None:
    with torch.device("meta"):
        small, large = VggtNetwork(TINY), VggtNetwork(replace(VggtShape(), depth=4, eye_depth=2))
    assert list(small.state_dict()) == list(large.state_dict())


@pytest.mark.parametrize("size", [(48, 64), (90, 31), (50, 50)])
def test_a_checkpoint_of_one_s_own_sees_photos_of_any_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: VggtNetwork, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(vggt_module, "_shape", lambda: TINY)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "tiny.safetensors")
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    masks = torch.ones(2, *size, dtype=torch.bool)
    photos = Photos(images, masks, ("a", "b"), torch.zeros(2), torch.zeros(2, dtype=torch.long))
    model = VggtConfig(weights=tmp_path / "tiny.safetensors", side=70).load()
    assert isinstance(model, GeometryModel)
    found = drained(model(photos))
    assert found.model == "real: VGGT of tiny.safetensors"
    assert found.capture.cameras.size == size
    assert max(found.depths.size) == 70
    assert bool(found.depths.known.any())
    said = drained(model.predict(photos))
    assert said.features.layers == (0, 1, 2, 3)
    assert said.features.grid == (found.depths.size[0] // 14, found.depths.size[1] // 14)
