"""What a matcher finds in two photos: lines between the places, violet where it is unsure, pale yellow
where it is sure.

python examples/11_match_picture.py FOLDER OUT.png [--photos 0 5] [--matcher xfeat] [--over features]

Over features, the photos themselves are not in the picture, only the colours of what DINOv2 sees in them.
"""

import argparse
from pathlib import Path

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from photoreal.core import bytes_from_unit, unit_from_bytes
from photoreal.io import ReadConfig, read_photos
from photoreal.models import AlikedConfig, Dinov2SaliencyConfig, EfficientLoftrConfig, XFeatConfig, matching_descriptors
from photoreal.view.pictures import match_picture, pca_colours

MATCHERS = {"xfeat": XFeatConfig, "aliked": AlikedConfig, "loftr": EfficientLoftrConfig}


def main() -> None:
    """Write one picture of two photos side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photos")
    parser.add_argument("out", type=Path, help="the picture to write")
    parser.add_argument("--photos", type=int, nargs=2, default=(0, 1), help="which two, counted from 0")
    parser.add_argument("--matcher", choices=sorted(MATCHERS), default="xfeat")
    parser.add_argument("--over", choices=("photos", "features"), default="photos")
    options = parser.parse_args()
    photos = read_photos(options.folder, ReadConfig(max_side=640)).photos.take(options.photos)
    (matches,) = MATCHERS[options.matcher]().load()(photos, [(0, 1)])
    first, second = photos.images if options.over == "photos" else seen(photos.images)
    picture = match_picture(first, second, matches)
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(options.out)
    print(f"{options.out}: {len(matches)} matches by {options.matcher}")


def seen(images: UInt8[Tensor, "V 3 H W"]) -> UInt8[Tensor, "V 3 H W"]:
    """The colours of their features, as large as the images."""
    with torch.no_grad():
        features = Dinov2SaliencyConfig().load()(unit_from_bytes(images))
    colours = pca_colours(matching_descriptors(features))
    return bytes_from_unit(functional.interpolate(colours, size=images.shape[2:], mode="nearest"))


main()
