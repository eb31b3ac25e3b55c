"""What a network sees: photos beside their features as colours, in which alike things are alike in all of them.

python examples/10_feature_pictures.py FOLDER OUT.png [--photos 4] [--weights dinov2-large] [--alone]

Without --weights the embedded DINOv2-S/14 looks.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional

from photoreal.core import bytes_from_unit, unit_from_bytes
from photoreal.io import ReadConfig, read_photos
from photoreal.models import DinoConfig, Dinov2SaliencyConfig, PatchConfig, matching_descriptors
from photoreal.view.pictures import pca_colours


def main() -> None:
    """Write one picture: a column a photo, below each its features."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photos")
    parser.add_argument("out", type=Path, help="the picture to write")
    parser.add_argument("--photos", type=int, default=4, help="how many, evenly out of all")
    parser.add_argument("--weights", help="a name such as dinov2-large, or a folder")
    parser.add_argument("--side", type=int, default=518, help="pixels of the longer side that the network sees")
    parser.add_argument("--alone", action="store_true", help="leave the photos out of the picture")
    options = parser.parse_args()
    patches = PatchConfig(side=options.side)
    model = (DinoConfig(options.weights, patches) if options.weights else Dinov2SaliencyConfig(patches)).load()
    photos = read_photos(options.folder, ReadConfig(max_side=560)).photos
    every = torch.linspace(0, len(photos) - 1, min(options.photos, len(photos))).round().long().tolist()
    images = unit_from_bytes(photos.take(every).images)
    with torch.no_grad():
        features = model(images)
    colours = pca_colours(matching_descriptors(features))
    large = functional.interpolate(colours, size=images.shape[2:], mode="nearest")
    shown = large if options.alone else torch.cat([images, large], dim=2)
    columns = torch.cat(list(shown), dim=2)
    Image.fromarray(bytes_from_unit(columns).permute(1, 2, 0).contiguous().numpy()).save(options.out)
    print(f"{options.out}: {len(images)} photos, {model.name}, layers {', '.join(map(str, features.layers))}")


main()
