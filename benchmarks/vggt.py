"""Seconds and memory of VGGT against the number of photos; random weights serve, for time does not depend on them."""

import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.figures import Figure
from photoreal.core import drained
from photoreal.models.vggt.network.shape import VggtShape
from photoreal.models.vggt.network.vggt_network import VggtNetwork
from photoreal.models.vggt.vggt import memory_gib

GIB = 2**30
SIZE = (518, 392)
"""Height and width of a photo of 4 : 3 as the network sees it."""
SMALL = (126, 98)
"""Photos on which memory is compared: its share does not depend on their size."""


def vggt(*, quick: bool) -> list[Figure]:
    """By photos of 392x518: seconds and memory beside the weights; and what keeping every layer would cost."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    counts, few, many = ((1, 2), 4, 12) if quick else ((1, 2, 4), 16, 48)
    size, small = ((140, 98), SMALL) if quick else (SIZE, SMALL)
    figures: list[Figure] = []
    for count in counts:
        found = _alone(device, size, (count,), "read")[0]
        said = "1 photo" if count == 1 else f"{count} photos"
        on = f"VGGT-1B, random weights, {said} of {size[1]}x{size[0]}, {device}"
        figures.append(Figure(f"VGGT, {said}", found["seconds"], "s", "", on))
        figures.append(Figure("its speed, bare matrix products being 1", found["speed"], "", "", on))
        figures.append(Figure(f"VGGT, {said}, memory beside weights", found["bytes"] / GIB, "GiB", "", on))
        figures.append(Figure("the same, as estimated beforehand", memory_gib(count, size), "GiB", "", on))
    slopes = {kept: _slope(_alone(device, small, (few, many), kept), many - few) for kept in ("read", "all")}
    on = f"VGGT-1B, from {few} to {many} photos of {small[1]}x{small[0]}, {device}"
    figures += [
        Figure("memory for each added photo", slopes["read"] / 2**20, "MiB", "", on),
        Figure("the same, all 24 layers kept", slopes["all"] / 2**20, "MiB", "", on),
        Figure("share of it", slopes["read"] / slopes["all"], "", "" if quick else "<= 0.3333", on),
    ]
    if device == "cpu":
        figures.append(Figure("VGGT on CUDA", None, "s", "", "there is no CUDA device here"))
    return figures


def _slope(found: list[dict[str, float]], added: int) -> float:
    return (found[1]["bytes"] - found[0]["bytes"]) / added


def _alone(device: str, size: tuple[int, int], counts: tuple[int, ...], kept: str) -> list[dict[str, float]]:
    """Measured in a process of its own, so that what others left in memory does not count."""
    words = [sys.executable, "-m", "benchmarks.vggt", device, str(size[0]), str(size[1]), kept, *map(str, counts)]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def measure(device: str, size: tuple[int, int], kept: str, counts: list[int]) -> None:
    """Print a line for each number of photos, in rising order: seconds, and bytes beside the weights at the peak."""
    network = _random_network(device)
    if kept == "all":
        network.layers = tuple(range(VggtShape().depth))
    _operations_a_second(device)  # takes its memory before memory is counted
    before = _peak(device)
    for count in counts:
        images = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0)).to(device)
        bare = _operations_a_second(device)
        started = time.perf_counter()
        with FlopCounterMode(display=False) as counter:
            if kept == "all":
                _with_every_layer(network, images)
            else:
                drained(network.predict(images))
            _finish(device)
        seconds = time.perf_counter() - started
        bare = (bare + _operations_a_second(device)) / 2
        speed = counter.get_total_flops() / seconds / bare
        print(json.dumps({"seconds": seconds, "speed": speed, "bytes": _peak(device) - before}), flush=True)


def _operations_a_second(device: str) -> float:
    """Of bare matrix products in the network's precision, as large as those of a layer for 1024 tokens; on a machine
    that is at times slow for all, they tell how slow."""
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    tokens, weights = (torch.ones(1024, columns, device=device, dtype=kind) for columns in (1024, 4096))
    seconds: list[float] = []
    for _ in range(60):
        started = time.perf_counter()
        _ = tokens @ weights
        _finish(device)
        seconds.append(time.perf_counter() - started)
    return 2 * 1024 * 1024 * 4096 / statistics.median(seconds)


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _with_every_layer(network: VggtNetwork, images: torch.Tensor) -> None:
    """As much work, but every layer's tokens stay in memory until the heads are done."""
    tokens = drained(network.tokens(images, network.layers))
    network.camera_head(tokens.camera)
    size = (images.shape[2], images.shape[3])
    read = list(VggtShape().layers)
    kept: list[torch.Tensor] = []
    for first in range(0, len(images), 2):
        layers = torch.stack([tokens.layers[layer, first : first + 2] for layer in read])
        kept += [head.numbers(layers, tokens.grid, size) for head in (network.depth_head, network.point_head)]


def _random_network(device: str) -> VggtNetwork:
    with torch.device("meta"):
        network = VggtNetwork(VggtShape())
    network = network.to_empty(device=device).requires_grad_(requires_grad=False).eval()
    for parameter in network.parameters():
        parameter.uniform_(-0.03, 0.03)
    return network


def _peak(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    place, height, width, which, *numbers = sys.argv[1:]
    measure(place, (int(height), int(width)), which, [int(number) for number in numbers])
