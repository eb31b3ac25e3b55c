"""All that can be chosen for a reconstruction, and the presets."""

from dataclasses import dataclass, field, replace
from typing import Literal

from photoreal.align import DRAFT_SFM, SfmConfig
from photoreal.io import ReadConfig, VideoConfig
from photoreal.splat import DensityConfig, FitConfig

Preset = Literal["draft", "standard", "best"]
"""draft: minutes on a laptop; standard: what to use; best: hours on a CPU."""


@dataclass(frozen=True)
class FilmConfig:
    """The film of a flight among the cameras."""

    frames: int = 120
    """Number of frames; 0 makes no film."""
    side: int = 640
    """Pixels of the longer side."""
    fps: int = 24
    """Frames a second."""


@dataclass(frozen=True)
class ReconstructConfig:
    """How photographs become a scene."""

    read: ReadConfig = field(default_factory=ReadConfig)
    """Reading photographs."""
    video: VideoConfig = field(default_factory=VideoConfig)
    """Choosing frames of a video."""
    sfm: SfmConfig = field(default_factory=SfmConfig)
    """Finding cameras."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Fitting splats."""
    film: FilmConfig = field(default_factory=FilmConfig)
    """The film."""
    hold_out: int = 8
    """Every so many-th photo is not shown to the fit but used to judge it; 0 holds none out."""
    held_out: tuple[str, ...] = ()
    """Names of photos to hold out instead."""
    seed: int = 0
    """The same seed gives the same result on the same machine."""


PRESETS: dict[Preset, ReconstructConfig] = {
    "draft": ReconstructConfig(
        read=ReadConfig(max_side=800),
        sfm=DRAFT_SFM,
        video=VideoConfig(frames=40),
        fit=FitConfig(steps=1800, max_gaussians=45_000, coarse=((0.25, 0.25), (0.75, 0.5))),
        film=FilmConfig(frames=72, side=480),
    ),
    "standard": ReconstructConfig(
        read=ReadConfig(max_side=1280),
        fit=FitConfig(steps=7000, max_gaussians=200_000, density=DensityConfig(every=100)),
    ),
    "best": ReconstructConfig(
        read=ReadConfig(max_side=1600),
        video=VideoConfig(frames=120),
        fit=FitConfig(steps=30_000, max_gaussians=500_000, density=DensityConfig(every=100)),
        film=FilmConfig(frames=240, side=960),
    ),
}
"""The options of each preset."""


def preset(name: Preset) -> ReconstructConfig:
    """The options of a preset."""
    return replace(PRESETS[name])
