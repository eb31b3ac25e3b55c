"""PLY files come back exactly, agree with other readers, and are not trusted."""

import resource
import struct
import tempfile
from pathlib import Path

import gsply
import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from photoreal.core import FormatError, Gaussians, Points
from photoreal.io.ply import read_gaussians_ply, read_points, write_gaussians_ply, write_points

Y0 = 0.28209479177387814


def some_gaussians(count: int, *, colours: int = 16, opacities: int = 1, seed: int = 0) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    return Gaussians(normal(3), normal(4), normal(3) - 4, normal(opacities), normal(colours, 3))


def some_points(count: int, precision: torch.dtype = torch.float32) -> Points:
    generator = torch.Generator().manual_seed(1)
    colours = torch.randint(0, 256, (count, 3), generator=generator, dtype=torch.uint8)
    positions = torch.randn(count, 3, generator=generator, dtype=precision)
    return Points(positions, colours, torch.rand(count, generator=generator))


def tensors(value: Gaussians | Points) -> dict[str, Tensor]:
    return {name: item for name, item in vars(value).items() if isinstance(item, Tensor)}


def assert_same(first: Points, second: Points) -> None:
    for name, tensor in tensors(first).items():
        assert tensor.dtype == tensors(second)[name].dtype
        assert torch.equal(tensor, tensors(second)[name]), name


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_points_come_back(tmp_path: Path, precision: torch.dtype, count: int) -> None:
    points = some_points(count, precision)
    write_points(tmp_path / "points.ply", points)
    assert_same(points, read_points(tmp_path / "points.ply"))


def test_points_are_read_alike_by_trimesh(tmp_path: Path) -> None:
    points = some_points(100)
    write_points(tmp_path / "points.ply", points)
    cloud = trimesh.load(tmp_path / "points.ply")
    np.testing.assert_array_equal(cloud.vertices, points.positions.numpy())
    np.testing.assert_array_equal(cloud.colors[:, :3], points.colours.numpy())


@pytest.mark.parametrize("encoding", ["ascii", "binary_big_endian", "binary_little_endian"])
def test_foreign_points_are_read(tmp_path: Path, encoding: str) -> None:
    # Another order of properties, an element before, a list element behind, normals, comments, no confidence.
    header = f"""ply
format {encoding} 1.0
comment made by hand
element camera 2
property float fov
element vertex 2
property uchar blue
property uchar green
property uint8 red
property double x
property float32 nx
property double y
property double z
element face 1
property list uchar int vertex_indices
end_header
"""
    rows = [(3, 2, 1, 0.1, 9.0, 0.2, 0.3), (6, 5, 4, -1e-9, 9.0, 1e30, 5.0)]
    if encoding == "ascii":
        body = "60\n70\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "3 0 1 0\n"
        content = body.encode()
    else:
        order = ">" if "big" in encoding else "<"
        content = struct.pack(order + "2f", 60, 70) + b"".join(struct.pack(order + "3Bdfdd", *row) for row in rows)
        content += struct.pack(order + "B3i", 3, 0, 1, 0)
    (tmp_path / "a.ply").write_bytes(header.encode() + content)
    points = read_points(tmp_path / "a.ply")
    assert points.positions.tolist() == [[0.1, 0.2, 0.3], [-1e-9, 1e30, 5.0]]
    assert points.colours.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert points.confidence.tolist() == [1, 1]


def test_points_without_colours_are_grey(tmp_path: Path) -> None:
    trimesh.PointCloud([[1.0, 2.0, 3.0]]).export(tmp_path / "a.ply")
    points = read_points(tmp_path / "a.ply")
    assert points.positions.tolist() == [[1, 2, 3]]
    assert points.colours.unique().numel() == 1


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(row=st.lists(floats, min_size=23, max_size=23), colours=st.sampled_from([1, 4]), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_gaussians_come_back_exactly_but_for_the_rounded_logit(row: list[float], colours: int, seed: int) -> None:
    gaussians = some_gaussians(2, colours=colours, seed=seed)
    numbers = torch.tensor(row, dtype=torch.float32)
    gaussians.means[0], gaussians.log_scales[0] = numbers[:3], numbers[3:6]
    gaussians.quaternions[0] = torch.where((numbers[6:10] == 0).all(), 1.0, numbers[6:10])
    gaussians.opacity_harmonics[0], gaussians.colour_harmonics[0] = numbers[10], numbers[11:].reshape(4, 3)[:colours]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ply"
        write_gaussians_ply(path, gaussians)
        back = read_gaussians_ply(path)
        for name, tensor in tensors(gaussians).items():
            if name != "opacity_harmonics":
                assert torch.equal(tensor, tensors(back)[name]), name
        opacity = gaussians.opacity_harmonics
        torch.testing.assert_close(back.opacity_harmonics, opacity, rtol=1.2e-7, atol=1e-44)
        write_gaussians_ply(path, back)
        assert torch.equal(read_gaussians_ply(path).opacity_harmonics, back.opacity_harmonics)


@pytest.mark.parametrize("antialiased", [False, True])
def test_antialiased_comes_back(tmp_path: Path, antialiased: bool) -> None:
    write_gaussians_ply(tmp_path / "a.ply", some_gaussians(3).replace(antialiased=antialiased))
    assert read_gaussians_ply(tmp_path / "a.ply").antialiased is antialiased
    content = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "b.ply").write_bytes(content.replace(b"comment antialiased", b"comment antialiased not"))
    assert not read_gaussians_ply(tmp_path / "b.ply").antialiased


