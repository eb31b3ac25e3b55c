"""VGGT as a geometry model: windows joined, lenses that are known, checkpoints read, photos of any size."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from photoreal.core import (
    AlignmentError,
    Cameras,
    Depths,
    Features,
    FormatError,
    PhotorealError,
    Photos,
    Step,
    drained,
    fit_similarity,
    project,
    rigid,
    rotation_from_vector,
    similarity_scale,
    transform_points,
    turned_cameras,
    unproject,
)
from photoreal.metrics import rotation_errors
from photoreal.models import GeometryModel, Vggt, VggtConfig, VggtPrediction
from photoreal.models.vggt import vggt as vggt_module
from photoreal.models.vggt.known_lens import with_known_lens
from photoreal.models.vggt.network import VggtNetwork
from photoreal.models.vggt.network.shape import TrackShape, VggtShape
from photoreal.models.vggt.pose_encoding import encoding_from_cameras
from photoreal.models.vggt.raw import RawPrediction
from photoreal.models.vggt.windows import windows
from photoreal.synth import ToyScene, toy_scene

TINY = VggtShape(
    width=64,
    depth=4,
    heads=4,
    eye_depth=1,
    eye_heads=4,
    eye_grid=4,
    layers=(0, 1, 2, 3),
    camera_depth=1,
    camera_heads=4,
    fused=16,
    pyramid=(8, 8, 8, 8),
    track=TrackShape(features=32, hidden=48, levels=3, radius=2, depth=1),
)


@dataclass(frozen=True)
class Seer:
    """A network that knows a toy scene: each time it tells the truth in another world, with noise on depth."""

    scene: ToyScene
    noise: float = 0.0
    patch: int = 14
    seen: list[tuple[int, ...]] = field(default_factory=list)
    after: list[int] = field(default_factory=list)

    def predict(self, images: Tensor) -> Generator[Step, None, RawPrediction]:
        yield Step("seeing", 0, 1)
        self.seen.append(tuple(images.shape))
        start = sum(shape[0] for shape in self.seen[:-1]) - 4 * (len(self.seen) - 1)
        rows = list(range(start, start + len(images)))
        generator = torch.Generator().manual_seed(len(self.seen))
        turn = rotation_from_vector(torch.randn(3, generator=generator))
        world = rigid((0.5 + len(self.seen)) * turn, torch.randn(3, generator=generator))
        size = (images.shape[2], images.shape[3])
        truth = self.scene.capture.cameras.take(rows).resized(size)
        cameras = truth.replace(cam_from_world=turned_cameras(truth.cam_from_world, world))
        depth = torch.nn.functional.interpolate(self.scene.depths.depth[rows][None], size, mode="nearest-exact")[0]
        depth = depth * similarity_scale(world)
        depth = depth * (1 + self.noise * torch.randn(depth.shape, generator=generator))
        points = unproject(cameras, depth)
        maps = torch.tensor(rows, dtype=torch.float32)[None, :, None, None, None].expand(1, -1, 2, 3, 4)
        sure = torch.full_like(depth, 2.0)
        return RawPrediction(encoding_from_cameras(cameras), depth, sure, points, sure, Features(maps, (23,)))


@pytest.fixture(scope="module")
def room() -> ToyScene:
    return toy_scene(3, views=11, size=(84, 112))


def seeing(room: ToyScene, noise: float = 0.0, **options: float) -> Vggt:
    return Vggt(Seer(room, noise), torch.device("cpu"), VggtConfig(**options), "real: a seer")


@pytest.mark.parametrize(("count", "size", "overlap"), [(5, 8, 4), (8, 8, 4), (9, 8, 4), (11, 6, 4), (100, 12, 3)])
def test_windows_cover_all_photos_and_share_enough(count: int, size: int, overlap: int) -> None:
    spans = windows(count, size, overlap)
    assert sorted({number for span in spans for number in span}) == list(range(count))
    assert all(len(span) == min(size, count) for span in spans)
    assert all(before.stop - after.start >= overlap for before, after in pairwise(spans))
    with pytest.raises(PhotorealError, match="windows of 4 photos cannot share 4"):
        windows(9, 4, 4)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_windows_are_joined_into_one_world(room: ToyScene, noise: float) -> None:
    model = seeing(room, noise, side=112, photos_at_once=5, overlap=4)
    found = drained(model.predict(room.capture.photos))
    assert [shape[0] for shape in model.network.seen] == [5] * 7
    truth = room.capture.cameras
    to_truth = fit_similarity(found.cameras.centres, truth.centres)
    places = transform_points(to_truth, found.cameras.centres)
    assert float((places - truth.centres).norm(dim=1).max()) < (1e-3 if noise == 0 else 0.03)
    assert float(rotation_errors(found.cameras, truth).max()) < (0.02 if noise == 0 else 0.5)
    world = transform_points(to_truth, unproject(found.cameras.resized(found.depths.size), found.depths.depth)[7, 20])
    expected = unproject(truth, room.depths.depth)[7, 20]
    assert float((world - expected).norm(dim=1).median()) < (2e-3 if noise == 0 else 0.1)
    torch.testing.assert_close(
        transform_points(to_truth, found.point_map[7, 20]), world, atol=2e-3 if noise == 0 else 0.02, rtol=0
    )
    assert found.features.descriptors[0, :, 0, 0, 0].tolist() == list(range(11))


def test_cameras_are_those_of_the_photos_own_size(room: ToyScene) -> None:
    model = seeing(room, side=56)
    found = drained(model(room.capture.photos.take([0, 1, 2])))
    assert isinstance(model, GeometryModel)
    assert (found.gauge, found.model) == ("scale_invariant", "real: a seer")
    assert model.network.seen == [(3, 3, 56, 56)]
    torch.testing.assert_close(found.capture.cameras.intrinsics, room.capture.cameras.intrinsics[:3], rtol=1e-4, atol=0)
    assert found.depths.size == (56, 56)


def test_what_is_masked_has_no_confidence(room: ToyScene) -> None:
    photos = room.capture.photos.take([0, 1])
    masks = photos.masks.clone()
    masks[0, :, :50] = False
    found = drained(seeing(room, side=112)(photos.replace(masks=masks))).depths
    assert float(found.confidence[0, :, :50].max()) == 0
    assert float(found.confidence[0, :, 50:].min()) == 1
    assert float(found.confidence[1].min()) == 1


def test_no_photo_is_an_error_in_words(room: ToyScene) -> None:
    with pytest.raises(AlignmentError, match="at least 1 photo"):
        drained(seeing(room)(room.capture.photos.take([])))


def test_memory_decides_how_many_photos_are_seen_at_once(room: ToyScene) -> None:
    assert seeing(room, photos_at_once=7).photos_at_once((480, 640)) == 7
    few, many = (seeing(room, memory_gib=gib).photos_at_once((480, 640)) for gib in (2.0, 8.0))
    assert 8 <= few < many
    assert seeing(room, memory_gib=2.0, side=280).photos_at_once((480, 640)) > 2 * few


def mistaken(room: ToyScene, factor: float) -> VggtPrediction:
    """What a network says that takes the lens for `factor` times as long: from further away it sees as much."""
    truth = room.capture.cameras
    middle = room.points.positions.mean(0)
    intrinsics = truth.intrinsics.clone()
    intrinsics[:, :2, :2] *= factor
    poses = truth.cam_from_world.clone()
    poses[:, 2, 3] += (factor - 1) * project(truth, middle[None])[1][:, 0]
    cameras = Cameras(poses, intrinsics, truth.size)
    world = unproject(truth, room.depths.depth)
    depth = torch.stack([project(cameras.take([v]), world[v].reshape(-1, 3))[1][0] for v in range(len(truth))])
    depths = Depths(depth.view_as(room.depths.depth), torch.ones_like(room.depths.depth))
    features = Features(torch.zeros(1, len(truth), 1, 1, 1), (23,))
    return VggtPrediction(cameras, depths, world, depths.confidence, features)


def between_views(found: VggtPrediction, room: ToyScene) -> float:
    """Median pixels between where depth of view 0 lands in view 3 and where the truth does."""
    world = unproject(found.cameras, found.depths.depth)[0].reshape(-1, 3)
    pixels, _ = project(found.cameras.take([3]), world)
    truth = room.capture.cameras
    expected, _ = project(truth.take([3]), unproject(truth, room.depths.depth)[0].reshape(-1, 3))
    return float((pixels - expected).norm(dim=-1).median())


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_known_lenses_are_kept_and_lower_the_error_between_views(room: ToyScene, factor: float) -> None:
    wrong = mistaken(room, factor)
    given = room.capture.cameras.intrinsics
    only_lens = wrong.replace(cameras=wrong.cameras.replace(intrinsics=given))
    right = with_known_lens(wrong, given)
    torch.testing.assert_close(right.cameras.intrinsics, given)
    errors = [between_views(one, room) for one in (wrong, only_lens, right)]
    assert errors[2] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


def test_a_lens_that_was_seen_right_changes_nothing(room: ToyScene) -> None:
    truth = room.capture.cameras
    said = mistaken(room, 1.0)
    again = with_known_lens(said, truth.intrinsics)
    torch.testing.assert_close(again.cameras.cam_from_world, truth.cam_from_world, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(again.depths.depth, room.depths.depth, atol=1e-3, rtol=1e-3)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(vggt_module, "_SHAPE", TINY)
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    safetensors.torch.save_file(VggtNetwork(TINY).state_dict(), path)
    return path


@pytest.mark.parametrize("size", [(48, 64), (90, 31), (50, 50)])
def test_a_checkpoint_of_one_s_own_sees_photos_of_any_shape(checkpoint: Path, size: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    masks = torch.ones(2, *size, dtype=torch.bool)
    photos = Photos(images, masks, ("a", "b"), torch.zeros(2), torch.zeros(2, dtype=torch.long))
    found = drained(VggtConfig(weights=checkpoint, side=70).load()(photos))
    assert found.model == "real: VGGT (tiny.safetensors)"
    assert found.capture.cameras.size == size
    assert max(found.depths.size) == 70
    assert bool(found.depths.known.any())


def test_other_checkpoints_are_refused_in_one_line(checkpoint: Path) -> None:
    other = checkpoint.with_name("other.safetensors")
    safetensors.torch.save_file(VggtNetwork(replace(TINY, depth=5)).state_dict(), other)
    with pytest.raises(FormatError, match=r"the weights of VGGT in other\.safetensors do not fit the network: 'aggreg"):
        VggtConfig(weights=other).load()
    other.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(FormatError, match="damaged"):
        VggtConfig(weights=other).load()
    with pytest.raises(FormatError, match="cannot read"):
        VggtConfig(weights=other.with_name("absent.safetensors")).load()


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(
        PhotorealError, match=r"windows of 4 photos cannot share 4; --vggt\.photos-at-once must be more"
    ):
        VggtConfig(photos_at_once=4).load()
    with pytest.raises(PhotorealError, match="must be at least 56 pixels"):
        VggtConfig(side=20).load()
