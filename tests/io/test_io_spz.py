"""SPZ keeps what its docstring states, in the axes of its specification."""

import gzip
import struct
import tempfile
import zlib
from pathlib import Path

import gsply
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from photoreal.core import FormatError, Gaussians, matrix_from_quaternion
from photoreal.io.spz import read_spz, write_spz

Y0 = 0.28209479177387814


def some_gaussians(count: int, *, colours: int = 16, spread: float = 1.0) -> Gaussians:
    generator = torch.Generator().manual_seed(count + colours)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    harmonics = torch.cat([normal(1, 3).clamp(-3.3, 3.3), (0.3 * normal(colours - 1, 3)).clamp(-0.99, 0.99)], 1)
    return Gaussians(spread * normal(3), normal(4), normal(3) - 4, 8 * normal(1), harmonics)


def opacities(gaussians: Gaussians) -> Tensor:
    return torch.sigmoid(gaussians.opacity_harmonics[:, 0] * Y0)


def angles(first: Gaussians, second: Gaussians) -> Tensor:
    """Degrees between the rotations, without the poor conditioning of an arc cosine near 1."""
    rotations = [matrix_from_quaternion(gaussians.quaternions.double()) for gaussians in (first, second)]
    chord = torch.linalg.matrix_norm(rotations[0] - rotations[1])
    return torch.rad2deg(2 * torch.asin(chord / 8**0.5))


def basis(directions: Tensor) -> Tensor:
    """Harmonics of degree 1 to 3 up to positive factors, in the order of Kerbl et al. 2023, for parity alone."""
    x, y, z = directions.unbind(-1)
    return torch.stack(
        [y, z, x, x * y, y * z, 2 * z * z - x * x - y * y, x * z, x * x - y * y, y * (3 * x * x - y * y), x * y * z,
         y * (4 * z * z - x * x - y * y), z * (2 * z * z - 3 * x * x - 3 * y * y), x * (4 * z * z - x * x - y * y),
         z * (x * x - y * y), x * (x * x - 3 * y * y)],
        dim=-1,
    )  # fmt: skip


def written(gaussians: Gaussians, folder: Path) -> bytes:
    write_spz(folder / "a.spz", gaussians)
    return gzip.decompress((folder / "a.spz").read_bytes())


@pytest.mark.parametrize("colours", [1, 4, 9, 16])
def test_what_comes_back_is_within_the_stated_bounds(tmp_path: Path, colours: int) -> None:
    truth = some_gaussians(2000, colours=colours)
    write_spz(tmp_path / "a.spz", truth)
    back = read_spz(tmp_path / "a.spz")
    assert (back.means - truth.means).abs().max() <= 2.0**-20
    assert (back.log_scales - truth.log_scales).abs().max().exp() < 1.032
    assert angles(back, truth).max() < 0.28
    assert (opacities(back) - opacities(truth)).abs().max() < 1 / 509
    assert (back.colour_harmonics - truth.colour_harmonics)[:, 0].abs().max() < 0.0131
    assert not ((back.colour_harmonics - truth.colour_harmonics)[:, 1:].abs() > 1.001 / 256).any()


@pytest.mark.parametrize("antialiased", [False, True])
def test_antialiased_is_the_first_flag(tmp_path: Path, antialiased: bool) -> None:
    content = written(some_gaussians(3).replace(antialiased=antialiased), tmp_path)
    assert content[14] == int(antialiased)
    assert read_spz(tmp_path / "a.spz").antialiased is antialiased


def test_writing_what_was_read_changes_nothing(tmp_path: Path) -> None:
    write_spz(tmp_path / "a.spz", some_gaussians(500))
    once = read_spz(tmp_path / "a.spz")
    write_spz(tmp_path / "b.spz", once)
    twice = read_spz(tmp_path / "b.spz")
    for name in ("means", "log_scales", "opacity_harmonics", "colour_harmonics"):
        assert torch.equal(getattr(once, name), getattr(twice, name)), name
    assert angles(once, twice).max() < 0.05


