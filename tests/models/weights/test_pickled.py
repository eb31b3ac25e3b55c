"""Arrays come out of a pickle without running anything that the file asks for."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from photoreal.core import FormatError
from photoreal.models.weights import read_arrays


def pickled(folder: Path, tree: object, protocol: int = 3) -> Path:
    path = folder / "weights.ckpt"
    path.write_bytes(pickle.dumps(tree, protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2", "<i8", "|u1", "|b1"])
def test_arrays_come_out_as_they_went_in(tmp_path: Path, kind: str, protocol: int) -> None:
    values = (np.arange(24).reshape(2, 3, 4) % 7).astype(kind)
    path = pickled(tmp_path, {"a": {"b": values, "c": values[0]}}, protocol)
    found = read_arrays(path)
    assert sorted(found) == ["a/b", "a/c"]
    np.testing.assert_array_equal(found["a/b"], values)
    assert found["a/b"].dtype == values.dtype.newbyteorder("=")
    assert found["a/b"].flags.writeable


def test_columns_first_arrays_keep_their_elements(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = read_arrays(pickled(tmp_path, {"a": values}))["a"]
    np.testing.assert_array_equal(found, values)
    assert found.flags.c_contiguous


class Command:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("should_never_exist"),)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"a": Command()}, "it names"),
        ({"a": Path("x")}, "it names"),
        ({"a": np.float64(1.0)}, "it names"),
        ({"a": np.array([Path("x")], dtype=object)}, "it names"),
        ({"a": np.array([None], dtype=object)}, "is not a plain array"),
        ({"a": np.array(["text"])}, "not numbers"),
        ({"a": [1.0, 2.0]}, "holds a list at 'a'"),
        ({"a": 3}, "holds a int at 'a'"),
        ("text", "holds a str at ''"),
    ],
)
def test_anything_but_arrays_of_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: object, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=words):
        read_arrays(pickled(tmp_path, tree))
    assert not (tmp_path / "should_never_exist").exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'touch should_never_exist'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cnumpy\nndarray\n(I2\nI3\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy\ndtype\n(I1\ntR.",
        b"cnumpy\nndarray\n(dI1\nb.",
        b"not a pickle",
        b"",
        b"\x80\x03",
    ],
)
def test_hand_written_pickles_cannot_do_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.ckpt"
    path.write_bytes(code)
    with pytest.raises(FormatError):
        read_arrays(path)
    assert not (tmp_path / "should_never_exist").exists()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = pickled(tmp_path, {"a": np.arange(100.0)})
    whole = path.read_bytes()
    for length in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            read_arrays(path)


def test_bytes_that_do_not_fit_the_shape_are_refused(tmp_path: Path) -> None:
    path = pickled(tmp_path, {"a": np.zeros((5, 7), np.float32)})
    path.write_bytes(path.read_bytes().replace(b"K\x05K\x07\x86", b"K\x05K\x08\x86"))
    with pytest.raises(FormatError, match=r"140 bytes for the shape \(5, 8\)"):
        read_arrays(path)
