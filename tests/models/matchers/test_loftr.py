"""Efficient LoFTR with a small network of random weights: even that tells cells of a noisy picture apart."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import EfficientLoFTRConfig, EfficientLoFTRForKeypointMatching

from photoreal.core import FormatError, Matches, MissingWeightsError, Photos
from photoreal.models import EfficientLoftrConfig, Matcher
from photoreal.models.matchers.cells import mutual_best, refine
from photoreal.models.matchers.snapping import empty_grid, first_of_each, snapped

SIZE = (160, 192)


def small_network() -> EfficientLoFTRForKeypointMatching:
    torch.manual_seed(0)
    config = EfficientLoFTRConfig(
        stage_num_blocks=[1, 1, 1, 1],
        out_features=[16, 16, 16, 64],
        hidden_size=64,
        num_attention_layers=1,
    )
    network = EfficientLoFTRForKeypointMatching(config).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loftr")
    network = small_network()
    (folder / "config.json").write_text(json.dumps(network.config.to_dict()))
    save_file(network.state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def matcher(folder: Path) -> Matcher:
    return EfficientLoftrConfig(weights=str(folder), match_threshold=0.0, merge=1.0).load()


def photos(*corners: int, masks: Tensor | None = None, scale: int = 1) -> Photos:
    """Windows of one noisy picture, so many pixels from its left side."""
    noise = torch.rand(1, 260, 300, generator=torch.Generator().manual_seed(1)).expand(3, -1, -1)
    noise = (functional.avg_pool2d(noise, 3, 1, 1) * 3 - 1).clamp(0, 1)
    images = torch.stack([noise[:, : SIZE[0], left : left + SIZE[1]] for left in corners])
    images = images.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    return Photos(
        images=(images * 255).round().to(torch.uint8),
        masks=torch.ones(len(corners), *images.shape[2:], dtype=torch.bool) if masks is None else masks,
        names=tuple(f"{k}.png" for k in range(len(corners))),
        focal_hints=torch.zeros(len(corners)),
        lens_ids=torch.zeros(len(corners), dtype=torch.long),
    )


@pytest.mark.parametrize("shift", [0, 8, 32])
def test_a_shifted_picture_is_matched_to_fractions_of_a_pixel(matcher: Matcher, shift: int) -> None:
    (found,) = matcher(photos(0, shift), [(0, 1)])
    assert isinstance(matcher, Matcher)
    assert len(found) > 80
    error = found.first - found.second - torch.tensor([float(shift), 0.0])
    assert float(error.norm(dim=1).median()) < 0.7
    assert float(error.median(0).values.abs().max()) < 0.3
    assert bool((found.confidence > 0).all())
    assert bool((found.confidence <= 1).all())


def test_a_picture_whose_halves_change_places_is_matched(matcher: Matcher) -> None:
    """The order of the places in one photo is not that in the other."""
    both = photos(0, 0)
    both.images[1] = both.images[0].roll(SIZE[0] // 2, 1)
    (found,) = matcher(both, [(0, 1)])
    moved = found.first.clone()
    moved[:, 1] = (moved[:, 1] + SIZE[0] // 2) % SIZE[0]
    assert len(found) > 80
    assert float((moved - found.second).norm(dim=1).median()) < 0.7


def test_photos_are_scaled_down_and_pixels_up(folder: Path) -> None:
    config = EfficientLoftrConfig(weights=str(folder), match_threshold=0.0, merge=1.0, max_side=SIZE[1])
    (found,) = config.load()(photos(0, 8, scale=2), [(0, 1)])
    (plain,) = config.load()(photos(0, 8), [(0, 1)])
    assert len(found) > 150
    assert float((found.first - found.second - torch.tensor([16.0, 0.0])).norm(dim=1).median()) < 1.4
    assert float(found.first.max()) > 1.7 * float(plain.first.max())


def test_places_are_the_same_in_all_pairs_and_not_nearer_than_the_grid(folder: Path) -> None:
    matcher = EfficientLoftrConfig(weights=str(folder), match_threshold=0.0, merge=4.0).load()
    first, second = matcher(photos(0, 8, 16), [(0, 1), (2, 1)])
    square_first, square_second = ((found.second / 4).long() @ torch.tensor([1, 1000]) for found in (first, second))
    both = torch.cat([first.second, second.second])
    places = {tuple(pixel) for pixel in both.tolist()}
    assert len(places) == len(torch.cat([square_first, square_second]).unique())
    assert len(places) < len(both)
    assert len({tuple(pixel) for pixel in first.second.tolist()}) == len(first)


def test_no_match_lies_off_the_masks(matcher: Matcher) -> None:
    masks = torch.ones(2, *SIZE, dtype=torch.bool)
    masks[0, :, :90] = False
    masks[1, 80:] = False
    (found,) = matcher(photos(0, 8, masks=masks), [(0, 1)])
    (all_of_it,) = matcher(photos(0, 8), [(0, 1)])
    assert 10 < len(found) < len(all_of_it) / 2
    assert float(found.first[:, 0].min()) >= 90
    assert float(found.second[:, 1].max()) < 80


def test_results_repeat_and_no_pairs_give_none(matcher: Matcher) -> None:
    (one,), (two,) = matcher(photos(0, 8), [(0, 1)]), matcher(photos(0, 8), [(0, 1)])
    assert torch.equal(one.first, two.first)
    assert torch.equal(one.second, two.second)
    assert list(matcher(photos(0, 8), [])) == []


def test_photos_of_a_few_cells_give_no_matches(matcher: Matcher) -> None:
    whole = photos(0, 8)
    tiny = Photos(
        whole.images[..., :20, :30], whole.masks[..., :20, :30], whole.names, whole.focal_hints, whole.lens_ids
    )
    assert [len(found) for found in matcher(tiny, [(0, 1)])] == [0]


def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in small_network().state_dict().items()}
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    name = next(iter(state))
    for wrong in ({k: v for k, v in state.items() if k != name}, state | {"extra": torch.zeros(1)}):
        save_file(wrong, tmp_path / "model.safetensors")
        with pytest.raises(FormatError, match="weights of Efficient LoFTR do not fit the network"):
            EfficientLoftrConfig(weights=str(tmp_path)).load()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ([], "holds a list, not the fields of a configuration"),
        ({"model_type": "dinov2"}, "of a network 'dinov2', not efficientloftr"),
        ({"hidden_size": "abc"}, "describes no network that can be built"),
        ({"hidden_size": -1}, "describes no network that can be built"),
        ({"num_attention_heads": 0}, "describes no network that can be built"),
        ({"stage_num_blocks": []}, "describes no network that can be built"),
    ],
)
def test_configurations_of_no_such_network_are_refused(
    folder: Path, tmp_path: Path, fields: dict[str, object] | list[object], complaint: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | fields if isinstance(fields, dict) else fields))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(FormatError, match=complaint) as error:
        EfficientLoftrConfig(weights=str(tmp_path)).load()
    assert "\n" not in str(error.value)


def test_a_file_s_word_on_kernels_counts_for_nothing(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    evil = {"attn_implementation": "someone/kernel", "_attn_implementation": "someone/kernel"}
    (tmp_path / "config.json").write_text(json.dumps(config | evil))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert EfficientLoftrConfig(weights=str(tmp_path)).load()


@pytest.mark.parametrize("weights", ["nowhere", "xfeat"])
def test_names_of_no_such_weights_are_told_with_those_there_are(weights: str) -> None:
    with pytest.raises(MissingWeightsError, match=f"'{weights}' is neither a folder .* efficientloftr"):
        EfficientLoftrConfig(weights=weights).load()


def test_weights_in_half_precision_are_read_and_used_in_full(folder: Path, tmp_path: Path, matcher: Matcher) -> None:
    state = small_network().state_dict()
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    save_file(half, tmp_path / "model.safetensors")
    (found,) = EfficientLoftrConfig(weights=str(tmp_path), match_threshold=0.0, merge=1.0).load()(
        photos(0, 8), [(0, 1)]
    )
    (whole,) = matcher(photos(0, 8), [(0, 1)])
    assert abs(len(found) - len(whole)) < 0.2 * len(whole)


def test_absent_weights_are_named_with_the_command_that_gets_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(MissingWeightsError, match="photoreal weights get efficientloftr"):
        EfficientLoftrConfig().load()


def test_only_entries_that_are_the_greatest_of_row_and_column_match() -> None:
    likeness = torch.tensor([[0.9, 0.8, 0.0], [0.7, 0.1, 0.0], [0.0, 0.0, 0.05]])
    cells, value = mutual_best(likeness, 0.2)
    assert cells.tolist() == [[0, 0]]
    assert value.tolist() == pytest.approx([0.9])
    assert mutual_best(likeness, 0.01)[0].tolist() == [[0, 0], [2, 2]]


def test_a_place_in_a_window_is_found_by_its_features() -> None:
    """Pixel (5, 2) of the first window and (1, 6) of the second have one feature, which no other pixel has."""
    first, second = torch.zeros(1, 64, 12), torch.zeros(1, 100, 12)
    first[0, 2 * 8 + 5, 0] = second[0, (6 + 1) * 10 + 1 + 1, 0] = 30.0
    one, other = refine(first, second, regressed=8, temperature=10.0)
    assert one.tolist() == [[5 - 3.5, 2 - 3.5]]
    assert torch.allclose(other, torch.tensor([[1 - 3.5, 6 - 3.5]]), atol=1e-5)


def test_grids_keep_the_first_place_of_a_square() -> None:
    grid = empty_grid((20, 30), 2.0)
    places, squares = grid.settle(torch.tensor([[4.5, 6.5], [5.9, 7.9], [29.9, 19.9]]))
    assert torch.equal(places, torch.tensor([[4.5, 6.5], [4.5, 6.5], [29.9, 19.9]]))
    assert squares[0] == squares[1] != squares[2]
    assert grid.settle(torch.tensor([[5.0, 7.0]]))[0].tolist() == [[4.5, 6.5]]


def test_a_place_is_in_one_match_the_surest() -> None:
    matches = Matches(
        torch.tensor([[1.0, 1.0], [1.5, 1.5], [9.0, 9.0]]),
        torch.tensor([[5.0, 5.0], [15.0, 5.0], [5.5, 5.5]]),
        torch.tensor([0.9, 0.8, 0.7]),
    )
    kept = snapped(matches, empty_grid((20, 20), 2.0), empty_grid((20, 20), 2.0))
    assert kept.confidence.tolist() == pytest.approx([0.9])


def test_first_of_each_number() -> None:
    assert first_of_each(torch.tensor([3, 1, 3, 2, 1])).tolist() == [True, True, False, True, False]
    assert first_of_each(torch.zeros(0, dtype=torch.long)).tolist() == []
