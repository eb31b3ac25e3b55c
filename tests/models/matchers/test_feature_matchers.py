"""XFeat and ALIKED on pictures whose true matches are known: one flat picture and what a homography makes of it."""

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from photoreal.core import FormatError, Matches, MissingWeightsError, Photos
from photoreal.models import AlikedConfig, XFeatConfig
from photoreal.models import Matcher as MatcherProtocol
from photoreal.models.matchers import xfeat
from photoreal.models.matchers.features import LocalFeatures
from photoreal.models.matchers.glue import GlueShape, load_glue
from photoreal.models.matchers.pairing import FeatureMatcher, match_pairs
from photoreal.models.weights import locate, read_state
from photoreal.synth.patterns import book_atlas

SIZE = (256, 320)
HOMOGRAPHY = torch.tensor([[1.05, 0.08, -22.0], [-0.04, 0.97, 14.0], [1.2e-4, -0.8e-4, 1.0]])
"""From pixels of the picture to pixels of its warped copy."""

MEDIAN = 1.3
"""In pixels; XFeat's places are 1.0 off here, ALIKED's 0.3."""

pytestmark = pytest.mark.weights
Load = Callable[..., FeatureMatcher]


@pytest.fixture(scope="module", params=["xfeat", "aliked"])
def load(request: pytest.FixtureRequest) -> Load:
    """Loads a matcher of few features, with the given options."""
    config = {"xfeat": XFeatConfig, "aliked": AlikedConfig}[request.param]
    try:
        config().load()
    except MissingWeightsError as error:
        pytest.skip(str(error))
    return lambda **options: config(**{"max_features": 512, "rotations": "as_is"} | options).load()


def picture(seed: int = 4) -> Tensor:
    books = torch.from_numpy(np.ascontiguousarray(book_atlas(6, seed)[: SIZE[0], : SIZE[1]]))
    return books.permute(2, 0, 1)


