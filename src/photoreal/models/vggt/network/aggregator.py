"""Tokens of all photos, that hear by turns of their own photo and of all (Wang et al. 2025, section 3.2)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from photoreal.core import Step
from photoreal.models.vggt.network.blocks import Block, parts, turns_of
from photoreal.models.vggt.network.shape import VggtShape
from photoreal.models.vggt.network.vision_transformer import VisionTransformer

MEAN = (0.485, 0.456, 0.406)
"""ImageNet's mean colour, sRGB in [0, 1]: where an image has it, the network sees nothing."""
_DEVIATION = (0.229, 0.224, 0.225)
_PHOTOS = 4
"""Photos that are looked at at one time where each is looked at alone."""


@dataclass(frozen=True)
class Tokens:
    """What the aggregator has to say: of each pair of blocks, the output within the photo and the one across all."""

    layers: Float[Tensor, "L V P C"]
    """Tokens of the patches, row by row, after the pairs that were asked for."""
    camera: Float[Tensor, "V C"]
    """The camera's token after the last pair."""
    grid: tuple[int, int]
    """Rows and columns of patches."""


class Aggregator(nn.Module):
    """Images to tokens; only the layers that somebody reads are kept."""

    def __init__(self, shape: VggtShape) -> None:
        super().__init__()
        width, heads = shape.width, shape.heads
        self.patch, self.channels = shape.patch, width // heads
        self.patch_embed = VisionTransformer(shape)
        self.frame_blocks = nn.ModuleList(Block(width, heads, eps=1e-5, normalised=True) for _ in range(shape.depth))
        self.global_blocks = nn.ModuleList(Block(width, heads, eps=1e-5, normalised=True) for _ in range(shape.depth))
        # The first photo, whose frame the world is, has tokens of its own.
        self.camera_token = nn.Parameter(torch.zeros(1, 2, 1, width))
        self.register_token = nn.Parameter(torch.zeros(1, 2, shape.registers, width))

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "V 3 H W"], kept: Sequence[int]) -> Generator[Step, None, Tokens]:
        """Yield steps; return the tokens after the pairs numbered `kept`.

        Args:
            images: sRGB in [0, 1]; the sides are multiples of the patch.
        """
        count, grid = len(images), (images.shape[2] // self.patch, images.shape[3] // self.patch)
        special = 1 + self.register_token.shape[2]
        x = images.new_empty(count, special + grid[0] * grid[1], self.camera_token.shape[-1], dtype=torch.float32)
        first = torch.cat([self.camera_token, self.register_token], 2)[0].float()
        x[:, :special] = first[1]
        x[0, :special] = first[0]
        mean, deviation = (images.new_tensor(values)[:, None, None] for values in (MEAN, _DEVIATION))
        depth = len(self.frame_blocks)
        yield Step("looking at photos", 0, count + depth)
        for part in parts(count, _PHOTOS):
            x[part, special:] = self.patch_embed((images[part] - mean) / deviation).float()
            yield Step("looking at photos", part.stop, count + depth)
        turns = self._turns(grid, special).to(x)
        layers = x.new_empty(len(kept), count, grid[0] * grid[1], 2 * x.shape[-1])
        camera = x.new_empty(count, 2 * x.shape[-1])
        for index, (within, across) in enumerate(zip(self.frame_blocks, self.global_blocks, strict=True)):
            for part in parts(count, _PHOTOS):
                within(x[part], turns)
            self._keep(x, (layers, camera), half=0, special=special, row=_row(kept, index))
            across(x.view(1, -1, x.shape[-1]), turns.repeat(1, count, 1))
            self._keep(x, (layers, camera), half=1, special=special, row=_row(kept, index))
            yield Step("looking at photos", count + index + 1, count + depth)
        return Tokens(layers, camera, grid)

    def _turns(self, grid: tuple[int, int], special: int) -> Float[Tensor, "2 N D"]:
        """Patches are at (row + 1, column + 1), the special tokens at (0, 0), where nothing is turned."""
        device = self.camera_token.device
        rows, columns = (torch.arange(1, side + 1, device=device) for side in grid)
        cells = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        return turns_of(torch.cat([cells.new_zeros(special, 2), cells]), self.channels)

    @staticmethod
    def _keep(x: Tensor, into: tuple[Tensor, Tensor], *, half: int, special: int, row: int | None) -> None:
        layers, camera = into
        width = x.shape[-1]
        place = slice(half * width, (half + 1) * width)
        camera[:, place] = x[:, 0]
        if row is not None:
            layers[row, :, :, place] = x[:, special:]


def _row(kept: Sequence[int], index: int) -> int | None:
    return list(kept).index(index) if index in kept else None
