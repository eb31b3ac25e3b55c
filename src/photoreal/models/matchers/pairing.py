"""Features found once in each photo, matched pair by pair."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from photoreal.core import Matches, Photos
from photoreal.models.matchers.features import Detector, LocalFeatures, find_features
from photoreal.models.matchers.glue import Glue
from photoreal.models.matchers.turning import Rotations, choose_turns

Pair = tuple[int, int]

_GLANCE_SIDE, _GLANCE_FEATURES = 512, 512
"""Enough to tell how two photos are turned against each other."""


@dataclass(frozen=True)
class FeatureMatcher:
    """Finds features of photos one by one, and matches those of two."""

    detector: Detector
    glue: Glue
    rotations: Rotations

    def __call__(self, photos: Photos, pairs: Sequence[Pair]) -> Iterator[Matches]:
        """The matches of each pair of indices, in the order of `pairs`; each photo's features are found once."""
        turns = self.turns(photos, pairs)
        return match_pairs(
            pairs,
            lambda photo: find_features(photos, photo, self.detector, turns=turns[photo]),
            lambda first, second: self.glue(first, second).to(photos.images.device),
        )

    def turns(self, photos: Photos, pairs: Sequence[Pair]) -> tuple[int, ...]:
        """By how many quarters each photo is turned counter-clockwise before its features are found."""
        if self.rotations == "as_is":
            return (0,) * len(photos)
        detector = replace(
            self.detector,
            max_side=min(_GLANCE_SIDE, self.detector.max_side),
            max_features=min(_GLANCE_FEATURES, self.detector.max_features),
        )
        seen: dict[tuple[int, int], LocalFeatures] = {}

        def glance(photo: int, turns: int) -> LocalFeatures:
            if (photo, turns) not in seen:
                seen[photo, turns] = find_features(photos, photo, detector, turns=turns)
            return seen[photo, turns]

        def likeness(first: int, second: int, turns: int) -> float:
            return float(self.glue(glance(first, 0), glance(second, turns)).confidence.sum())

        return choose_turns(len(photos), pairs, likeness)


def match_pairs(pairs: Sequence[Pair], find: Callable[[int], LocalFeatures], glue: Glue) -> Iterator[Matches]:
    """The matches of each pair; features of a photo are found when they are first needed and let go after the last."""
    last = {photo: step for step, pair in enumerate(pairs) for photo in pair}
    features: dict[int, LocalFeatures] = {}
    for step, pair in enumerate(pairs):
        for photo in pair:
            if photo not in features:
                features[photo] = find(photo)
        yield glue(features[pair[0]], features[pair[1]])
        for photo in pair:
            if last[photo] == step:
                features.pop(photo, None)