def warped(image: Tensor) -> Tensor:
    """What is black lay outside."""
    height, width = image.shape[1:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    before = torch.stack([x, y, torch.ones_like(x)], -1) @ HOMOGRAPHY.inverse().T
    grid = 2 * before[..., :2] / before[..., 2:] / torch.tensor([width, height]) - 1
    return functional.grid_sample(image[None], grid[None], mode="bicubic", align_corners=False)[0].clamp(0, 1)


def photos(*images: Tensor, masks: Tensor | None = None) -> Photos:
    count, (height, width) = len(images), images[0].shape[1:]
    return Photos(
        images=(torch.stack(images) * 255).round().to(torch.uint8),
        masks=torch.ones(count, height, width, dtype=torch.bool) if masks is None else masks,
        names=tuple(f"{k}.png" for k in range(count)),
        focal_hints=torch.zeros(count),
        lens_ids=torch.zeros(count, dtype=torch.long),
    )


def misses(matches: Matches) -> Tensor:
    """From where each match lies to where the homography puts it, in pixels."""
    true = torch.cat([matches.first, torch.ones(len(matches), 1)], 1) @ HOMOGRAPHY.T
    return true[:, :2] / true[:, 2:] - matches.second


def test_matches_lie_where_the_homography_puts_them(load: Load) -> None:
    matcher = load()
    assert isinstance(matcher, MatcherProtocol)
    (found,) = matcher(photos(picture(), warped(picture())), [(0, 1)])
    assert len(found) > 150
    distance = misses(found).norm(dim=1)
    assert float(distance.median()) < MEDIAN
    assert float((distance < 4).float().mean()) > 0.85
    assert float(misses(found).median(0).values.abs().max()) < 0.3
    assert 0 < float(found.confidence.min()) <= float(found.confidence.max()) <= 1


def test_pixels_of_a_photo_that_was_scaled_down_are_its_own(load: Load) -> None:
    """Twice as large, and shown to the network as before: half the pixels must fit, without an offset by one half."""
    double = [
        functional.interpolate(image[None], scale_factor=2, mode="bilinear")[0]
        for image in (picture(), warped(picture()))
    ]
    (found,) = load(max_side=SIZE[1])(photos(*double), [(0, 1)])
    half = found.replace(first=found.first / 2, second=found.second / 2)
    assert len(found) > 150
    assert float(misses(half).norm(dim=1).median()) < MEDIAN
    assert float(misses(half).median(0).values.abs().max()) < 0.3


def test_no_match_lies_off_the_masks(load: Load) -> None:
    masks = torch.ones(2, *SIZE, dtype=torch.bool)
    masks[0, :, :120] = False
    masks[0, 100:200, 200:300] = False
    masks[1, 250:] = False
    (found,) = load()(photos(picture(), warped(picture()), masks=masks), [(0, 1)])
    assert len(found) > 50
    for side, pixels in enumerate((found.first, found.second)):
        assert bool(masks[side, pixels[:, 1].long(), pixels[:, 0].long()].all())
    assert float(misses(found).norm(dim=1).median()) < MEDIAN


def test_features_are_spent_on_what_the_mask_shows(load: Load) -> None:
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[:, 60:260, 120:320] = True
    matcher = load(max_features=100)
    (masked,) = matcher(photos(picture(), picture(), masks=masks), [(0, 1)])
    assert len(masked) > 70


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_photos_are_found(load: Load, turns: int) -> None:
    square = picture()[:, :, : SIZE[0]]
    turned = torch.rot90(square, turns, (1, 2))
    collection = photos(square, turned)
    (found,) = load(rotations="quarter")(collection, [(0, 1)])
    x, y = found.second.unbind(1)
    side = float(SIZE[0])
    back = {1: (side - y, x), 2: (side - x, side - y), 3: (y, side - x)}[turns]
    good = (torch.stack(back, 1) - found.first).norm(dim=1) < 2
    assert len(found) > 150
    assert float(good.float().mean()) > 0.9


def test_a_place_has_the_same_pixel_in_all_pairs_and_pairs_keep_their_order(load: Load) -> None:
    collection = photos(picture(), warped(picture()), picture(seed=9))
    matcher = load(max_features=200)
    first, second, third = matcher(collection, [(0, 1), (2, 0), (1, 0)])
    assert torch.equal(first.first, third.second[_order_like(third.second, first.first)])
    assert torch.equal(next(iter(matcher(collection, [(1, 0)]))).first, third.first)
    assert len(second) < len(first)


def _order_like(rows: Tensor, wanted: Tensor) -> Tensor:
    """For each wanted row the number of the equal one among `rows`, which must hold it."""
    equal = (wanted[:, None] == rows[None]).all(2)
    return equal.float().argmax(1)


def test_results_repeat(load: Load) -> None:
    collection = photos(picture(), warped(picture()))
    (one,), (two,) = load(max_features=200)(collection, [(0, 1)]), load(max_features=200)(collection, [(0, 1)])
    assert torch.equal(one.first, two.first)
    assert torch.equal(one.second, two.second)
    assert torch.equal(one.confidence, two.confidence)


def test_nothing_to_see_gives_no_matches(load: Load) -> None:
    flat, masks = torch.full((3, *SIZE), 0.5), torch.ones(3, *SIZE, dtype=torch.bool)
    masks[2] = False
    collection = photos(flat, picture(), picture(), masks=masks)
    matcher = load(rotations="quarter")
    assert [len(found) for found in matcher(collection, [(0, 0), (0, 1), (1, 2), (2, 2)])] == [0, 0, 0, 0]
    assert list(matcher(collection, [])) == []


def test_tiny_photos_give_no_matches(load: Load) -> None:
    collection = photos(picture()[:, :31, :200], picture()[:, 5:36, :200])
    assert [len(found) for found in load()(collection, [(0, 1)])] == [0]
    small = photos(picture()[:, :32, :200], picture()[:, :32, :200])
    assert [len(found) >= 0 for found in load()(small, [(0, 1)])] == [True]


def test_matches_may_take_part_in_gradients(load: Load) -> None:
    (found,) = load(max_features=100)(photos(picture(), picture()), [(0, 1)])
    shift = torch.zeros(2, requires_grad=True)
    ((found.first + shift - found.second) ** 2 * found.confidence[:, None]).sum().backward()
    assert shift.grad is not None


def test_features_are_found_once_and_let_go_after_their_last_pair() -> None:
    kept: dict[int, weakref.ref[LocalFeatures]] = {}

    def find(photo: int) -> LocalFeatures:
        assert photo not in kept
        features = LocalFeatures(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(2), torch.zeros(1, 4))
        kept[photo] = weakref.ref(features)
        return features

    def glue(first: LocalFeatures, second: LocalFeatures) -> Matches:
        return Matches(first.pixels, second.pixels, torch.ones(1))

    alive = [
        sorted(photo for photo, features in kept.items() if features() is not None)
        for _ in match_pairs([(0, 1), (1, 2), (0, 2), (3, 3)], find, glue)
    ]
    assert alive == [[0, 1], [0, 1, 2], [0, 2], [3]]


@pytest.mark.parametrize("load", ["xfeat"], indirect=True)
def test_features_are_those_of_the_library_moved_by_less_than_its_window(load: Load) -> None:
    """kornia's XFeat knows whole pixels only; its descriptors are the same."""
    detector = load().detector
    from kornia.feature import XFeat

    library = XFeat(top_k=4096, detection_threshold=0.05).eval()
    library.net.load_state_dict(read_state(locate("xfeat")))
    (theirs,) = library.detectAndCompute(picture()[None])
    ours = detector.find(picture())
    assert len(ours.places) == len(theirs["keypoints"]) > 500
    # Scores that differ by rounding alone may stand in either order.
    apart, which = torch.cdist(ours.places - 0.5, theirs["keypoints"]).min(1)
    assert float(apart.max()) < 2.83
    assert float(apart.median()) < 0.7
    assert torch.allclose(ours.descriptors, theirs["descriptors"][which], atol=1e-4)


def test_weights_that_do_not_fit_are_refused() -> None:
    try:
        state, glue_state = read_state(locate("xfeat")), read_state(locate("lighterglue-xfeat"))
    except MissingWeightsError as error:
        pytest.skip(str(error))
    with pytest.raises(FormatError, match="LighterGlue hold an unknown tensor 'optimizer'"):
        xfeat._matcher_part(glue_state | {"optimizer": torch.zeros(1)})
    part = xfeat._matcher_part(glue_state)
    shape = GlueShape(64, width=96, layers=6, heads=1, stop=-1.0, drop=0.95)
    name = "transformers.0.self_attn.Wqkv.weight"
    for wrong in ({k: v for k, v in part.items() if k != name}, part | {"extra": torch.zeros(1)}):
        with pytest.raises(FormatError, match="the weights do not fit the network"):
            load_glue(shape, wrong, "the weights", device=torch.device("cpu"), threshold=0.1)
    assert len(state) == 122
