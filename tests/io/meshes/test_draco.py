import sys

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from photoreal.core import FormatError, MissingDependencyError
from photoreal.io.meshes.draco import pack, unpack
from photoreal.io.meshes.parts import Part


def hill(page: int, shift: float) -> Part:
    """A rough grid of 20 x 20 vertices, 7 units a side."""
    generator = torch.Generator().manual_seed(page)
    y, x = torch.meshgrid(torch.linspace(0, 1, 20), torch.linspace(0, 1, 20), indexing="ij")
    vertices = torch.stack([7 * x + shift, 7 * y, torch.rand(20, 20, generator=generator)], -1).reshape(-1, 3)
    normals = torch.nn.functional.normalize(torch.randn(400, 3, generator=generator), dim=1)
    corner = (torch.arange(19)[:, None] * 20 + torch.arange(19)).reshape(-1, 1)
    faces = torch.cat([corner + torch.tensor([0, 1, 21]), corner + torch.tensor([0, 21, 20])])
    return Part(page, vertices, normals, torch.stack([x, y], -1).reshape(-1, 2), faces)


def test_what_is_packed_is_as_near_as_told() -> None:
    part = hill(0, 0.0)
    packed = pack([part])[0]
    back = unpack(packed.data, packed.ids, 0)
    assert all(torch.equal(getattr(back, name), getattr(packed.part, name)) for name in ("vertices", "uvs", "faces"))
    index = cKDTree(part.uvs.numpy()).query(back.uvs.numpy())[1]
    assert sorted(index.tolist()) == list(range(400))
    assert float((part.vertices[index] - back.vertices).abs().max()) < 7 / 130_000
    assert float((part.uvs[index] - back.uvs).abs().max()) < 1 / 130_000
    apart = (part.normals[index] - back.normals).double().norm(dim=1).max() / 2
    assert float(torch.rad2deg(2 * torch.asin(apart))) < 0.06
    triangles = {tuple(np.roll(row, -row.argmin())) for row in index[back.faces.numpy()]}
    assert triangles == {tuple(np.roll(row, -row.argmin())) for row in part.faces.numpy()}


def test_pages_that_met_still_meet() -> None:
    left, right = (packed.part for packed in pack([hill(0, 0.0), hill(0, 7.0)]))
    seam = left.vertices[left.vertices[:, 0] > 6.99]
    other = right.vertices[right.vertices[:, 0] < 7.01]
    assert len(seam) == len(other) == 20
    assert torch.equal(seam[seam[:, 1].argsort(), 0], other[other[:, 1].argsort(), 0])
    assert torch.equal(seam[seam[:, 1].argsort(), 1], other[other[:, 1].argsort(), 1])


def test_it_is_small() -> None:
    part = hill(0, 0.0)
    plain = sum(tensor.nbytes for tensor in (part.vertices, part.normals, part.uvs, part.faces.int()))
    assert len(pack([part])[0].data) < plain / 3


def test_triangles_that_are_points_are_refused() -> None:
    point = hill(3, 0.0).map(torch.zeros_like)
    with pytest.raises(FormatError, match="the 722 triangles of page 3, for all are points"):
        pack([point])


def test_damage_is_an_error() -> None:
    packed = pack([hill(0, 0.0)])[0]
    for data in (b"", b"DRACO", packed.data[: len(packed.data) // 2]):
        with pytest.raises(ValueError, match="triangles of page 5 are damaged"):
            unpack(data, packed.ids, 5)


def test_an_attribute_that_is_not_there_is_an_error() -> None:
    packed = pack([hill(0, 0.0)])[0]
    with pytest.raises(KeyError):
        unpack(packed.data, {"POSITION": 0}, 0)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'photoreal\[compress\]'"):
        pack([hill(0, 0.0)])
