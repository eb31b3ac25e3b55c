"""A walk through a scene folder in the browser, served by viser."""

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import viser
import viser.transforms
from jaxtyping import Float
from torch import Tensor

from photoreal.core import (
    Cameras,
    Capture,
    Gaussians,
    Points,
    SceneError,
    matrix_from_quaternion,
    project,
    quaternion_from_matrix,
)
from photoreal.io.meshes.glb import DRACO, glb_bytes
from photoreal.io.meshes.glb_reading import glb_metres_per_unit, read_glb
from photoreal.io.run import RUN_NAME, read_run
from photoreal.io.scene import gaussians_path, read_capture, read_gaussians
from photoreal.view.gaze import Gaze, gaze

_Y0 = 0.28209479177387814
"""The spherical harmonic of degree 0."""
_PHOTO_SIDE = 400
_UPRIGHT = (0.5**0.5, 0.5**0.5, 0.0, 0.0)
"""wxyz: takes glTF's y, which is up, to the world's z."""
_HIDDEN = ("Mesh", "Wireframe", "Points")
"""Shown at first only where there are no splats."""
_FAINTEST = 1 / 255
"""Gaussians of less opacity cannot be seen and are not sent."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Shown:
    """What can be switched on and off."""

    splats: viser.GaussianSplatHandle | None
    mesh: tuple[viser.SceneNodeHandle, ...]
    wires: tuple[viser.SceneNodeHandle, ...]
    points: viser.PointCloudHandle
    frustums: tuple[viser.CameraFrustumHandle, ...]


def serve(folder: Path, *, port: int = 8080, host: str = "127.0.0.1") -> viser.ViserServer:
    """A running server that shows the scene: Gaussians, mesh, wireframe, points, cameras, with a switch for each.

    A click on a camera flies there and takes its frustum out of the way. Gaussians are shown in the colour and opacity
    that do not depend on direction. Nothing outside this machine can connect unless `host` says so. Where `port` is
    taken, the next free one serves; `get_port()` tells. Returns at once; `stop()` ends it.

    Raises:
        SceneError: the folder holds no scene, or no port is free.
        FormatError: one of its files is broken.
    """
    scene = read_capture(folder)
    splats = read_gaussians(folder) if gaussians_path(folder).is_file() else None
    held_out = frozenset(read_run(folder).held_out) if (folder / RUN_NAME).is_file() else frozenset[str]()
    server = _started(host, port, folder.resolve().name)
    look = gaze(scene.capture.cameras, scene.points)
    first = clearest_view(scene.capture.cameras)
    _set_the_scene(server, scene.capture.cameras, look, first)
    frustums = _add_frustums(server, scene.capture, held_out)
    mesh, wires = _add_mesh(server, folder / "mesh.glb") if (folder / "mesh.glb").is_file() else ((), ())
    shown = _Shown(
        _add_splats(server, splats) if splats else None,
        mesh,
        wires,
        _add_points(server, scene.points, look),
        frustums,
    )
    _add_switches(server, shown)
    _make_way(frustums, first)
    log.info("serving %s at http://%s:%d", folder, host, server.get_port())
    return server


def _started(host: str, port: int, label: str) -> viser.ViserServer:
    try:
        server = viser.ViserServer(host=host, port=port, label=label, verbose=False)
    except OSError as error:
        raise SceneError(f"no server can listen on {host}:{port} ({error}); choose another --port") from error
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    return server


def splat_arrays(gaussians: Gaussians) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centres (N, 3), covariances (N, 3, 3), colours (N, 3) in [0, 1] and opacities (N, 1), all float32.

    Direction is averaged out: only the harmonics of degree 0 count, and `antialiased` does not. Gaussians too
    faint to be seen are left out.
    """
    opacity = torch.sigmoid(_Y0 * gaussians.opacity_harmonics[:, 0])
    visible = opacity > _FAINTEST
    gaussians, opacity = gaussians.take(visible), opacity[visible]
    axes = matrix_from_quaternion(gaussians.quaternions) * gaussians.log_scales.exp()[:, None, :]
    colours = (0.5 + _Y0 * gaussians.colour_harmonics[:, 0]).clamp(0, 1)
    arrays = gaussians.means, axes @ axes.transpose(1, 2), colours, opacity[:, None]
    centres, covariances, rgbs, opacities = (_array(tensor) for tensor in arrays)
    return centres, covariances, rgbs, opacities


