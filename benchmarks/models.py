"""What the networks that look at photos are worth: patches found again under a known homography."""

import json
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.figures import Figure
from benchmarks.registration import registration
from benchmarks.subjects import photos_folder
from benchmarks.vggt import vggt
from photoreal.core import Features, MissingWeightsError, unit_from_bytes
from photoreal.io import ReadConfig, read_photos
from photoreal.models import (
    Dinov2SaliencyConfig,
    FeatureModel,
    ImageEncoder,
    PatchConfig,
    PooledConfig,
    matching_descriptors,
)
from photoreal.models.vggt.network import VggtNetwork, VggtShape
from photoreal.view.pictures import read_pixels

DEBIAN = Path("/usr/share/doc/opencv-doc")
"""Where Debian's package opencv-doc puts the graffiti pair of Mikolajczyk et al. 2005."""
_FILES = ("graf1.png", "graf3.png", "H1to3p.xml")
_PUBLISHED = Path(__file__).parent.parent / "tests" / "models" / "vggt" / "fixtures" / "vggt_1b.json"
_LAYERS = (4, 6, 8, 10, 12)


def models(data: Path, *, quick: bool) -> list[Figure]:
    """Features, matchers and VGGT."""
    return [
        *_layout(),
        *patch_matching(data, side=224 if quick else 518),
        *photo_retrieval(data, each=4 if quick else 16),
        *registration(data, quick=quick),
        *vggt(quick=quick),
    ]


def _layout() -> list[Figure]:
    """Whether our VGGT has exactly the published parameters; numbers of the reference are held in its tests."""
    with torch.device("meta"):
        network = VggtNetwork(VggtShape())
    ours = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    published = json.loads(_PUBLISHED.read_text())
    wrong = sum(ours.get(name) != published.get(name) for name in ours.keys() | published.keys())
    on = f"{len(published)} tensors of VGGT-1B by name and shape"
    return [Figure("VGGT: parameters that differ", float(wrong), "", "<= 0", on)]


def patch_matching(data: Path, *, side: int = 518) -> list[Figure]:
    """Patches of graf1 whose nearest neighbour in graf3, by cosine, is at most 1.5 patches off; by layer and together.

    Counted are the patches whose centres the homography takes into graf3.
    """
    name = "patches matched, PCK at 1.5 patches"
    on = f"graf1 to graf3 (30 degrees off), embedded DINOv2-S/14 at {side} px"
    found = _pair(data)
    if found is None:
        places = f"{data / 'graf'} and {DEBIAN}"
        return [Figure(name, None, "", ">= 0.42", f"no {', '.join(_FILES)} in {places} (Debian: opencv-doc)")]
    images, homography = found
    try:
        every, chosen = (Dinov2SaliencyConfig(PatchConfig(layers, side)).load() for layers in (_LAYERS, ()))
    except MissingWeightsError as error:
        return [Figure(name, None, "", ">= 0.42", str(error))]
    features = every(images)
    blind = score(_places(features), images, homography)[0]
    each = [Features(features.layer(layer)[None], (layer,)) for layer in _LAYERS]
    figures = [Figure(f"{name}, layer {one.layers[0]}", score(one, images, homography)[0], "", "", on) for one in each]
    figures.append(Figure(f"{name}, each with that of the same place", blind, "", "", on))
    features, seconds = _timed(chosen, images)
    (value, count), layers = score(features, images, homography), ", ".join(map(str, features.layers))
    goal = ">= 0.42" if side == 518 else ""
    return [
        Figure(name, value, "", goal, f"{on}, layers {layers} together, {count} patches"),
        *figures,
        Figure("features of the pair", seconds, "s", "", on),
    ]


