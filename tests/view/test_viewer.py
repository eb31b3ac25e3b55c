"""The viewer: right Gaussians, right cameras, a page that can be fetched."""

import math
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
import viser
from textured import two_squares

from photoreal.core import Cameras, Gaussians, SceneError, matrix_from_quaternion
from photoreal.io import GlbConfig, glb_bytes, write_glb
from photoreal.io.meshes.glb_reading import glb_metres_per_unit
from photoreal.synth.toy import ToyScene
from photoreal.view.viewer import clearest_view, serve, splat_arrays


def test_splats_are_the_gaussians_without_direction() -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    gaussians = Gaussians(normal(20, 3), normal(20, 4), normal(20, 3) - 2, normal(20, 4), normal(20, 9, 3))
    centres, covariances, colours, opacities = splat_arrays(gaussians)
    for i in range(20):
        rotation = matrix_from_quaternion(gaussians.quaternions[i]).numpy()
        expected = rotation @ np.diag(np.exp(2 * gaussians.log_scales[i].numpy())) @ rotation.T
        np.testing.assert_allclose(covariances[i], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(centres, gaussians.means.numpy())
    y_0 = 1 / (2 * math.sqrt(math.pi))
    base = gaussians.colour_harmonics[:, 0].numpy()
    np.testing.assert_allclose(colours, np.clip(0.5 + y_0 * base, 0, 1), atol=1e-6)
    logits = y_0 * gaussians.opacity_harmonics[:, :1].numpy()
    np.testing.assert_allclose(opacities, 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_invisible_gaussians_are_not_sent() -> None:
    logits = torch.tensor([[-30.0], [30.0]])
    gaussians = Gaussians(torch.zeros(2, 3), torch.ones(2, 4), torch.zeros(2, 3), logits, torch.zeros(2, 1, 3))
    assert [len(array) for array in splat_arrays(gaussians)] == [1, 1, 1, 1]


def test_visitors_start_where_no_other_camera_is_in_the_way() -> None:
    """Cameras one behind another, all looking ahead: the foremost has a clear view."""
    poses = torch.eye(4).repeat(4, 1, 1)
    poses[:, 2, 3] = -torch.tensor([0.0, 1.0, 5.0, 2.0])
    intrinsics = torch.tensor([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]).repeat(4, 1, 1)
    assert clearest_view(Cameras(poses, intrinsics, (48, 64))) == 2
    assert clearest_view(Cameras(poses[:1], intrinsics[:1], (48, 64))) == 0


def test_browsers_are_sent_a_compressed_mesh_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    add = viser.SceneApi.add_glb
    monkeypatch.setattr(viser.SceneApi, "add_glb", lambda *a, **k: (sent.append(a[2]), add(*a, **k))[1])
    for compress in ("none", "draco"):
        write_glb(folder / "mesh.glb", two_squares(), GlbConfig(compress=compress))
        serve(folder, port=0).stop()
    assert sent[0] == glb_bytes(two_squares())
    assert b"draco" not in sent[1]


def test_a_server_runs_and_stops(folder: Path, toy: ToyScene) -> None:
    server = serve(folder, port=0)
    try:
        assert server.get_host() == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{server.get_port()}/", timeout=20) as answer:
            assert answer.status == 200
            assert b"<html" in answer.read()[:2000]
        np.testing.assert_allclose(
            server.initial_camera.position, toy.capture.cameras.centres[clearest_view(toy.capture.cameras)], atol=1e-5
        )
    finally:
        server.stop()


def test_without_gaussians_there_is_still_something_to_see(folder: Path) -> None:
    (folder / "gaussians.ply").unlink()
    serve(folder, port=0).stop()


def test_no_scene_no_server(tmp_path: Path) -> None:
    with pytest.raises(SceneError):
        serve(tmp_path, port=0)


@pytest.mark.parametrize("compress", ["none", "draco"])
def test_a_mesh_in_metres_is_shown_in_the_scenes_units(
    folder: Path, monkeypatch: pytest.MonkeyPatch, compress: str
) -> None:
    sent: list[tuple[bytes, float]] = []
    add = viser.SceneApi.add_glb
    monkeypatch.setattr(viser.SceneApi, "add_glb", lambda *a, **k: (sent.append((a[2], k["scale"])), add(*a, **k))[1])
    write_glb(folder / "mesh.glb", two_squares(), GlbConfig(compress=compress), metres_per_unit=0.25)
    serve(folder, port=0).stop()
    (data, scale), *others = sent
    (folder / "sent.glb").write_bytes(data)
    assert glb_metres_per_unit(folder / "sent.glb") * scale == 1
    assert not others
