"""Quarter turns: of images, of places in them, and which photos have to be turned to stand alike."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Rotations = Literal["as_is", "quarter"]
"""How photos are shown to a network: as they are, or turned by quarters until they stand alike."""

CERTAIN, FEW, CLEAR = 60.0, 12.0, 3.0
"""At so much likeness two photos stand alike; less than the second tells nothing; and the best turn has at least so
many times the likeness of the next best.

Of 512 features of XFeat, the pairs of the Temple's 16 photos whose directions lie less than 30 degrees apart, all but
one, have a likeness of 39 to 450 the right way round; no pair has more than 14 in any other turn.
"""


def turned(image: Float[Tensor, "C h w"], turns: int) -> Float[Tensor, "C H W"]:
    """The image turned counter-clockwise by quarters."""
    return torch.rot90(image, turns, (1, 2)).contiguous()


def unturned(places: Float[Tensor, "N 2"], turns: int, size: tuple[int, int]) -> Float[Tensor, "N 2"]:
    """Where places (x, y) of an image that was turned lie in the image as it was, whose height and width are `size`."""
    height, width = size
    x, y = places.unbind(1)
    lies = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}
    return torch.stack(lies[turns % 4], 1)


def choose_turns(
    count: int, pairs: Sequence[tuple[int, int]], likeness: Callable[[int, int, int], float]
) -> tuple[int, ...]:
    """By how many quarters to turn each of `count` photos counter-clockwise, so that those which share a scene stand
    alike; of those that hang together through pairs, most stay as they are.

    Args:
        likeness: what two photos of a pair share when the second is turned by so many quarters more than the first.
    """
    forest = _Forest(list(range(count)), [0] * count)
    found: dict[tuple[int, int], list[float]] = {}
    for pair in pairs:
        if not forest.joined(*pair):
            found[pair] = [likeness(*pair, 0)]
            if found[pair][0] >= CERTAIN:
                forest.join(*pair, 0)
    for pair, known in found.items():
        if not forest.joined(*pair):
            known += [likeness(*pair, turn) for turn in (1, 2, 3)]
            if max(known) >= CERTAIN and _is_clear(known):
                forest.join(*pair, known.index(max(known)))
    for pair, known in sorted(found.items(), key=lambda item: -max(item[1])):
        if len(known) == 4 and max(known) >= FEW and _is_clear(known):
            forest.join(*pair, known.index(max(known)))
    return forest.settled()


def _is_clear(likeness: list[float]) -> bool:
    *_, second, best = sorted(likeness)
    return best >= CLEAR * second


@dataclass(frozen=True)
class _Forest:
    """Photos that hang together, each under a parent."""

    parent: list[int]
    turn: list[int]
    """Quarters that each photo is turned more than its parent."""

    def root(self, photo: int) -> tuple[int, int]:
        """The photo at the top, and by how many quarters this one is turned more."""
        turn = 0
        while self.parent[photo] != photo:
            turn += self.turn[photo]
            photo = self.parent[photo]
        return photo, turn % 4

    def joined(self, first: int, second: int) -> bool:
        return self.root(first)[0] == self.root(second)[0]

    def join(self, first: int, second: int, turn: int) -> None:
        """Afterwards the second photo is turned by `turn` more than the first, unless they hung together before."""
        (above_first, turn_first), (above_second, turn_second) = self.root(first), self.root(second)
        if above_first != above_second:
            self.parent[above_second] = above_first
            self.turn[above_second] = (turn_first + turn - turn_second) % 4

    def settled(self) -> tuple[int, ...]:
        """Each photo's turn, such that most under one root have none."""
        roots = [self.root(photo) for photo in range(len(self.parent))]
        counts: dict[int, Counter[int]] = {}
        for root, turn in roots:
            counts.setdefault(root, Counter())[turn] += 1
        usual = {root: max(turns, key=lambda turn, of=turns: (of[turn], -turn)) for root, turns in counts.items()}
        return tuple((turn - usual[root]) % 4 for root, turn in roots)
