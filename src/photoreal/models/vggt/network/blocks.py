"""Transformer blocks that work on tokens in place and by parts, so that little more than the tokens is in memory."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

_PART, _PART_OF_GPU = 1024, 16_384
"""Tokens whose wide intermediate values exist at one time. On a GPU each part brings all weights to half precision
anew, so there are fewer and larger ones."""


class Scale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "... C"]) -> Float[Tensor, "... C"]:
        """The scaled tokens."""
        return x * self.gamma


class Mlp(nn.Module):
    """Two layers with a GELU between."""

    def __init__(self, inner: int, hidden: int, outer: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inner, hidden)
        self.fc2 = nn.Linear(hidden, outer)

    def forward(self, x: Float[Tensor, "... C"]) -> Float[Tensor, "... D"]:
        """Each token by itself."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Attention(nn.Module):
    """The weights of self-attention; `Block` says how they are used."""

    def __init__(self, width: int, heads: int, *, normalised: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = nn.LayerNorm(width // heads, eps=1e-5) if normalised else nn.Identity()
        self.k_norm = nn.LayerNorm(width // heads, eps=1e-5) if normalised else nn.Identity()
        self.proj = nn.Linear(width, width)


class Block(nn.Module):
    """Attention and an MLP, each added to the tokens through a factor for each channel.

    Args:
        eps: of the norms before attention and MLP.
        normalised: whether queries and keys are normalised, before they are turned.
    """

    def __init__(self, width: int, heads: int, *, eps: float, normalised: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads, normalised=normalised)
        self.ls1 = Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, 4 * width, width)
        self.ls2 = Scale(width)

    def forward(self, x: Float[Tensor, "B N C"], turns: Float[Tensor, "2 N D"] | None = None) -> None:
        """Afterwards `x` holds the block's output; gradients do not pass.

        Args:
            turns: cosines and sines by which queries and keys are turned (`turns_of`).
        """
        heard = self._attend(x, turns)
        for part in parts(x.shape[1], _part(x)):
            x[:, part] += self.ls1(self.attn.proj(heard[:, :, part].transpose(1, 2).flatten(2)))
            x[:, part] += self.ls2(self.mlp(self.norm2(x[:, part])))

    def _attend(self, x: Float[Tensor, "B N C"], turns: Float[Tensor, "2 N D"] | None) -> Float[Tensor, "B H N D"]:
        heads, count = self.attn.heads, x.shape[1]
        whole: list[Tensor] = []
        for part in parts(count, _part(x)):
            packed = self.attn.qkv(self.norm1(x[:, part])).unflatten(-1, (3, heads, -1))
            query, key, value = packed.permute(2, 0, 3, 1, 4)
            query, key = self.attn.q_norm(query), self.attn.k_norm(key)
            if turns is not None:
                query, key = turned(query, turns[:, part]), turned(key, turns[:, part])
            whole = whole or [value.new_empty(len(x), heads, count, value.shape[-1]) for _ in range(3)]
            for place, what in zip(whole, (query, key, value), strict=True):
                place[:, :, part] = what
        query, key, value = whole
        return functional.scaled_dot_product_attention(query, key, value)


def _part(x: Tensor) -> int:
    return _PART if x.device.type == "cpu" else _PART_OF_GPU


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows that cover `count`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def turns_of(positions: Int64[Tensor, "N 2"], channels: int) -> Float[Tensor, "2 N D"]:
    """Cosines and sines for tokens at rows and columns: rotary position embedding (Su et al. 2021) of two dimensions,
    the first half of a head's channels by the row, the second by the column; base 100."""
    quarter = channels // 4
    speed = 100.0 ** (-torch.arange(quarter, device=positions.device) / quarter)
    angles = positions[:, :, None] * speed  # N 2 quarter
    angles = torch.cat([angles, angles], -1).flatten(1)
    return torch.stack([angles.cos(), angles.sin()])


def turned(x: Float[Tensor, "B H N D"], turns: Float[Tensor, "2 N D"]) -> Float[Tensor, "B H N D"]:
    """Each half of the channels turned as pairs of its own first and second half."""
    first, second = x.unflatten(-1, (2, 2, -1)).unbind(-2)
    across = torch.stack([-second, first], -2).flatten(-3)
    return (x * turns[0] + across * turns[1]).to(x.dtype)