@pytest.mark.parametrize("opacities", [1, 4, 9, 16])
def test_direction_dependent_opacity_comes_back(tmp_path: Path, opacities: int) -> None:
    gaussians = some_gaussians(50, opacities=opacities)
    write_gaussians_ply(tmp_path / "a.ply", gaussians)
    back = read_gaussians_ply(tmp_path / "a.ply").opacity_harmonics
    assert torch.equal(back[:, 1:], gaussians.opacity_harmonics[:, 1:])
    torch.testing.assert_close(back[:, 0], gaussians.opacity_harmonics[:, 0], rtol=1.2e-7, atol=0)


@pytest.mark.parametrize("colours", [1, 4, 9, 16])
def test_gaussians_are_read_alike_by_gsply(tmp_path: Path, colours: int) -> None:
    gaussians = some_gaussians(100, colours=colours)
    write_gaussians_ply(tmp_path / "a.ply", gaussians)
    other = gsply.plyread(tmp_path / "a.ply")
    np.testing.assert_array_equal(other.means, gaussians.means.numpy())
    np.testing.assert_array_equal(other.quats, gaussians.quaternions.numpy())
    np.testing.assert_array_equal(other.scales, gaussians.log_scales.numpy())
    np.testing.assert_array_equal(other.sh0, gaussians.colour_harmonics[:, 0].numpy())
    if colours > 1:
        np.testing.assert_array_equal(other.shN, gaussians.colour_harmonics[:, 1:].numpy())
    np.testing.assert_allclose(other.opacities.ravel(), gaussians.opacity_harmonics[:, 0].numpy() * Y0, rtol=1e-6)


def test_harmonics_are_stored_channel_by_channel(tmp_path: Path) -> None:
    gaussians = some_gaussians(1, colours=4)
    write_gaussians_ply(tmp_path / "a.ply", gaussians)
    rows = trimesh.load(tmp_path / "a.ply").metadata["_ply_raw"]["vertex"]["data"]
    stored = [float(rows[f"f_rest_{i}"][0]) for i in range(9)]
    assert stored == gaussians.colour_harmonics[0, 1:].T.flatten().tolist()


