"""`photoreal render`: new pictures of a scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from photoreal.cli.display import show
from photoreal.core import Cameras, PhotorealError, SceneError
from photoreal.io import atomic_folder, read_capture
from photoreal.io.nerfstudio import read_nerfstudio_cameras
from photoreal.stages import Progress, read_splats, render, save
from photoreal.view import orbit_cameras


@dataclass(frozen=True)
class Render:
    """Render a scene from the photos' cameras, along an orbit, or from the cameras of a transforms.json."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = tyro.MISSING
    """Folder for the pictures (PNG); it must not exist yet."""
    path: Literal["photos", "orbit"] | Path = "orbit"
    """photos, orbit, or a transforms.json in the scene's world."""
    frames: int = 120
    """Pictures along the orbit."""
    side: int = 0
    """Pixels of the longer side; 0 keeps the cameras' own."""

    def run(self) -> None:
        """Carry out the verb."""
        if self.out.exists():
            raise SceneError(f"{self.out} exists already; choose another folder for the pictures")
        if self.side < 0:
            raise PhotorealError(f"--side is {self.side}; it must be at least 0")
        cameras, names = self._cameras()
        show(self._render(cameras, names))
        print(f"{len(names)} pictures in {self.out}")

    def _cameras(self) -> tuple[Cameras, list[str]]:
        scene = read_capture(self.scene)
        cameras, names = scene.capture.cameras, [Path(name).stem for name in scene.capture.photos.names]
        if isinstance(self.path, Path):
            cameras, names = read_nerfstudio_cameras(self.path)
        if self.side:
            scale = self.side / max(cameras.size)
            cameras = cameras.resized((max(1, round(cameras.size[0] * scale)), max(1, round(cameras.size[1] * scale))))
        if self.path == "orbit":
            cameras = orbit_cameras(cameras, scene.points, self.frames, cameras.size)
            names = [f"{i:05d}" for i in range(len(cameras))]
        return cameras, names

    def _render(self, cameras: Cameras, names: list[str]):
        splats = read_splats(self.scene)
        with atomic_folder(self.out) as partial:
            for i, name in enumerate(names):
                with torch.no_grad():
                    save(partial / f"{name}.png", render(splats, cameras.take([i])))
                yield Progress("render", "pictures", i + 1, len(names))
