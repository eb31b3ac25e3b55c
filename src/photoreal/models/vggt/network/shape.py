"""The numbers that make the published network, and that tests make small."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrackShape:
    """Sizes of the head that follows points."""

    features: int = 128
    hidden: int = 384
    levels: int = 7
    """Of the pyramid of correlations."""
    radius: int = 4
    """Of the window of correlations, in cells."""
    depth: int = 6
    """Blocks along time, and as many across points."""
    heads: int = 8
    virtual: int = 64
    """Tokens through which points hear of each other."""


@dataclass(frozen=True)
class VggtShape:
    """Sizes of the network; as they stand, those of VGGT-1B (Wang et al. 2025)."""

    width: int = 1024
    """Channels of a token."""
    depth: int = 24
    """Pairs of a block within each photo and one across all."""
    heads: int = 16
    patch: int = 14
    """Pixels of a token's side."""
    eye_depth: int = 24
    """Blocks of the vision transformer that makes tokens of patches."""
    eye_heads: int = 16
    eye_grid: int = 37
    """Side of the grid for which that one's positions were learnt."""
    registers: int = 4
    layers: tuple[int, ...] = (4, 11, 17, 23)
    """Pairs whose output the dense heads read."""
    camera_depth: int = 4
    camera_heads: int = 16
    camera_rounds: int = 4
    """How often the camera head corrects itself."""
    fused: int = 256
    """Channels in which the dense heads join their layers."""
    pyramid: tuple[int, int, int, int] = (256, 512, 1024, 1024)
    """Channels of the dense heads' layers, from fine to coarse."""
    track: TrackShape = field(default_factory=TrackShape)
