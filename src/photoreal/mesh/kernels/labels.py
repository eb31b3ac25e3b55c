"""One photo for each face: what the candidates show there, and the choice that makes the least energy."""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.mesh.kernels.candidates import quality_in, sample

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def glance(
    view, point, normal, cameras, centres, images, depth, trust, gains, tolerance, light, pixel, across, colour
):  # fmt: skip
    """Write the photo's linear light of a point, at the common exposure; returns whether it sees the point."""
    if quality_in(view, point, normal, cameras, centres, depth, trust, tolerance, pixel) <= F(0):
        return False
    sample(images[view], pixel[0], pixel[1], light, across, colour)
    for k in range(3):
        colour[k] *= gains[view, k]
    return True


@njit(parallel=True, **_OPTIONS)
@no_type_check
def inspect(
    points, normals, candidates, cameras, centres, images, depth, trust, gains, tolerance, light, colours, shares
):
    """Mean linear light [F, K, 3] of each face's points [F, P, 3] in each of its candidates [F, K] (-1: none).

    `shares` [F, K]: of the points, how many the candidate sees.
    """
    for face in prange(len(points)):
        pixel, across, colour = np.empty(2, F), np.empty((2, 4), F), np.empty(3, F)
        for k in range(candidates.shape[1]):
            colours[face, k] = F(0)
            view, count = candidates[face, k], 0
            for p in range(points.shape[1] if view >= 0 else 0):
                if glance(
                    view, points[face, p], normals[face], cameras, centres, images, depth, trust, gains, tolerance,
                    light, pixel, across, colour,
                ):  # fmt: skip
                    count += 1
                    colours[face, k] += colour
            shares[face, k] = F(count) / F(points.shape[1])
            if count > 0:
                colours[face, k] /= F(count)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def take(points, normals, views, cameras, centres, images, depth, trust, gains, tolerance, light, colours, seen):
    """Linear light [N, 3] of each point in one photo, `views` [N] (-1: none), at the common exposure."""
    for i in prange(len(points)):
        pixel, across = np.empty(2, F), np.empty((2, 4), F)
        colours[i] = F(0)
        seen[i] = views[i] >= 0 and glance(
            views[i], points[i], normals[i], cameras, centres, images, depth, trust, gains, tolerance,
            light, pixel, across, colours[i],
        )  # fmt: skip


@njit(**_OPTIONS)
@no_type_check
def same_at(candidates, counts, face, label):
    """Which of a face's candidates is this photo; -1: none."""
    for k in range(counts[face]):
        if candidates[face, k] == label:
            return k
    return -1


@njit(**_OPTIONS)
@no_type_check
def energy(costs, candidates, counts, neighbours, weights, picks):
    """Sum of the picks' own costs [F, K] and, over edges whose two faces take different photos, of `weights` [F, 3]."""
    total = 0.0
    for face in range(len(picks)):
        if counts[face] == 0:
            continue
        total += costs[face, picks[face]]
        for side in range(3):
            other = neighbours[face, side]
            if other > face and counts[other] > 0:
                apart = candidates[face, picks[face]] != candidates[other, picks[other]]
                total += weights[face, side] * apart
    return total


@njit(**_OPTIONS)
@no_type_check
def settle(costs, candidates, counts, neighbours, weights, rounds, picks):
    """Let each face in turn take what is cheapest beside its neighbours' picks (Besag 1986), until none changes."""
    for _ in range(rounds):
        changed = False
        for face in range(len(picks)):
            best, least = picks[face], F(np.inf)
            for k in range(counts[face]):
                cost = costs[face, k]
                for side in range(3):
                    other = neighbours[face, side]
                    if other >= 0 and counts[other] > 0:
                        cost += weights[face, side] * F(candidates[other, picks[other]] != candidates[face, k])
                if cost < least or (cost == least and k == picks[face]):
                    best, least = k, cost
            changed = changed or best != picks[face]
            picks[face] = best
        if not changed:
            return


@njit(**_OPTIONS)
@no_type_check
def send(face, side, held, candidates, counts, neighbours, across, weights, messages):
    """Tell the neighbour what each of its candidates costs, given `held` [K]: Potts, so the least of two."""
    other, place = neighbours[face, side], across[face, side]
    least, low = F(np.inf), F(np.inf)
    for k in range(counts[face]):
        least = min(least, held[k] - messages[face, side, k])
    for j in range(counts[other]):
        value = least + weights[face, side]
        k = same_at(candidates, counts, face, candidates[other, j])
        if k >= 0:
            value = min(value, held[k] - messages[face, side, k])
        messages[other, place, j] = value
        low = min(low, value)
    for j in range(counts[other]):
        messages[other, place, j] -= low


@njit(**_OPTIONS)
@no_type_check
def pass_over(costs, candidates, counts, neighbours, across, weights, step, messages, picks):
    """One pass over the faces, upwards (`step` 1) or downwards (-1): sequential tree-reweighted message passing.

    Kolmogorov 2006, section 3.3 and figure 3, with the faces' order as the order of nodes. `messages` [F, 3, K] arrive
    across each side, for each of the receiver's candidates. `picks` are made on the way, each given those before it.
    """
    held = np.empty(costs.shape[1], F)
    for n in range(len(costs)):
        face = n if step > 0 else len(costs) - 1 - n
        if counts[face] == 0:
            continue
        ahead, behind, low = 0, 0, F(np.inf)
        for side in range(3):
            other = neighbours[face, side]
            if other >= 0 and counts[other] > 0:
                ahead += (other - face) * step > 0
                behind += (other - face) * step < 0
        for k in range(counts[face]):
            choice = held[k] = costs[face, k]
            for side in range(3):
                other = neighbours[face, side]
                if other < 0 or counts[other] == 0:
                    continue
                held[k] += messages[face, side, k]
                if (other - face) * step > 0:
                    choice += messages[face, side, k]
                elif candidates[other, picks[other]] != candidates[face, k]:
                    choice += weights[face, side]
            if choice < low:
                low, picks[face] = choice, k
        held /= F(max(ahead, behind, 1))
        for side in range(3):
            other = neighbours[face, side]
            if other >= 0 and counts[other] > 0 and (other - face) * step > 0:
                send(face, side, held, candidates, counts, neighbours, across, weights, messages)


@njit(**_OPTIONS)
@no_type_check
def least_energy(costs, candidates, counts, neighbours, across, weights, rounds, best):
    """Write the cheapest picks [F] that are found, and return their energy.

    The first are each face's own cheapest, settled; then come `rounds` of passes there and back, and the best that
    they find is settled too. So the result is never worse than settling alone.
    """
    best[:] = 0
    for face in range(len(costs)):
        for k in range(counts[face]):
            if costs[face, k] < costs[face, best[face]]:
                best[face] = k
    settle(costs, candidates, counts, neighbours, weights, rounds, best)
    lowest = energy(costs, candidates, counts, neighbours, weights, best)
    messages, picks = np.zeros((len(costs), 3, costs.shape[1]), F), best.copy()
    for turn in range(2 * rounds):
        step = 1 if turn % 2 == 0 else -1
        pass_over(costs, candidates, counts, neighbours, across, weights, step, messages, picks)
        found = energy(costs, candidates, counts, neighbours, weights, picks)
        if found < lowest:
            lowest = found
            best[:] = picks
    settle(costs, candidates, counts, neighbours, weights, rounds, best)
    return energy(costs, candidates, counts, neighbours, weights, best)