def test_an_infinite_opacity_is_read_as_opaque(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    gaussians = some_gaussians(3, colours=1)
    write_gaussians_ply(path, gaussians)
    replace_floats(path, property_index=9, row=1, width=17, value=float("inf"))
    opacity = torch.sigmoid(read_gaussians_ply(path).opacity_harmonics[:, 0] * Y0)
    assert opacity[1] > 0.999999
    assert torch.isfinite(opacity).all()


def replace_floats(path: Path, *, property_index: int, row: int, width: int, value: float) -> None:
    content = bytearray(path.read_bytes())
    start = content.index(b"end_header\n") + 11 + 4 * (width * row + property_index)
    content[start : start + 4] = struct.pack("<f", value)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gaussians_that_are_not_finite_are_counted(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.ply"
    write_gaussians_ply(path, some_gaussians(5, colours=1))
    for row in (1, 3):
        replace_floats(path, property_index=0, row=row, width=17, value=value)
    with pytest.raises(FormatError, match=r"a\.ply: 2 of 5 Gaussians are not finite"):
        read_gaussians_ply(path)


def test_gaussians_without_a_direction_are_counted(tmp_path: Path) -> None:
    gaussians = some_gaussians(5)
    gaussians.quaternions[2] = 0
    with pytest.raises(FormatError, match="1 of 5 Gaussians have a zero quaternion"):
        write_gaussians_ply(tmp_path / "a.ply", gaussians)
    assert not list(tmp_path.iterdir())


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    gaussians, points = some_gaussians(5), some_points(4)
    gaussians.colour_harmonics[[0, 4], 3, 1] = torch.nan
    points.positions[3, 1] = torch.inf
    with pytest.raises(FormatError, match="2 of 5 Gaussians are not finite"):
        write_gaussians_ply(tmp_path / "a.ply", gaussians)
    with pytest.raises(FormatError, match="1 of 4 points are not finite"):
        write_points(tmp_path / "a.ply", points)
    assert not list(tmp_path.iterdir())


HEAD = "ply\nformat {} 1.0\nelement vertex {}\n"
XYZ = "property float x\nproperty float y\nproperty float z\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "its first line is not 'ply'"),
        ("hello", "its first line is not 'ply'"),
        ("ply\n", "no end_header"),
        ("ply\n" + "comment x\n" * 10_000, "no end_header"),
        ("ply\nformat binary_middle_endian 1.0\nend_header\n", "unknown format line"),
        ("ply\nend_header\n", "unknown format line"),
        ("ply\nformat ascii 1.0\nend_header\n", "must have one vertex element"),
        ("ply\nformat ascii 1.0\nelement vertex 1\nend_header\n", "must have one vertex element"),
        (HEAD.format("ascii", 1) + XYZ + XYZ + "end_header\n", "property x of vertex stands twice"),
        (HEAD.format("ascii", -1) + XYZ + "end_header\n", "cannot understand the header line 'element vertex -1'"),
        (HEAD.format("ascii", "9" * 5000) + XYZ + "end_header\n", "cannot understand the header line"),
        (HEAD.format("ascii", 1) + "property half x\nend_header\n", "cannot understand the header line"),
        (HEAD.format("ascii", 1) + "property list uchar int x\nend_header\n1 2\n", "property x of vertex is a list"),
        (HEAD.format("ascii", 1) + "property float x\nend_header\n1\n", "lacks y, z"),
        (HEAD.format("ascii", 1) + XYZ + "end_header\n1 2\n", "promises 1 rows of 3 numbers"),
        (HEAD.format("ascii", 1) + XYZ + "end_header\n1 2 three\n", "a word that is no number"),
        (HEAD.format("ascii", 2) + XYZ + "end_header\n1 2 3 4 nan 6\n", "1 of 2 points are not finite"),
        (HEAD.format("binary_little_endian", 1) + XYZ + "end_header\n12345678901", "1 rows of 12 bytes but holds 11"),
    ],
)  # fmt: skip
def test_bad_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.ply").write_text(content)
    with pytest.raises(FormatError, match=message):
        read_points(tmp_path / "a.ply")


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("before", [0, 10**11])
def test_a_promise_of_a_million_million_points_takes_no_memory(tmp_path: Path, encoding: str, before: int) -> None:
    path = tmp_path / "a.ply"
    head = f"ply\nformat {encoding} 1.0\nelement other {before}\nproperty double a\nelement vertex {10**12 - 1}\n"
    path.write_text(head + XYZ + "end_header\n" + "1 2 3\n" * 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), hard))
    try:
        with pytest.raises(FormatError, match="promises 999,999,999,999 rows"):
            read_points(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_gaussians_with_lacking_or_surplus_properties_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    write_points(path, some_points(3))
    with pytest.raises(FormatError, match="no Gaussians as we know them: it lacks f_dc_0, f_dc_1, f_dc_2, opacity"):
        read_gaussians_ply(path)
    write_gaussians_ply(path, some_gaussians(3, colours=4))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"f_rest_8", b"f_rast_8"))
    with pytest.raises(FormatError, match=r"8 properties f_rest_\*; that number must be one of \[0, 9, 24, 45\]"):
        read_gaussians_ply(path)
    path.write_bytes(content.replace(b"f_rest_8", b"f_rest_9"))
    with pytest.raises(FormatError, match="properties f_rest_"):
        read_gaussians_ply(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        read_points(tmp_path / "a.ply")


@given(content=st.binary(max_size=300), cut=st.integers(0, 400))
@settings(max_examples=200)
def test_no_bytes_make_it_stumble(content: bytes, cut: int) -> None:
    head = (HEAD.format("binary_little_endian", 7) + XYZ + "end_header\n").encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ply"
        path.write_bytes((head[:cut] + content)[:400])
        try:
            read_points(path)
        except FormatError:
            return
