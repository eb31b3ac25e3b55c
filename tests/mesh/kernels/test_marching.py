import numpy as np
import pytest
import torch

from photoreal.mesh.kernels.marching import TABLE
from photoreal.mesh.kernels.voxels import BITS, OFFSET, VOXELS
from photoreal.mesh.surface.topology import half_edges
from photoreal.mesh.surface.volume import Volume, extract


def volume_of(distance: np.ndarray) -> Volume:
    """Whole blocks from a dense [X, Y, Z] field, all of it seen."""
    x, y, z = (n // 8 for n in distance.shape)
    blocks = np.stack(np.meshgrid(range(x), range(y), range(z), indexing="ij"), -1).reshape(-1, 3)
    keys = ((blocks[:, 0] + OFFSET) << (2 * BITS)) | ((blocks[:, 1] + OFFSET) << BITS) | (blocks[:, 2] + OFFSET)
    values = np.stack([distance[8 * i : 8 * i + 8, 8 * j : 8 * j + 8, 8 * k : 8 * k + 8] for i, j, k in blocks])
    flat = values.transpose(0, 3, 2, 1).reshape(len(blocks), VOXELS).astype(np.float32)
    return Volume(torch.from_numpy(keys), torch.from_numpy(flat), torch.ones(len(blocks), VOXELS), torch.zeros(3), 1.0)


def test_the_table_crosses_exactly_the_edges_whose_ends_differ() -> None:
    ends = [
        (low, low | 1 << axis)
        for axis in range(3)
        for low in sorted(
            (c for c in range(8) if not c >> axis & 1), key=lambda c: [c >> b & 1 for b in range(3) if b != axis][::-1]
        )
    ]
    for behind in range(256):
        crossed = {e for e, (a, b) in enumerate(ends) if (behind >> a & 1) != (behind >> b & 1)}
        assert {int(e) for e in TABLE[behind] if e >= 0} == crossed


@pytest.mark.parametrize("seed", range(4))
def test_any_field_gives_a_closed_surface_whose_sides_agree(seed: int) -> None:
    field = np.random.default_rng(seed).uniform(-1, 1, (16, 16, 8))
    field[[0, -1]] = field[:, [0, -1]] = field[:, :, [0, -1]] = 1.0
    mesh, _ = extract(volume_of(field))
    edges = half_edges(mesh.faces.numpy())
    forth, back = (np.unique(e, axis=0, return_counts=True) for e in (edges, edges[:, ::-1]))
    assert (forth[1] == 1).all()  # no edge is gone twice in one direction,
    assert np.array_equal(forth[0], back[0])  # and each is gone back


def test_a_plane_is_where_the_field_is_zero_and_faces_free_space() -> None:
    x = np.arange(8)[:, None, None] * np.ones((8, 8, 8))
    mesh, weights = extract(volume_of(x - 3.25))
    assert torch.allclose(mesh.vertices[:, 0], torch.tensor(3.25))
    assert torch.allclose(mesh.face_normals, torch.tensor([1.0, 0, 0]))
    assert torch.allclose(mesh.face_areas.sum(), torch.tensor(49.0))
    assert torch.equal(weights, torch.ones(len(mesh.vertices)))


def test_the_surface_ends_where_nothing_was_seen() -> None:
    x = np.arange(8)[:, None, None] * np.ones((8, 8, 8))
    volume = volume_of(x - 3.25)
    weight = volume.weight.clone().reshape(8, 8, 8)  # z, y, x
    weight[:, 4:] = 0
    mesh, _ = extract(volume.replace(weight=weight.reshape(1, -1)))
    assert torch.allclose(mesh.face_areas.sum(), torch.tensor(21.0))
    assert float(mesh.vertices[:, 1].max()) == 3.0
