"""Maps out of tokens of several layers (Ranftl et al. 2021, as Wang et al. 2025 use it)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_POSITION_WEIGHT = 0.1


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The published network was trained with what its first, in-place ReLU left of `x` as the way around."""
        x = functional.relu(x)
        return self.conv2(functional.relu(self.conv1(x))) + x


class _Fusion(nn.Module):
    """Joins a finer layer to what the coarser ones gave."""

    def __init__(self, channels: int, *, joins: bool) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(channels, channels, 1)
        if joins:
            self.resConfUnit1 = _Residual(channels)
        self.resConfUnit2 = _Residual(channels)

    def forward(self, coarse: Tensor, fine: Tensor | None, size: tuple[int, int]) -> Tensor:
        if fine is not None:
            coarse = coarse + self.resConfUnit1(fine)
        return self.out_conv(_resized(self.resConfUnit2(coarse), size))


class _Scratch(nn.Module):
    """The part that brings all layers to the same channels and joins them; names are those of checkpoints.

    Args:
        outer: channels of the numbers for each pixel; 0 leaves features.
    """

    def __init__(self, pyramid: tuple[int, int, int, int], fused: int, last: int, outer: int) -> None:
        super().__init__()
        first, second, third, fourth = (nn.Conv2d(each, fused, 3, padding=1, bias=False) for each in pyramid)
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = first, second, third, fourth
        self.refinenet1, self.refinenet2, self.refinenet3 = (_Fusion(fused, joins=True) for _ in range(3))
        self.refinenet4 = _Fusion(fused, joins=False)
        self.output_conv1 = nn.Conv2d(fused, last, 3, padding=1)
        if outer:
            self.output_conv2 = nn.Sequential(nn.Conv2d(last, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, outer, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        layers = (self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn)
        one, two, three, four = (layer(x) for layer, x in zip(layers, maps, strict=True))
        x = self.refinenet4(four, None, _size(three))
        x = self.refinenet3(x, three, _size(two))
        x = self.refinenet2(x, two, _size(one))
        x = self.refinenet1(x, one, (2 * one.shape[-2], 2 * one.shape[-1]))
        return self.output_conv1(x)


class DenseFeatures(nn.Module):
    """Tokens of four layers to a map of features.

    Args:
        fused: channels in which the layers are joined.
        last: channels of the map.
        outer: channels of the numbers that a `DenseHead` makes of the map.
    """

    def __init__(
        self, width: int, pyramid: tuple[int, int, int, int], fused: int, last: int, *, outer: int = 0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * width, eps=1e-5)
        self.projects = nn.ModuleList(nn.Conv2d(2 * width, channels, 1) for channels in pyramid)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(pyramid[0], pyramid[0], 4, stride=4),
                nn.ConvTranspose2d(pyramid[1], pyramid[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(pyramid[3], pyramid[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = _Scratch(pyramid, fused, last, outer)

    def forward(
        self, layers: Float[Tensor, "4 V P C"], grid: tuple[int, int], size: tuple[int, int], *, positions: bool
    ) -> Float[Tensor, "V F h w"]:
        """The map, as large as `size`. `positions`: whether the place within the photo is added to the maps."""
        aspect = grid[1] / grid[0]
        maps: list[Tensor] = []
        for tokens, project, resize in zip(layers, self.projects, self.resize_layers, strict=True):
            x = project(self.norm(tokens).transpose(1, 2).unflatten(2, grid))
            maps.append(resize(_placed(x, aspect) if positions else x))
        x = _resized(self.scratch(maps), size)
        return _placed(x, aspect) if positions else x


class DenseHead(DenseFeatures):
    """Tokens to a map of `channels` numbers for each pixel, before their activations."""

    def __init__(self, width: int, pyramid: tuple[int, int, int, int], fused: int, channels: int) -> None:
        super().__init__(width, pyramid, fused, fused // 2, outer=channels)

    @torch.no_grad()
    def numbers(
        self, layers: Float[Tensor, "4 V P C"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "V N H W"]:
        """The map, as large as `size`."""
        return self.scratch.output_conv2(self(layers, grid, size, positions=True))


def depth_of(numbers: Float[Tensor, "V 2 H W"]) -> tuple[Float[Tensor, "V H W"], Float[Tensor, "V H W"]]:
    """Depth along the axis, and confidence of at least 1."""
    return numbers[:, 0].exp(), 1 + numbers[:, 1].exp()


def points_of(numbers: Float[Tensor, "V 4 H W"]) -> tuple[Float[Tensor, "V H W 3"], Float[Tensor, "V H W"]]:
    """Places in the first camera's frame, and confidence of at least 1."""
    places = numbers[:, :3].permute(0, 2, 3, 1)
    return places.sign() * places.abs().expm1(), 1 + numbers[:, 3].exp()


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(x, size, mode="bilinear", align_corners=True)


def _placed(x: Float[Tensor, "V C h w"], aspect: float) -> Float[Tensor, "V C h w"]:
    return x + _POSITION_WEIGHT * place_waves(x.shape[1], (x.shape[2], x.shape[3]), aspect).to(x)


def place_waves(channels: int, size: tuple[int, int], aspect: float) -> Float[Tensor, "C h w"]:
    """Sines and cosines of the place within a photo of this aspect (width / height), whose half diagonal is 1.

    The first half of the channels tells across, the second down; each sines first, with frequencies from 1 to 1/100.
    """
    height, width = size
    half = (1 + aspect**2) ** 0.5
    spans = (aspect / half * (width - 1) / width, 1 / half * (height - 1) / height)
    quarter = channels // 4
    speed = 100.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    waves: list[Tensor] = []
    for span, count in zip(spans, (width, height), strict=True):
        angles = speed[:, None] * torch.linspace(-span, span, count, dtype=torch.float64)
        waves.append(torch.cat([angles.sin(), angles.cos()]))
    across = waves[0][:, None].expand(-1, height, -1)
    down = waves[1][:, :, None].expand(-1, -1, width)
    return torch.cat([across, down]).float()
