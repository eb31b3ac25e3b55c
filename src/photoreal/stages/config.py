"""All that can be chosen for a reconstruction, and the presets."""

from dataclasses import dataclass, field, replace
from typing import Literal

from photoreal.align import DRAFT_SFM, MatcherName, SfmConfig
from photoreal.io import GlbConfig, ReadConfig, VideoConfig
from photoreal.mesh import SurfaceConfig, TextureConfig
from photoreal.models import VggtConfig
from photoreal.splat import DensityConfig, FitConfig

Preset = Literal["draft", "standard", "best"]
"""draft: minutes on a laptop; standard: what to use; best: hours on a CPU."""

GeometryName = Literal["sfm", "vggt"]
"""What says of photographs where they were taken from and what is how far."""


@dataclass(frozen=True)
class ScaleConfig:
    """How many metres one unit of the scene is; meshes are written in metres where that is known."""

    gps: bool = True
    """Whether the places in the photos' EXIF may tell it, where nothing else does."""
    between: tuple[str, str] | None = None
    """Names of two photos whose cameras were `metres` apart."""
    metres: float | None = None
    """The distance of the cameras of `between`."""
    metres_per_unit: float | None = None
    """The scale itself, as one who measured something in the scene knows it."""


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
class MeshConfig:
    """The textured mesh."""

    make: bool = True
    """Whether to make one."""
    depth: Literal["median", "expected"] = "median"
    """Which depth of the splats is fused."""
    depth_side: int = 480
    """Pixels of the longer side of the depth maps; the voxels follow from it."""
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)
    """The surface."""
    texture: TextureConfig = field(default_factory=TextureConfig)
    """The texture."""
    file: GlbConfig = field(default_factory=GlbConfig)
    """The file."""


@dataclass(frozen=True)
class ReconstructConfig:
    """How photographs become a scene."""

    read: ReadConfig = field(default_factory=ReadConfig)
    """Reading photographs."""
    video: VideoConfig = field(default_factory=VideoConfig)
    """Choosing frames of a video."""
    geometry: GeometryName = "sfm"
    """What finds cameras: sfm, structure from motion; vggt, a network that also gives depth (its weights are 5 GB and
    not for commercial use: photoreal weights get vggt-1b)."""
    vggt: VggtConfig = field(default_factory=VggtConfig)
    """The network VGGT."""
    matcher: MatcherName = "auto"
    """What finds the same places in two photographs: sift; a network besides it (xfeat quick, aliked sure, loftr from a
    hub); auto: sift, and xfeat where photos stay without a camera or see little of each other, then aliked."""
    sfm: SfmConfig = field(default_factory=SfmConfig)
    """Finding cameras."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    """Finding the scale."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Fitting splats."""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """The textured mesh."""
    film: FilmConfig = field(default_factory=FilmConfig)
    """The film."""
    hold_out: int = 8
    """Every so many-th photo is not shown to the fit but used to judge it; 0 holds none out."""
    held_out: tuple[str, ...] = ()
    """Names of photos to hold out instead."""
    seed: int = 0
    """The same seed gives the same result on the same machine."""


_LEVEL = 0.02
"""Splats that agree with the depth they make cost 0.2 dB of their own renders and give the mesh 1 dB."""

PRESETS: dict[Preset, ReconstructConfig] = {
    "draft": ReconstructConfig(
        read=ReadConfig(max_side=800),
        sfm=DRAFT_SFM,
        video=VideoConfig(frames=40),
        fit=FitConfig(steps=1800, max_gaussians=45_000, coarse=((0.25, 0.25), (0.75, 0.5)), normals=_LEVEL),
        mesh=MeshConfig(
            depth_side=400, surface=SurfaceConfig(faces=60_000), texture=TextureConfig(side=2048, rounds=4)
        ),
        film=FilmConfig(frames=72, side=480),
    ),
    "standard": ReconstructConfig(
        read=ReadConfig(max_side=1280),
        fit=FitConfig(steps=7000, max_gaussians=200_000, density=DensityConfig(every=100), normals=_LEVEL),
    ),
    "best": ReconstructConfig(
        read=ReadConfig(max_side=1600),
        video=VideoConfig(frames=120),
        fit=FitConfig(steps=30_000, max_gaussians=500_000, density=DensityConfig(every=100), normals=_LEVEL),
        mesh=MeshConfig(depth_side=800, surface=SurfaceConfig(faces=300_000), texture=TextureConfig(side=8192)),
        film=FilmConfig(frames=240, side=960),
    ),
}
"""The options of each preset."""


def preset(name: Preset) -> ReconstructConfig:
    """The options of a preset."""
    return replace(PRESETS[name])
