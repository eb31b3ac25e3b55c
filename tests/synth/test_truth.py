"""Truth survives its files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from photoreal.core import FormatError
from photoreal.synth import Walk, phone_lens, read_depths, walk_poses
from photoreal.synth.shapes import rounded_box
from photoreal.synth.truth import compact, simplified, write_depth, write_mesh, write_transforms


def test_transforms_hold_opengl_cameras_and_the_lens(tmp_path: Path) -> None:
    lens, poses = phone_lens((600, 800)), walk_poses(Walk(), 3, 0)
    write_transforms(tmp_path / "transforms.json", lens, poses, ["a.jpg", "b.jpg", "c.jpg"])
    record = json.loads((tmp_path / "transforms.json").read_text())
    assert [frame["file_path"] for frame in record["frames"]] == ["a.jpg", "b.jpg", "c.jpg"]
    assert (record["k1"], record["p2"], record["w"]) == (lens.distortion[0], lens.distortion[3], 800)
    for frame, pose in zip(record["frames"], poses, strict=True):
        world_from_opengl = torch.tensor(frame["transform_matrix"], dtype=torch.float64)
        # OpenGL looks along -z with y up; OpenCV along +z with y down.
        ahead_gl = world_from_opengl @ torch.tensor([0.1, 0.2, -1.0, 1.0], dtype=torch.float64)
        ahead_cv = torch.linalg.inv(pose) @ torch.tensor([0.1, -0.2, 1.0, 1.0], dtype=torch.float64)
        torch.testing.assert_close(ahead_gl, ahead_cv)


def test_depths_are_kept_to_half_a_millimetre_and_unknown_ones_marked(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).uniform(0.5, 8, (30, 40))
    depth[3, 5], depth[4, 6] = np.inf, 70.0
    write_depth(tmp_path / "a.png", depth)
    read = read_depths([tmp_path / "a.png"])
    known = read.confidence[0].bool()
    assert not known[3, 5]
    assert not known[4, 6]
    assert known.sum() == 30 * 40 - 2
    assert np.abs(read.depth[0].numpy() - depth)[known.numpy()].max() <= 0.00051
    assert torch.isfinite(read.depth).all()


def test_a_colour_picture_is_no_depth(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(FormatError, match="mode RGB"):
        read_depths([tmp_path / "a.png"])


def test_depths_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_depth(tmp_path / "a.png", np.ones((4, 5)))
    write_depth(tmp_path / "b.png", np.ones((4, 6)))
    with pytest.raises(FormatError, match="2 sizes"):
        read_depths([tmp_path / "a.png", tmp_path / "b.png"])


def test_a_simplified_mesh_stays_within_a_cell_and_others_can_read_it(tmp_path: Path) -> None:
    box = rounded_box((1.0, 0.8, 0.6), 0.1, 8, 60)
    vertices, faces = simplified(box, 0.05)
    assert len(vertices) < 0.5 * len(box.vertices)
    write_mesh(tmp_path / "m.ply", vertices, faces)
    read = trimesh.load_mesh(tmp_path / "m.ply", process=False)
    assert len(read.faces) == len(faces)
    np.testing.assert_allclose(read.vertices, vertices, atol=1e-6)
    _, distance, _ = trimesh.proximity.closest_point_naive(read, box.vertices[::97])
    assert distance.max() < 0.05
    assert read.area == pytest.approx(trimesh.Trimesh(box.vertices, box.faces).area, rel=0.05)


def test_compact_drops_vertices_that_no_face_uses() -> None:
    vertices, faces = np.arange(18.0).reshape(6, 3), np.array([[0, 1, 2], [3, 4, 5]])
    kept, corners = compact(vertices, faces, np.array([False, True]))
    np.testing.assert_array_equal(kept[corners[0]], vertices[3:])
    assert len(kept) == 3
