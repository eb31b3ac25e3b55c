"""How many metres one unit of a solved world is, by the places that a receiver of GPS wrote into the photos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import AlignmentError, fit_similarity, similarity_scale, transform_points
from photoreal.io import Place

USUAL_ERROR = 5.0
"""Metres; of a telephone under open sky (van Diggelen and Enge 2015), taken for each horizontal axis."""
LEAST_EXTENT = 4 * USUAL_ERROR
"""Metres; places that lie nearer to each other tell more of the receiver than of the scene."""

_LEAST_PLACES = 3
_HEIGHT_ERROR = 2 * USUAL_ERROR
_WRONG = 3 * USUAL_ERROR
_UNCERTAIN = 0.15
"""Of places that are errors and nothing else, some look like a scale known to 20 %, none to this."""
_TRIALS, _REFITS = 100, 10
_MAJOR_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563


@dataclass(frozen=True)
class MetricScale:
    """What a unit of the world is, and how well that is known."""

    metres_per_unit: float
    uncertainty: float
    """Standard deviation as a share of the scale."""
    places: int
    """How many places agree with the cameras."""


def metric_scale(centres: Float[Tensor, "N 3"], places: Sequence[Place]) -> MetricScale:
    """The scale at which camera centres, in a world turned in any way, lie where their places are.

    Three places at a time propose a similarity (Fischler and Bolles 1981); the one that most places agree with is
    fitted to these again. Altitudes, which are worse than latitudes, only help to find the rotation.
    The uncertainty never counts the places as better than `USUAL_ERROR`, for errors within one walk are alike.

    Raises:
        AlignmentError: too few places, too near to each other, or they contradict the cameras; the text has the
            numbers and no advice.
    """
    _check_extent(places)
    source, target = centres.double(), local_metres(places)
    agree = _consensus(source, target)
    if len(places) > 2 * int(agree.sum()) or int(agree.sum()) < _LEAST_PLACES:
        raise AlignmentError(
            f"only {int(agree.sum())} of {len(places)} places are within {_WRONG:g} m of where the cameras would be"
        )
    _check_extent([place for place, agrees in zip(places, agree.tolist(), strict=True) if agrees])
    source, target = source[agree], target[agree]
    fitted = _fit(source, target)
    spread = float(_level(fitted, source).square().sum().sqrt())
    freedom = max(1, 2 * len(source) - 4)
    error = math.sqrt(float(_misses(fitted, source, target).square().sum()) / freedom)
    uncertainty = max(error, USUAL_ERROR) / spread if spread > 0 else 1.0
    if uncertainty > _UNCERTAIN:
        raise AlignmentError(
            f"{len(source)} places with errors of {max(error, USUAL_ERROR):.0f} m would tell the scale to "
            f"{uncertainty:.0%} only"
        )
    return MetricScale(similarity_scale(fitted), uncertainty, len(source))


def local_metres(places: Sequence[Place]) -> Float[Tensor, "N 3"]:
    """East, north and up in metres from the middle of the places, in float64.

    One degree of latitude and of longitude is as long as the radii of curvature of WGS84 at the middle say (Torge and
    Mueller 2012, section 4.1), which within 1 km is right to half a metre. An unknown altitude is the median one, and
    altitudes that differ by no more than their usual error are drawn to it.
    """
    latitude, longitude = torch.tensor([[p.latitude, p.longitude] for p in places], dtype=torch.float64).unbind(1)
    # Degrees beyond the date line go on counting.
    longitude = longitude[0] + (longitude - longitude[0] + 180) % 360 - 180
    middle = math.radians(float(latitude.median()))
    squeezed = _FLATTENING * (2 - _FLATTENING)
    bend = 1 - squeezed * math.sin(middle) ** 2
    northward, eastward = _MAJOR_AXIS * (1 - squeezed) / bend**1.5, _MAJOR_AXIS / math.sqrt(bend) * math.cos(middle)
    east = torch.deg2rad(longitude - longitude.median()) * eastward
    north = torch.deg2rad(latitude - latitude.median()) * northward
    return torch.stack([east, north, _heights(places)], 1)


def _heights(places: Sequence[Place]) -> Float[Tensor, " N"]:
    """Metres about the median, drawn to it as far as errors explain their variance (Efron and Morris 1973)."""
    known = [place.altitude for place in places if place.altitude is not None]
    middle = torch.tensor(known, dtype=torch.float64).median() if known else torch.tensor(0.0)
    altitudes = [float(middle) if place.altitude is None else place.altitude for place in places]
    heights = torch.tensor(altitudes, dtype=torch.float64) - float(middle)
    variance = float((heights.abs().median() / 0.6745).square())
    return heights * (1 - _HEIGHT_ERROR**2 / max(variance, _HEIGHT_ERROR**2))


def _check_extent(places: Sequence[Place]) -> None:
    if len(places) < _LEAST_PLACES:
        raise AlignmentError(f"{_LEAST_PLACES} places are needed, not {len(places)}")
    extent = float(torch.pdist(local_metres(places)[:, :2]).max())
    if extent < LEAST_EXTENT:
        raise AlignmentError(f"{len(places)} places lie within {extent:.0f} m; {LEAST_EXTENT:g} m are needed")


def _consensus(source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> Tensor:
    """Which places agree with the proposal of the least sum of squared misses, each at most `_WRONG`, once refitted."""
    generator = torch.Generator().manual_seed(0)
    agree, least = torch.zeros(len(source), dtype=torch.bool), math.inf
    for _ in range(_TRIALS):
        chosen = torch.randperm(len(source), generator=generator)[:_LEAST_PLACES]
        misses = _misses(_fit(source[chosen], target[chosen]), source, target)
        cost = float(misses.clamp_max(_WRONG).square().sum())
        if cost < least:
            agree, least = misses < _WRONG, cost
    for _ in range(_REFITS):
        if int(agree.sum()) >= _LEAST_PLACES:
            agree = _misses(_fit(source[agree], target[agree]), source, target) < _WRONG
    return agree


def _fit(source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> Float[Tensor, "4 4"]:
    """A similarity whose rotation is that of all coordinates, while its scale and place serve the horizontal ones."""
    fitted = fit_similarity(source, target)
    level, wanted = _level(fitted, source), target[:, :2] - target[:, :2].mean(0)
    ratio = (level * wanted).sum() / level.square().sum().clamp_min(1e-12)
    fitted[:3, :3] *= ratio
    fitted[:3, 3] = target.mean(0) - fitted[:3, :3] @ source.mean(0)
    return fitted


def _level(fitted: Float[Tensor, "4 4"], source: Float[Tensor, "N 3"]) -> Float[Tensor, "N 2"]:
    """East and north of the cameras about their mean."""
    moved = transform_points(fitted, source)[:, :2]
    return moved - moved.mean(0)


def _misses(fitted: Float[Tensor, "4 4"], source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> Tensor:
    """Horizontal metres between each camera and its place."""
    return (transform_points(fitted, source) - target)[:, :2].norm(dim=1)
