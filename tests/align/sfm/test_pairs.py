"""Choosing pairs: complete for a few photos, and look-alikes found without a vocabulary."""

import torch

from photoreal.align.sfm.pairs import all_pairs, look_alike_pairs, photo_likeness, sequence_pairs


def test_all_pairs_are_all_and_ordered() -> None:
    pairs = all_pairs(7)
    assert len(pairs) == len(set(pairs)) == 21
    assert all(first < second for first, second in pairs)


def test_sequence_pairs_reach_near_neighbours_and_some_far_ones() -> None:
    pairs = set(sequence_pairs(100, overlap=5))
    assert all((k, k + d) in pairs for k in range(60) for d in (1, 2, 3, 4, 5, 8, 16, 32))
    assert all(0 <= first < second < 100 for first, second in pairs)
    assert len(pairs) < 8 * 100


def places(photos: int, count: int, seed: int) -> list[torch.Tensor]:
    """Descriptors of photos of `count` places: photo k shows place k % count."""
    generator = torch.Generator().manual_seed(seed)
    shown = torch.rand(count, 200, 128, generator=generator)
    found: list[torch.Tensor] = []
    for k in range(photos):
        rows = shown[k % count][torch.randperm(200, generator=generator)[:120]]
        clutter = torch.rand(80, 128, generator=generator)
        noisy = torch.cat([rows + 0.05 * torch.randn(rows.shape, generator=generator), clutter])
        found.append(torch.nn.functional.normalize(noisy, dim=1))
    return found


def test_photos_of_one_place_are_most_alike() -> None:
    likeness = photo_likeness(places(20, 5, seed=1), seed=0)
    torch.testing.assert_close(likeness, likeness.T)
    torch.testing.assert_close(likeness.diagonal(), torch.ones(20), atol=1e-5, rtol=0)
    pairs = look_alike_pairs(likeness, neighbours=3)
    right = sum(first % 5 == second % 5 for first, second in pairs)
    assert right == len(pairs) == 30


def test_likeness_is_the_same_for_the_same_seed() -> None:
    descriptors = places(8, 4, seed=2)
    assert torch.equal(photo_likeness(descriptors, seed=3), photo_likeness(descriptors, seed=3))


def test_a_photo_without_features_is_like_none() -> None:
    likeness = photo_likeness([*places(4, 2, seed=0), torch.zeros(0, 128)], seed=0)
    assert bool((likeness[4] == 0).all())
    assert bool(likeness.isfinite().all())
