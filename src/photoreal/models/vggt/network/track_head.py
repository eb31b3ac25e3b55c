"""Points of the first photo, followed through the others (Wang et al. 2025, section 3.3; Karaev et al. 2023)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from photoreal.models.vggt.network.blocks import Mlp
from photoreal.models.vggt.network.dense_head import DenseFeatures
from photoreal.models.vggt.network.shape import TrackShape, VggtShape

_STRIDE = 2
_FULL_SIDE = 518.0
"""Flows are told to the transformer in sides of the photos it was trained on."""


@dataclass(frozen=True)
class Followed:
    """Where points of the first photo are in all photos."""

    pixels: Float[Tensor, "R V N 2"]
    """After each round; the last is the answer. Counted from the first pixel's centre."""
    visibility: Float[Tensor, "V N"]
    """In [0, 1]."""
    confidence: Float[Tensor, "V N"]
    """In [0, 1]."""


class TrackHead(nn.Module):
    """Tokens and points of the first photo to these points' places in all photos."""

    def __init__(self, shape: VggtShape) -> None:
        super().__init__()
        features = shape.track.features
        self.feature_extractor = DenseFeatures(shape.width, shape.pyramid, features, features)
        self.tracker = Tracker(shape.track)

    @torch.no_grad()
    def forward(
        self,
        layers: Float[Tensor, "4 V P C"],
        grid: tuple[int, int],
        size: tuple[int, int],
        queries: Float[Tensor, "N 2"],
        *,
        rounds: int = 4,
    ) -> Followed:
        """Where the points are. `queries`: pixels (x, y) of the first photo, counted from the first pixel's centre."""
        half = (size[0] // _STRIDE, size[1] // _STRIDE)
        maps = self.feature_extractor(layers, grid, half, positions=False)
        return self.tracker(maps, queries, rounds)


class Tracker(nn.Module):
    """Corrects tracks round by round by what correlates around them."""

    def __init__(self, shape: TrackShape) -> None:
        super().__init__()
        self.shape, features = shape, shape.features
        width = 3 * features + 4
        window = (2 * shape.radius + 1) ** 2
        self.query_ref_token = nn.Parameter(torch.zeros(1, 2, width))
        self.corr_mlp = Mlp(shape.levels * window, shape.hidden, features)
        self.updateformer = _Updater(width, features + 2, shape)
        self.fmap_norm = nn.LayerNorm(features)
        self.ffeat_norm = nn.GroupNorm(1, features)
        self.ffeat_updater = nn.Sequential(nn.Linear(features, features), nn.GELU())
        self.vis_predictor = nn.Sequential(nn.Linear(features, 1))
        self.conf_predictor = nn.Sequential(nn.Linear(features, 1))

    def forward(self, maps: Float[Tensor, "V C h w"], queries: Float[Tensor, "N 2"], rounds: int) -> Followed:
        """Where the points are. `queries`: in pixels of the photo, of which a cell of the maps has two."""
        maps = self.fmap_norm(maps.movedim(1, -1)).movedim(-1, 1)
        start = queries / _STRIDE
        place = start.expand(len(maps), -1, -1)
        look = _sampled(maps[:1], start[None]).expand(len(maps), -1, -1)
        pyramid = [maps]
        for _ in range(self.shape.levels - 1):
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
        waves = grid_waves(maps.shape[-2:], self.query_ref_token.shape[-1]).to(maps)
        known = _sampled(waves[None], start[None])[0]
        found: list[Tensor] = []
        for _ in range(rounds):
            flow = place - place[:1]
            told = torch.cat([_flow_waves(flow, self.shape.features // 2), flow / _FULL_SIDE, flow / _FULL_SIDE], -1)
            around = self.corr_mlp(_correlations(pyramid, look, place, self.shape.radius))
            x = torch.cat([told, around, look], -1) + known
            x = torch.cat([x[:1] + self.query_ref_token[0, 0], x[1:] + self.query_ref_token[0, 1]])
            change = self.updateformer(x.transpose(0, 1)).transpose(0, 1)
            news = self.ffeat_norm(change[..., 2:].flatten(0, 1)).view_as(look)
            look = look + self.ffeat_updater(news)
            place = torch.cat([start[None], (place + change[..., :2])[1:]])
            found.append(place * _STRIDE)
        return Followed(
            torch.stack(found),
            self.vis_predictor(look)[..., 0].sigmoid(),
            self.conf_predictor(look)[..., 0].sigmoid(),
        )


class _Updater(nn.Module):
    """Attention along time for each point, and through a few virtual tracks across points."""

    def __init__(self, inner: int, outer: int, shape: TrackShape) -> None:
        super().__init__()
        hidden, heads = shape.hidden, shape.heads
        self.input_norm = nn.LayerNorm(inner)
        self.input_transform = nn.Linear(inner, hidden)
        self.output_norm = nn.LayerNorm(hidden)
        self.flow_head = nn.Linear(hidden, outer)
        self.virual_tracks = nn.Parameter(torch.zeros(1, shape.virtual, 1, hidden))  # spelt as in checkpoints
        each = range(shape.depth)
        self.time_blocks = nn.ModuleList(_SelfBlock(hidden, heads) for _ in each)
        self.space_virtual_blocks = nn.ModuleList(_SelfBlock(hidden, heads) for _ in each)
        self.space_point2virtual_blocks = nn.ModuleList(_CrossBlock(hidden, heads) for _ in each)
        self.space_virtual2point_blocks = nn.ModuleList(_CrossBlock(hidden, heads) for _ in each)

    def forward(self, x: Float[Tensor, "N V C"]) -> Float[Tensor, "N V D"]:
        count = len(x)
        first = self.input_transform(self.input_norm(x))
        x = torch.cat([first, self.virual_tracks[0].expand(-1, x.shape[1], -1)])
        blocks = (
            self.time_blocks,
            self.space_virtual2point_blocks,
            self.space_virtual_blocks,
            self.space_point2virtual_blocks,
        )
        for along, hear, confer, tell in zip(*blocks, strict=True):
            x = along(x)
            points, virtual = x[:count].transpose(0, 1), x[count:].transpose(0, 1)
            virtual = confer(hear(virtual, points))
            points = tell(points, virtual)
            x = torch.cat([points, virtual], 1).transpose(0, 1)
        return self.flow_head(self.output_norm(x[:count] + first))


class _SelfBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = Mlp(width, 4 * width, width)

    def forward(self, x: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        """What attention gives is added to the normalised tokens, as the published network was trained."""
        x = self.norm1(x)
        x = x + self.attn(x, x, x, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class _CrossBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.cross_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = Mlp(width, 4 * width, width)

    def forward(self, x: Float[Tensor, "B N C"], context: Float[Tensor, "B M C"]) -> Float[Tensor, "B N C"]:
        x, context = self.norm1(x), self.norm_context(context)
        x = x + self.cross_attn(x, context, context, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


def _sampled(maps: Float[Tensor, "V C h w"], places: Float[Tensor, "V N 2"]) -> Float[Tensor, "V N C"]:
    """Bilinear values at (x, y), counted from the first cell's centre; outside, those of the border."""
    last = maps.new_tensor([maps.shape[-1] - 1, maps.shape[-2] - 1])
    grid = 2 * places / last.clamp_min(1) - 1
    found = functional.grid_sample(maps, grid[:, None], align_corners=True, padding_mode="border")
    return found[:, :, 0].transpose(1, 2)


def _correlations(
    pyramid: list[Tensor], look: Float[Tensor, "V N C"], place: Float[Tensor, "V N 2"], radius: int
) -> Float[Tensor, "V N K"]:
    """How well each point's look correlates with its surroundings, level by level; outside of the photo, 0."""
    steps = torch.arange(-radius, radius + 1, dtype=place.dtype, device=place.device)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).flatten(0, 1)
    found: list[Tensor] = []
    for level, maps in enumerate(pyramid):
        last = maps.new_tensor([maps.shape[-1] - 1, maps.shape[-2] - 1])
        places = place[:, :, None] / 2**level + window
        scores = torch.einsum("vnc,vchw->vnhw", look, maps) / maps.shape[1] ** 0.5
        grid = 2 * places / last.clamp_min(1) - 1
        one = scores.flatten(0, 1)[:, None]
        around = functional.grid_sample(one, grid.flatten(0, 1)[:, None], align_corners=True)
        found.append(around[:, 0, 0].unflatten(0, place.shape[:2]))
    return torch.cat(found, -1)


def _flow_waves(flow: Float[Tensor, "V N 2"], channels: int) -> Float[Tensor, "V N C"]:
    """Sines and cosines by turns of the flow across, then down, at evenly rising frequencies up to 1000."""
    speed = torch.arange(0, channels, 2, device=flow.device) * (1000.0 / channels)
    angles = flow[..., None] * speed
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-3)


def grid_waves(size: tuple[int, ...], channels: int) -> Float[Tensor, "C h w"]:
    """Sines and cosines of the column, then of the row, at frequencies from 1 to 1/10000."""
    quarter = channels // 4
    speed = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    down, across = (torch.arange(side)[:, None] * speed for side in size)
    height, width = size
    columns = torch.cat([across.sin(), across.cos()], 1).T[:, None].expand(-1, height, -1)
    rows = torch.cat([down.sin(), down.cos()], 1).T[:, :, None].expand(-1, -1, width)
    return torch.cat([columns, rows]).float()
