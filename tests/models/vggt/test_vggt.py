"""VGGT behind our protocols, with a network in its place that knows a toy scene."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from captures import heard
from torch import Tensor, nn
from vggt_truth import astray, told

from photoreal.core import (
    AlignmentError,
    CaptureError,
    FormatError,
    MissingWeightsError,
    PhotorealError,
    Photos,
    Step,
    invert_rigid,
    photo_sizes,
    rigid,
)
from photoreal.models import GeometryModel
from photoreal.models.vggt import Vggt, VggtConfig
from photoreal.models.vggt import vggt as vggt_module
from photoreal.models.vggt.geometry.framing import frame, framed
from photoreal.models.vggt.geometry.prediction import moved
from photoreal.models.vggt.pose_encoding import encoding_from_cameras
from photoreal.models.vggt.raw import RawPrediction
from photoreal.models.vggt.vggt import memory_gib, photos_that_fit
from photoreal.synth.toy import toy_scene

VIEWS, SIDE = 9, 112
PHOTOS = toy_scene(0, VIEWS, (168, 224), points=10)
"""What the photographs are taken of."""
SEEN = toy_scene(0, VIEWS, (84, SIDE), points=10)
"""The same at the size at which the network sees it."""
RELATIVE = invert_rigid(SEEN.capture.cameras.cam_from_world[:1])


ROOM_FOR_SIX = memory_gib(6, (84, SIDE)) + 0.5 * (memory_gib(7, (84, SIDE)) - memory_gib(6, (84, SIDE)))
"""GiB for photos of that size."""


class Knowing(nn.Module):
    """Tells photos of the toy scene by their pixels, and says the truth of them in the first one's frame.

    Each set of photos has a scale of its own, and confidence grows with the row.
    """

    patch = 14

    def __init__(self, images: Tensor, lens: Tensor | None = None) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2))
        self.images = images
        self.lens = lens
        self.asked: list[list[int]] = []
        self.pictures: list[Tensor] = []

    def predict(self, images: Tensor) -> Generator[Step, None, RawPrediction]:
        yield Step("looking", 0, len(images))
        rows = [int((self.images - image).abs().mean((1, 2, 3)).argmin()) for image in images]
        self.asked.append(rows)
        self.pictures.append(images)
        said = told(SEEN, rows)
        scale = torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.5 + 0.3 * len(self.asked)]))
        first = said.cameras.cam_from_world[0]
        said = moved(said, rigid(first[:3, :3] / scale[3, 3], first[:3, 3] / scale[3, 3]))
        cameras = said.cameras
        if self.lens is not None:
            intrinsics = cameras.intrinsics.clone()
            intrinsics[:, :2, :2] *= self.lens[rows][:, None, None]
            cameras = cameras.replace(intrinsics=intrinsics)
        encoding = encoding_from_cameras(cameras)
        encoding[:, 3:7] *= -1.7
        sure = 1 + torch.arange(1.0, 85.0)[:, None].expand(len(rows), 84, SIDE)
        return RawPrediction(encoding, said.depths.depth * self.gain[0], sure, said.point_map, sure + 1, said.features)


def model(*, lens: Tensor | None = None, **options: Any) -> tuple[Vggt, Knowing]:
    network = Knowing(shown_to_it(), lens)
    network.requires_grad_(requires_grad=False)
    return Vggt(network, VggtConfig(side=SIDE, **options), "a stand-in", torch.device("cpu")), network


def photos_of() -> Photos:
    return PHOTOS.capture.photos


def shown_to_it() -> Tensor:
    photos = photos_of()
    return framed(photos, frame(photo_sizes(photos), photos.size, (84, SIDE), 14))[0]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, [list(range(9))]),
        ({"photos_at_once": 5, "overlap": 2}, [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [4, 5, 6, 7, 8]]),
        ({"photos_at_once": 7, "overlap": 4}, [list(range(7)), list(range(2, 9))]),
    ],
)
def test_the_geometry_is_what_the_network_knows(options: dict[str, int], asked: list[list[int]]) -> None:
    knowing, network = model(**options)
    assert isinstance(knowing, GeometryModel)
    steps, geometry = heard(knowing(photos_of()))
    assert network.asked == asked
    assert {step.phase for step in steps} == {"looking", *(["windows of photos"] if len(asked) > 1 else [])}
    assert (geometry.gauge, geometry.model) == ("scale_invariant", "a stand-in")
    assert geometry.capture.photos.names == photos_of().names
    cameras, true = geometry.capture.cameras, PHOTOS.capture.cameras
    torch.testing.assert_close(cameras.intrinsics, true.intrinsics, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(cameras.cam_from_world[0], torch.eye(4), rtol=0, atol=1e-5)
    places, degrees, scale = astray(cameras, true)
    assert places < 1e-3
    assert degrees < 0.1
    # One scale for all: the first window's.
    assert scale == pytest.approx(0.8, rel=1e-3)
    torch.testing.assert_close(scale * geometry.depths.depth, SEEN.depths.depth, rtol=2e-3, atol=0)
    torch.testing.assert_close(geometry.depths.confidence[:, :, 0], torch.arange(1.0, 85.0).expand(VIEWS, 84))


def test_all_that_the_network_says_comes_back() -> None:
    knowing, _ = model(photos_at_once=5, overlap=2)
    _, said = heard(knowing.predict(photos_of()))
    assert said.cameras.size == (168, 224)
    assert said.features.layers == (4, 23)
    assert said.features.descriptors[0, :, 0, 0, 0].tolist() == list(range(VIEWS))
    torch.testing.assert_close(said.point_confidence[:, :, 5], torch.arange(2.0, 86.0).expand(VIEWS, 84))
    in_cam = (SEEN.capture.cameras.cam_from_world[0, :3, :3] @ told(SEEN, range(VIEWS)).point_map[..., None])[..., 0]
    in_cam = (in_cam + SEEN.capture.cameras.cam_from_world[0, :3, 3]) / 0.8
    torch.testing.assert_close(said.point_map, in_cam, rtol=0, atol=1e-2)


def test_masked_pixels_are_neither_shown_nor_believed() -> None:
    knowing, network = model()
    photos = photos_of()
    masks = photos.masks.clone()
    masks[:, :, 200:] = False
    _, said = heard(knowing.predict(photos.replace(masks=masks)))
    assert bool((said.depths.confidence[:, :, 100:] == 0).all())
    assert bool((said.depths.confidence[:, :, :100] > 0).all())
    assert bool((said.point_confidence[:, :, 100:] == 0).all())
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    torch.testing.assert_close(network.pictures[0][0, :, :, 102:], mean.expand(3, 84, 10), rtol=0, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"photos_at_once": 6, "overlap": 3}])
def test_known_lenses_are_what_the_cameras_have_and_bring_depth_right(options: dict[str, int]) -> None:
    lens = torch.tensor([1.1, 0.9, 1.05, 0.95, 1.1, 0.9, 1.0, 1.08, 0.93])
    true = PHOTOS.capture.cameras
    wrong, known = model(lens=lens, **options)[0], model(lens=lens, **options)[0]
    _, guessed = heard(wrong.predict(photos_of()))
    _, said = heard(known.predict(photos_of(), true.intrinsics))
    assert said.cameras.intrinsics.equal(true.intrinsics)
    torch.testing.assert_close(guessed.cameras.intrinsics[:, 0, 0], lens * true.intrinsics[:, 0, 0], rtol=1e-4, atol=0)
    assert astray(said.cameras, true)[0] < (1e-3 if not options else 0.05)
    assert said.cameras.size == (168, 224)


@pytest.mark.parametrize(
    ("intrinsics", "complaint"),
    [
        (torch.eye(3).repeat(3, 1, 1), "3 intrinsics for 9 photos"),
        (torch.zeros(VIEWS, 3, 3), "the least focal length given is 0.0 pixels"),
        (torch.full((VIEWS, 3, 3), torch.nan), "some of the intrinsics given are no finite numbers"),
    ],
)
def test_intrinsics_of_no_lens_are_refused(intrinsics: Tensor, complaint: str) -> None:
    with pytest.raises(CaptureError, match=complaint):
        heard(model()[0].predict(photos_of(), intrinsics))


def test_a_camera_that_is_not_finite_is_an_error_and_such_depth_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    knowing, network = model()
    network.gain.fill_(torch.inf)
    _, geometry = heard(knowing(photos_of()))
    assert not bool(geometry.depths.confidence.any())
    assert bool(geometry.depths.depth.isfinite().all())
    honest = Knowing.predict

    def mad(self: Knowing, images: Tensor) -> Generator[Step, None, RawPrediction]:
        raw = yield from honest(self, images)
        raw.pose_encoding[2:4, 1] = torch.nan
        return raw

    monkeypatch.setattr(Knowing, "predict", mad)
    with pytest.raises(AlignmentError, match="2 of 9 photos a camera that is not finite"):
        heard(knowing(photos_of()))


def test_a_gpu_without_room_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Knowing, images: Tensor) -> Generator[Step, None, RawPrediction]:
        yield Step("looking", 0, len(images))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB\nand so on")

    monkeypatch.setattr(Knowing, "predict", full)
    with pytest.raises(PhotorealError, match=r"too little memory for 9 photos of 112x84 pixels at once; lower --vggt"):
        heard(model()[0](photos_of()))


def test_a_depth_of_nothing_is_unknown() -> None:
    knowing, network = model()
    network.gain.fill_(0.0)
    _, geometry = heard(knowing(photos_of()))
    assert not bool(geometry.depths.known.any())


def test_no_photo_is_told_so() -> None:
    with pytest.raises(AlignmentError, match="at least 1 photo"):
        heard(model()[0](photos_of().take([])))


def test_one_photo_is_enough() -> None:
    _, geometry = heard(model()[0](photos_of().take([4])))
    assert len(geometry) == 1


def test_memory_says_how_many_photos_are_seen_at_once() -> None:
    counts = [photos_that_fit((518, 518), gib, 14) for gib in (0.5, 1.2, 4.0, 8.0)]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert 40 <= counts[2] <= 50
    assert photos_that_fit((392, 518), 4.0, 14) > counts[2]
    knowing, network = model(memory_gib=ROOM_FOR_SIX, overlap=2)
    heard(knowing(photos_of()))
    assert [len(rows) for rows in network.asked] == [6, 6]


def test_memory_for_too_few_photos_is_told_so_only_where_more_are_needed() -> None:
    with pytest.raises(PhotorealError, match=r"0\.1966\d+ GiB let VGGT see 6 photos of 112x84 pixels"):
        heard(model(memory_gib=ROOM_FOR_SIX, overlap=6)[0](photos_of()))
    _, geometry = heard(model(memory_gib=ROOM_FOR_SIX, overlap=6)[0](photos_of().take(range(6))))
    assert len(geometry) == 6


@pytest.mark.parametrize(
    ("size", "count", "peak"),
    [((518, 518), 3, 1.052), ((518, 392), 2, 0.772), ((280, 280), 16, 0.602), ((126, 98), 48, 0.339)],
)
def test_memory_is_estimated_as_it_was_measured(size: tuple[int, int], count: int, peak: float) -> None:
    assert memory_gib(count, size) == pytest.approx(peak, rel=0.15)
    for room in (0.5, 3.0):
        fitting = photos_that_fit(size, room)
        assert fitting == 0 or memory_gib(fitting, size) <= room
        assert memory_gib(fitting + 1, size) > room


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"side": 55}, "the side of VGGT's images is 55; it must be at least 56 pixels"),
        ({"photos_at_once": 4}, "4 photos at once, of which windows share 4"),
        ({"photos_at_once": 3, "overlap": 5}, "3 photos at once, of which windows share 5"),
        ({"photos_at_once": -1}, "takes -1 photos at once"),
        ({"overlap": 0}, "windows share 0"),
        ({"memory_gib": 0.0}, r"given 0\.0 GiB"),
        ({"memory_gib": float("nan")}, "given nan GiB"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_read(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PhotorealError, match=complaint) as error:
        VggtConfig(weights=Path("absent.pt"), **options).load()
    assert "\n" not in str(error.value)


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The stand-in takes the network's place; its weights."""
    images = shown_to_it()
    monkeypatch.setattr(vggt_module, "_shape", lambda: None)
    monkeypatch.setattr(vggt_module, "_network", lambda shape: Knowing(images))
    return {"gain": torch.tensor([2.0, 3.0])}


