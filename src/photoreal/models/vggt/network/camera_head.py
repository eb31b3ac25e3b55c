"""Cameras out of their tokens, by a head that corrects itself some times (Wang et al. 2025, section 3.3)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from photoreal.models.vggt.network.blocks import Block, Mlp
from photoreal.models.vggt.network.shape import VggtShape

_NUMBERS = 9


class CameraHead(nn.Module):
    """The camera tokens of all photos to an encoding of each camera: translation, quaternion xyzw, fields of view."""

    def __init__(self, shape: VggtShape) -> None:
        super().__init__()
        width = 2 * shape.width
        self.rounds = shape.camera_rounds
        self.trunk = nn.ModuleList(Block(width, shape.camera_heads, eps=1e-5) for _ in range(shape.camera_depth))
        self.token_norm = nn.LayerNorm(width, eps=1e-5)
        self.trunk_norm = nn.LayerNorm(width, eps=1e-5)
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, _NUMBERS))
        self.embed_pose = nn.Linear(_NUMBERS, width)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 3 * width))
        self.pose_branch = Mlp(width, width // 2, _NUMBERS)

    @torch.no_grad()
    def forward(self, camera: Float[Tensor, "V C"]) -> Float[Tensor, "R V 9"]:
        """The encodings after each round; the last is the answer. Angles are in radians and at least 0."""
        tokens = self.token_norm(camera)[None]
        raw = self.empty_pose_tokens.expand(1, len(camera), -1)
        found: list[Tensor] = []
        for index in range(self.rounds):
            shift, scale, gate = self.poseLN_modulation(self.embed_pose(raw)).chunk(3, -1)
            plain = functional.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
            x = gate * (plain * (1 + scale) + shift) + tokens
            for block in self.trunk:
                block(x)
            change = self.pose_branch(self.trunk_norm(x))
            raw = raw + change if index else change
            found.append(torch.cat([raw[0, :, :7], raw[0, :, 7:].relu()], -1))
        return torch.stack(found)