def photo_retrieval(data: Path, *, each: int) -> list[Figure]:
    """How often the lower right of some photo that is most like the upper left of one is of the same capture."""
    name, captures = (
        "crops whose likest is of the same capture",
        ("fox", "kermit", "kitchen", "sceaux", "temple_sparse_ring"),
    )
    here = [capture for capture in captures if photos_folder(data, capture).is_dir()]
    try:
        encoder = PooledConfig().load()
    except MissingWeightsError as error:
        return [Figure(name, None, "", "", str(error))]
    if len(here) < 2:
        return [Figure(name, None, "", "", f"fewer than two of {', '.join(captures)} in {data}")]
    corners: list[Tensor] = []
    for capture in here:
        photos = read_photos(photos_folder(data, capture), ReadConfig(max_side=640)).photos
        chosen = torch.linspace(0, len(photos) - 1, min(each, len(photos))).round().long().tolist()
        images = unit_from_bytes(photos.take(chosen).images)
        side = int(0.6 * min(images.shape[2:]))
        corners.append(torch.stack([images[:, :, :side, :side], images[:, :, -side:, -side:]]))
    labels = torch.cat([torch.full((pair.shape[1],), row) for row, pair in enumerate(corners)])
    on = f"{len(labels)} photos of {', '.join(here)}"
    ways = {"embedded encoder": encoder, "mean and deviation of colours": _colours}
    return [Figure(f"{name}, {way}", _same(encode, corners, labels), "", "", on) for way, encode in ways.items()]


def _same(encode: ImageEncoder, corners: list[Tensor], labels: Tensor) -> float:
    with torch.no_grad():
        first, second = (normalize(torch.cat([encode(pair[side]) for pair in corners]), dim=1) for side in (0, 1))
    return float((labels[(first @ second.T).argmax(1)] == labels).float().mean())


def _colours(images: Tensor) -> Tensor:
    return torch.cat([images.mean((2, 3)) - 0.5, images.std((2, 3))], dim=1)


def score(features: Features, images: Float[Tensor, "2 3 H W"], homography: Float[Tensor, "3 3"]) -> tuple[float, int]:
    """The share of the first image's patches that are found again in the second, and of how many."""
    first, second = matching_descriptors(features).flatten(2)
    rows, columns = features.grid
    patch = torch.tensor([images.shape[3] / columns, images.shape[2] / rows])
    x, y = torch.meshgrid(torch.arange(columns) + 0.5, torch.arange(rows) + 0.5, indexing="xy")
    cells = torch.stack([x, y], dim=-1).reshape(-1, 2)
    there = _mapped(cells * patch, homography) / patch
    inside = ((there >= 0) & (there <= torch.tensor([columns, rows]))).all(1)
    nearest = cells[(first.mT @ second).argmax(1)]
    right = (nearest - there).norm(dim=1) <= 1.5
    return float(right[inside].float().mean()), int(inside.sum())


def _mapped(pixels: Float[Tensor, "N 2"], homography: Float[Tensor, "3 3"]) -> Float[Tensor, "N 2"]:
    """Through a homography that calls the first pixel's centre (0, 0), where it is (0.5, 0.5) here."""
    mapped = torch.cat([pixels - 0.5, torch.ones(len(pixels), 1)], dim=1) @ homography.T
    return mapped[:, :2] / mapped[:, 2:] + 0.5


def _places(features: Features) -> Features:
    """Descriptors that know nothing but which patch they are of."""
    count = features.grid[0] * features.grid[1]
    return Features(torch.eye(count).unflatten(1, features.grid).expand(1, 2, -1, -1, -1), (0,))


def _timed(model: FeatureModel, images: Float[Tensor, "2 3 H W"]) -> tuple[Features, float]:
    started = time.perf_counter()
    features = model(images)
    return features, time.perf_counter() - started


def _pair(data: Path) -> tuple[Float[Tensor, "2 3 H W"], Float[Tensor, "3 3"]] | None:
    """The two photos and the homography between them; None where they are not."""
    for folder in (data / "graf", DEBIAN):
        paths = [next(iter(sorted(folder.rglob(name))), None) for name in _FILES]
        first, second, matrix = paths
        if first and second and matrix:
            images = unit_from_bytes(torch.stack([read_pixels(first), read_pixels(second)]))
            return images, _matrix(matrix)
    return None


def _matrix(path: Path) -> Float[Tensor, "3 3"]:
    """The one matrix of a file of OpenCV."""
    text = ElementTree.parse(path).findtext(".//data") or ""
    return torch.tensor([float(word) for word in text.split()]).reshape(3, 3)
