"""DINOv2 with registers (Oquab et al. 2023, Darcet et al. 2023), of which the patches' tokens are used."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from photoreal.models.vggt.network.blocks import Block
from photoreal.models.vggt.network.shape import VggtShape

_EPS = 1e-6


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)


class VisionTransformer(nn.Module):
    """Images, normalised, to one token for each patch, row by row."""

    def __init__(self, shape: VggtShape) -> None:
        super().__init__()
        width = shape.width
        self.grid = shape.eye_grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + shape.eye_grid**2, width))
        self.register_tokens = nn.Parameter(torch.zeros(1, shape.registers, width))
        # Of the training by masked patches; no image has any here, but checkpoints hold it.
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = _PatchEmbedding(width, shape.patch)
        self.blocks = nn.ModuleList(Block(width, shape.eye_heads, eps=_EPS) for _ in range(shape.eye_depth))
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, images: Float[Tensor, "V 3 H W"]) -> Float[Tensor, "V P C"]:
        """The normalised tokens of the patches; gradients do not pass."""
        cells = self.patch_embed.proj(images)
        rows, columns = cells.shape[-2:]
        position = self._positions(rows, columns)
        first = (self.cls_token + position[:, :1]).expand(len(images), -1, -1)
        registers = self.register_tokens.expand(len(images), -1, -1)
        x = torch.cat([first, registers, cells.flatten(2).transpose(1, 2) + position[:, 1:]], 1)
        for block in self.blocks:
            block(x)
        return self.norm(x[:, 1 + registers.shape[1] :])

    def _positions(self, rows: int, columns: int) -> Float[Tensor, "1 N C"]:
        """Those learnt on a square grid, resized to this one."""
        learnt = self.pos_embed.float()
        if rows == columns == self.grid:
            return learnt
        square = learnt[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        resized = functional.interpolate(square, (rows, columns), mode="bicubic", antialias=True)
        return torch.cat([learnt[:, :1], resized.flatten(2).transpose(1, 2)], 1)