@pytest.mark.parametrize("colours", [1, 4, 9, 16])
def test_gsply_reads_the_same_file_in_the_formats_axes(tmp_path: Path, colours: int) -> None:
    write_spz(tmp_path / "a.spz", some_gaussians(300, colours=colours))
    ours, other = read_spz(tmp_path / "a.spz"), gsply.read_spz(tmp_path / "a.spz")
    flip = np.array([1, -1, -1], np.float32)
    np.testing.assert_array_equal(other.means * flip, ours.means.numpy())
    np.testing.assert_array_equal(other.scales, ours.log_scales.numpy())
    theirs = other.quats * np.array([1, 1, -1, -1], np.float32)
    np.testing.assert_allclose(theirs, ours.quaternions.numpy(), atol=1e-4)
    np.testing.assert_allclose(other.sh0, ours.colour_harmonics[:, 0].numpy(), atol=1e-6)
    if colours > 1:
        parity = torch.sign(basis(torch.tensor([1.0, -2.0, -3.0])) / basis(torch.tensor([1.0, 2.0, 3.0]))).numpy()
        np.testing.assert_array_equal(other.shN * parity[: colours - 1, None], ours.colour_harmonics[:, 1:].numpy())


def test_files_of_gsply_are_read(tmp_path: Path) -> None:
    truth = some_gaussians(300)
    data = gsply.GSData.from_arrays(
        truth.means.numpy(), truth.log_scales.numpy(), truth.quaternions.numpy(),
        truth.opacity_harmonics[:, 0].numpy() * np.float32(Y0), truth.colour_harmonics[:, 0].numpy(),
        truth.colour_harmonics[:, 1:].numpy(), format="ply",
    )  # fmt: skip
    gsply.write_spz(tmp_path / "a.spz", data)
    back = read_spz(tmp_path / "a.spz")
    flip = torch.tensor([1.0, -1.0, -1.0])
    assert (back.means - truth.means * flip).abs().max() <= 2.0**-13
    assert angles(back, truth.replace(quaternions=truth.quaternions * torch.tensor([1.0, 1, -1, -1]))).max() < 0.28
    assert (opacities(back) - opacities(truth)).abs().max() < 1 / 509


def test_a_gaussian_looks_the_same_after_the_turn_of_axes(tmp_path: Path) -> None:
    """Read without the turn back, the file shows the scene turned by a half about x: shape and colours turn along."""
    truth = some_gaussians(50)
    write_spz(tmp_path / "a.spz", truth)
    raw = gsply.read_spz(tmp_path / "a.spz")
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0]))

    def covariance(quaternions: Tensor, log_scales: Tensor) -> Tensor:
        axes = matrix_from_quaternion(quaternions) * log_scales.exp()[:, None]
        return axes @ axes.transpose(1, 2)

    back = read_spz(tmp_path / "a.spz")
    theirs = covariance(torch.from_numpy(raw.quats), torch.from_numpy(raw.scales))
    ours = turn @ covariance(back.quaternions, back.log_scales) @ turn
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-6)
    direction = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.8]), dim=0)
    seen = torch.einsum("k,nkc->nc", basis(direction), back.colour_harmonics[:, 1:])
    turned = torch.einsum("k,nkc->nc", basis(turn @ direction), torch.from_numpy(raw.shN))
    torch.testing.assert_close(seen, turned, rtol=0, atol=1e-5)


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    """By hand, one Gaussian of degree 0."""
    gaussians = Gaussians(
        torch.tensor([[1.0, -2.0, 3.0]]),
        torch.tensor([[0.0, 0.0, 1.0, 0.0]]),
        torch.tensor([[-4.0, -10.0, 0.0]]),
        torch.tensor([[0.0]]),
        torch.tensor([[[0.0, 1.0, -1.0]]]),
    )
    content = written(gaussians, tmp_path)
    magic, version, count, degree, bits, flags, reserved = struct.unpack("<4sIIBBBB", content[:16])
    assert (magic, version, count, degree, flags, reserved) == (b"NGSP", 3, 1, 0, 0, 0)
    fixed = [int.from_bytes(content[16 + 3 * i : 19 + 3 * i], "little", signed=True) / 2**bits for i in range(3)]
    assert fixed == [1.0, 2.0, -3.0]
    assert content[25] == 128
    assert list(content[26:29]) in ([128, 166, 89], [127, 166, 89], [128, 165, 89])
    assert list(content[29:32]) == [96, 0, 160]
    assert int.from_bytes(content[32:36], "little") == 1 << 30
    assert len(content) == 36


@pytest.mark.parametrize(("spread", "bits"), [(1.0, 20), (100.0, 16), (500.0, 14), (2000.0, 12), (1e6, 12)])
def test_the_furthest_gaussian_sets_the_precision(tmp_path: Path, spread: float, bits: int) -> None:
    truth = some_gaussians(1, colours=1)
    truth.means[0] = torch.tensor([spread, 0.1, -0.2])
    assert written(truth, tmp_path)[13] == bits