def clearest_view(cameras: Cameras) -> int:
    """The first of the cameras that have the fewest others, and so the fewest of their photos, in sight."""
    pixels, depths = project(cameras, cameras.centres)
    height, width = cameras.size
    across, down = pixels.unbind(-1)
    in_sight = (depths > 0) & (across > 0) & (across < width) & (down > 0) & (down < height)
    others = ~torch.eye(len(cameras), dtype=torch.bool)
    return int((in_sight & others).sum(1).argmin())


def _set_the_scene(server: viser.ViserServer, cameras: Cameras, look: Gaze, first: int) -> None:
    """Up as the cameras say; visitors start where camera `first` stood, whose frustum is out of the way."""
    server.scene.set_up_direction(tuple(look.up.tolist()))
    server.initial_camera.position = tuple(cameras.centres[first].tolist())
    server.initial_camera.look_at = tuple(look.targets[first].tolist())
    server.initial_camera.fov = _vertical_field(cameras, first)


def _add_splats(server: viser.ViserServer, gaussians: Gaussians) -> viser.GaussianSplatHandle:
    centres, covariances, rgbs, opacities = splat_arrays(gaussians)
    return server.scene.add_gaussian_splats("/splats", centres, covariances, rgbs, opacities)


def _add_mesh(
    server: viser.ViserServer, path: Path
) -> tuple[tuple[viser.SceneNodeHandle, ...], tuple[viser.SceneNodeHandle, ...]]:
    """The textured mesh and its wireframe, both hidden at first; the file's axes and metres become the world's."""
    mesh, data, metres = read_glb(path), path.read_bytes(), glb_metres_per_unit(path)
    # A browser would ask the network for a program that unpacks Draco.
    data = glb_bytes(mesh, metres_per_unit=metres) if DRACO.encode() in data else data
    textured = server.scene.add_glb("/mesh", data, scale=1 / metres, wxyz=_UPRIGHT, visible=False)
    surface = mesh.faces[~mesh.background].numpy()
    wires = server.scene.add_mesh_simple(
        "/wires", _array(mesh.vertices), surface, color=(40, 40, 40), wireframe=True, visible=False
    )
    return (textured,), (wires,)


def _add_points(server: viser.ViserServer, points: Points, look: Gaze) -> viser.PointCloudHandle:
    """Hidden at first where there are splats, which show the same better; the visitor switches them on."""
    positions = _array(points.positions)
    spread = float(np.median(np.linalg.norm(positions - look.interest.numpy(), axis=1))) if len(positions) else 1.0
    colours = points.colours.cpu().numpy()
    return server.scene.add_point_cloud("/points", positions, colours, point_size=spread / 150, point_shape="circle")


def _add_frustums(
    server: viser.ViserServer, capture: Capture, held_out: frozenset[str]
) -> tuple[viser.CameraFrustumHandle, ...]:
    scale = _frustum_scale(capture.cameras.centres)
    frustums = tuple(_add_frustum(server, capture, view, held_out, scale) for view in range(len(capture)))
    for view, frustum in enumerate(frustums):
        frustum.on_click(_visit(capture.cameras, view, frustums))
    return frustums


def _visit(
    cameras: Cameras, view: int, frustums: Sequence[viser.CameraFrustumHandle]
) -> Callable[[viser.SceneNodePointerEvent[viser.CameraFrustumHandle]], None]:
    def visit(event: viser.SceneNodePointerEvent[viser.CameraFrustumHandle]) -> None:
        _make_way(frustums, view)
        fly(event.client, cameras, view)

    return visit


