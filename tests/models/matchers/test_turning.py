"""Quarter turns of images, places and whole sets of photos."""

import pytest
import torch

from photoreal.models.matchers.turning import CERTAIN, choose_turns, turned, unturned


@pytest.mark.parametrize("turns", range(4))
def test_places_of_a_turned_image_go_back_to_where_they_were(turns: int) -> None:
    """Each pixel of an image holds its own number: reading the turned one at a place must give the place's number."""
    image = torch.arange(15.0).view(1, 3, 5)
    after = turned(image, turns)
    height, width = after.shape[1:]
    places = torch.cartesian_prod(torch.arange(width) + 0.5, torch.arange(height) + 0.5)
    before = unturned(places, turns, (3, 5))
    x, y = before.unbind(1)
    assert torch.equal(image[0, y.long(), x.long()], after[0, places[:, 1].long(), places[:, 0].long()])
    assert bool((before % 1 == 0.5).all())


class Scene:
    """Photos that were taken with the camera turned by `rolls` quarters, and how alike they are."""

    def __init__(self, rolls: list[int], shared: dict[tuple[int, int], float]) -> None:
        self.rolls, self.shared = rolls, shared
        self.asked: list[tuple[int, int, int]] = []

    def likeness(self, first: int, second: int, turn: int) -> float:
        self.asked.append((first, second, turn))
        right = (self.rolls[second] - self.rolls[first]) % 4
        return self.shared.get((first, second), 0.0) if turn == right else 3.0


def chain(count: int, likeness: float) -> dict[tuple[int, int], float]:
    return {(k, k + 1): likeness for k in range(count - 1)}


def test_photos_that_stand_alike_are_compared_once_and_left_alone() -> None:
    scene = Scene([0, 0, 0, 0], {(a, b): 2 * CERTAIN for a in range(4) for b in range(a + 1, 4)})
    pairs = list(scene.shared)
    assert choose_turns(4, pairs, scene.likeness) == (0, 0, 0, 0)
    assert scene.asked == [(0, 1, 0), (0, 2, 0), (0, 3, 0)]


def test_turned_photos_are_turned_back_and_most_stay() -> None:
    rolls = [1, 0, 0, 2, 0, 3]
    assert choose_turns(6, list(chain(6, 100.0)), Scene(rolls, chain(6, 100.0)).likeness) == (1, 0, 0, 2, 0, 3)


def test_weak_evidence_counts_where_there_is_no_better() -> None:
    scene = Scene([0, 2, 0], {(0, 1): 20.0, (1, 2): 30.0})
    assert choose_turns(3, [(0, 1), (1, 2)], scene.likeness) == (0, 2, 0)


def test_a_mistake_does_not_win_against_stronger_evidence() -> None:
    """Photo 2 is upside down, which photo 1 shows well; by chance it looks a little like photo 0 as it is."""

    def likeness(first: int, second: int, turn: int) -> float:
        table = {(0, 1, 0): 100.0, (0, 2, 0): 13.0, (1, 2, 2): 40.0}
        return table.get((first, second, turn), 1.0)

    assert choose_turns(3, [(0, 2), (0, 1), (1, 2)], likeness) == (0, 0, 2)


def test_photos_that_share_nothing_are_left_alone() -> None:
    assert choose_turns(3, [(0, 1), (1, 2)], Scene([0, 1, 2], {}).likeness) == (0, 0, 0)
    assert choose_turns(2, [], Scene([0, 1], {}).likeness) == (0, 0)
    almost_as_alike = {0: 50.0, 1: 40.0, 2: 1.0, 3: 1.0}
    assert choose_turns(2, [(0, 1)], lambda a, b, turn: almost_as_alike[3 - turn]) == (0, 0)


def test_groups_are_turned_each_for_itself() -> None:
    scene = Scene([0, 2, 1, 1, 0], {(0, 1): 90.0, (2, 3): 90.0, (3, 4): 90.0})
    assert choose_turns(5, list(scene.shared), scene.likeness) == (0, 2, 0, 0, 3)