def test_what_is_out_of_reach_looks_the_same_from_the_origin(tmp_path: Path) -> None:
    truth = some_gaussians(4, colours=1)
    truth.means[0] = torch.tensor([3000.0, -8000.0, 500.0])
    truth.log_scales[0] = 2.0
    write_spz(tmp_path / "a.spz", truth)
    back = read_spz(tmp_path / "a.spz")
    assert (back.means[1:] - truth.means[1:]).abs().max() <= 2.0**-13
    directions = [torch.nn.functional.normalize(gaussians.means[0], dim=0) for gaussians in (back, truth)]
    torch.testing.assert_close(directions[0], directions[1], rtol=1e-5, atol=1e-6)
    sizes = [gaussians.log_scales[0].exp() / gaussians.means[0].norm() for gaussians in (back, truth)]
    torch.testing.assert_close(sizes[0], sizes[1], rtol=0.032, atol=0)


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(row=st.lists(floats, min_size=14, max_size=14))
def test_no_finite_gaussian_makes_it_stumble(row: list[float]) -> None:
    numbers = torch.tensor(row, dtype=torch.float32)
    norm = numbers[3:7].norm()  # where it is out of float32's reach there is no angle to compare
    quaternion = torch.where((norm > 1e-6) & (norm < 1e6), numbers[3:7], 1.0)
    one = Gaussians(
        numbers[None, :3], quaternion[None], numbers[None, 7:10], numbers[None, 10:11], numbers[None, None, 11:]
    )
    with tempfile.TemporaryDirectory() as folder:
        write_spz(Path(folder) / "a.spz", one)
        back = read_spz(Path(folder) / "a.spz")
    assert all(torch.isfinite(tensor).all() for tensor in vars(back).values() if isinstance(tensor, Tensor))
    assert angles(back, one).max() < 0.28


def test_the_largest_number_is_clipped_in_silence(tmp_path: Path) -> None:
    gaussians = some_gaussians(1).replace(colour_harmonics=torch.full((1, 16, 3), 3e38))
    write_spz(tmp_path / "a.spz", gaussians)
    assert read_spz(tmp_path / "a.spz").colour_harmonics.min() > 0.99


def test_no_gaussians_are_a_file_too(tmp_path: Path) -> None:
    write_spz(tmp_path / "a.spz", some_gaussians(0))
    assert len(read_spz(tmp_path / "a.spz")) == 0


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    gaussians = some_gaussians(5)
    gaussians.means[2, 1] = torch.nan
    with pytest.raises(FormatError, match="1 of 5 Gaussians are not finite"):
        write_spz(tmp_path / "a.spz", gaussians)
    assert not list(tmp_path.iterdir())


def test_quaternions_of_version_2_are_read(tmp_path: Path) -> None:
    head = struct.pack("<4sIIBBBB", b"NGSP", 2, 1, 0, 12, 0, 0)
    body = bytes(9) + bytes([128]) + bytes([128] * 3) + bytes([96] * 3) + bytes([255, 128, 128])
    (tmp_path / "a.spz").write_bytes(gzip.compress(head + body, mtime=0))
    back = read_spz(tmp_path / "a.spz")
    torch.testing.assert_close(back.quaternions, torch.tensor([[0.0, 1.0, 0.0, 0.0]]), atol=5e-3, rtol=0)


def header(version: int = 3, count: int = 1, degree: int = 0, bits: int = 12) -> bytes:
    return struct.pack("<4sIIBBBB", b"NGSP", version, count, degree, bits, 0, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an SPZ file"),
        (b"hello", "damaged or not an SPZ file"),
        (gzip.compress(b"hello", mtime=0), "is not an SPZ file"),
        (gzip.compress(b"hello, this is not a splat", mtime=0), "is not an SPZ file"),
        (b"NGSP" + bytes(100), "version 4 or later"),
        (gzip.compress(header(version=1), mtime=0), "version 1; this program reads 2 and 3"),
        (gzip.compress(header(degree=4), mtime=0), "degree 4"),
        (gzip.compress(header(bits=0), mtime=0), "0 fractional bits"),
        (gzip.compress(header() + bytes(19), mtime=0), "1 Gaussians take 20 bytes, it holds 19"),
        (
            gzip.compress(header(count=2**32 - 1) + bytes(99), mtime=0),
            "promises 4,294,967,295 Gaussians in [0-9]+ bytes",
        ),
        (gzip.compress(header() + bytes(range(20)), mtime=0)[:-12], "truncated"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.spz").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_spz(tmp_path / "a.spz")


def test_no_more_is_unpacked_than_was_promised(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(header() + bytes(64 << 20)) + packer.flush()
    (tmp_path / "a.spz").write_bytes(bomb)
    assert len(read_spz(tmp_path / "a.spz")) == 1


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        read_spz(tmp_path / "a.spz")