def _make_way(frustums: Sequence[viser.CameraFrustumHandle], view: int) -> None:
    """Hide the one frustum whose photo would fill the visitor's sight, and show the others."""
    for index, frustum in enumerate(frustums):
        if frustum.visible != (index != view):
            frustum.visible = index != view


def _add_frustum(
    server: viser.ViserServer, capture: Capture, view: int, held_out: frozenset[str], scale: float
) -> viser.CameraFrustumHandle:
    cameras, photo = capture.cameras, capture.photos.images[view]
    height, width = cameras.size
    stride = max(1, math.ceil(max(height, width) / _PHOTO_SIDE))
    wxyz, position = _placed(cameras, view)
    return server.scene.add_camera_frustum(
        f"/cameras/{view:04d}",
        fov=_vertical_field(cameras, view),
        aspect=width / height,
        scale=scale,
        thickness=1.5,
        thickness_units="screen",
        color=(214, 84, 40) if capture.photos.names[view] in held_out else (60, 60, 60),
        image=photo[:, ::stride, ::stride].permute(1, 2, 0).contiguous().cpu().numpy(),
        format="jpeg",
        wxyz=wxyz,
        position=position,
    )


def fly(client: viser.ClientHandle, cameras: Cameras, view: int) -> None:
    """Afterwards the visitor stands where the camera stood, looking as it looked, after a flight of half a second."""
    wxyz, position = _placed(cameras, view)
    start = viser.transforms.SE3.from_rotation_and_translation(
        viser.transforms.SO3(np.asarray(client.camera.wxyz)), np.asarray(client.camera.position)
    )
    end = viser.transforms.SE3.from_rotation_and_translation(viser.transforms.SO3(wxyz), position)
    motion = (start.inverse() @ end).log()
    client.camera.fov = _vertical_field(cameras, view)
    for step in range(1, 31):
        pose = start @ viser.transforms.SE3.exp(motion * (3 - 2 * step / 30) * (step / 30) ** 2)
        with client.atomic():
            client.camera.wxyz = pose.rotation().wxyz
            client.camera.position = pose.translation()
        client.flush()
        threading.Event().wait(1 / 60)


def _add_switches(server: viser.ViserServer, shown: _Shown) -> None:
    groups = {
        "Gaussians": (shown.splats,) if shown.splats else (),
        "Mesh": shown.mesh,
        "Wireframe": shown.wires,
        "Points": (shown.points,),
        "Cameras": shown.frustums,
    }
    for name, handles in groups.items():
        _add_switch(server, name, handles, initial=name not in _HIDDEN or shown.splats is None)


def _add_switch(
    server: viser.ViserServer, name: str, handles: Sequence[viser.SceneNodeHandle], *, initial: object
) -> None:
    switch = server.gui.add_checkbox(name, initial_value=bool(initial and handles), disabled=not handles)

    def update() -> None:
        with server.atomic():
            for handle in handles:
                handle.visible = switch.value

    switch.on_update(lambda _: update())
    update()


def _placed(cameras: Cameras, view: int) -> tuple[np.ndarray, np.ndarray]:
    """Orientation (wxyz) and position of a camera, as viser wants them: OpenCV axes, world from camera."""
    world_from_cam = cameras.world_from_cam[view].double()
    return quaternion_from_matrix(world_from_cam[:3, :3]).numpy(), world_from_cam[:3, 3].numpy()


def _vertical_field(cameras: Cameras, view: int) -> float:
    """The vertical angle of view in radians."""
    return 2 * math.atan(cameras.size[0] / (2 * float(cameras.intrinsics[view, 1, 1])))


def _frustum_scale(centres: Float[Tensor, "V 3"]) -> float:
    """A fortieth of the extent of the cameras; 0.1 for a single one."""
    extent = float((centres.amax(0) - centres.amin(0)).norm())
    return extent / 40 if extent > 1e-9 else 0.1


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