@pytest.mark.parametrize("name", ["own.safetensors", "own.pt"])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_weights_of_one_s_own_are_loaded(
    tmp_path: Path, small_network: dict[str, Tensor], name: str, kind: torch.dtype
) -> None:
    state = {key: tensor.to(kind) for key, tensor in small_network.items()}
    (safetensors.torch.save_file if name.endswith("safetensors") else torch.save)(state, tmp_path / name)
    knowing = VggtConfig(weights=tmp_path / name, side=SIDE).load()
    assert isinstance(knowing.network, Knowing)
    assert knowing.name == f"real: VGGT of {name}"
    torch.testing.assert_close(knowing.network.gain.data, torch.tensor([2.0, 3.0]), rtol=0, atol=0)
    assert not knowing.network.gain.requires_grad
    assert not knowing.network.training
    _, geometry = heard(knowing(photos_of().take([0, 1])))
    torch.testing.assert_close(0.8 * geometry.depths.depth, 2 * SEEN.depths.depth[:2], rtol=1e-3, atol=0)


def test_the_released_weights_are_looked_for_by_their_name(
    tmp_path: Path, small_network: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOREAL_WEIGHTS", str(tmp_path))
    (tmp_path / "vggt-1b").mkdir()
    with pytest.raises(MissingWeightsError, match=r"vggt-1b needs .*model\.safetensors"):
        VggtConfig().load()
    safetensors.torch.save_file(small_network, tmp_path / "vggt-1b" / "model.safetensors")
    assert VggtConfig().load().name == "real: VGGT-1B"


def test_weights_that_are_not_the_network_s_are_told_in_one_line(
    tmp_path: Path, small_network: dict[str, Tensor]
) -> None:
    path = tmp_path / "own.safetensors"
    with pytest.raises(MissingWeightsError, match=r"should be in .*own\.safetensors, which is no file"):
        VggtConfig(weights=path).load()
    for state, complaint in (
        ({"gain": torch.zeros(3)}, r"'gain' has shape \[3\], and the network has shape \[2\]"),
        ({}, "'gain' is missing"),
        (small_network | {"head": torch.zeros(1)}, r"'head' has shape \[1\], and the network has none"),
    ):
        safetensors.torch.save_file(state, path)
        with pytest.raises(FormatError, match=complaint) as error:
            VggtConfig(weights=path).load()
        assert "own.safetensors" in str(error.value)
        assert "\n" not in str(error.value)
    safetensors.torch.save_file(small_network, path)
    whole = path.read_bytes()
    for length in (0, 9, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="damaged"):
            VggtConfig(weights=path).load()
