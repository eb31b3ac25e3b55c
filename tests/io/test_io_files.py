"""Files appear whole or not at all, whatever happens to the process or the disk."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoreal.core import FormatError, SceneError
from photoreal.io.files import (
    atomic_folder,
    atomic_path,
    clean_partials,
    finite_or_null,
    locked,
    read_json,
    remove,
    write_json,
)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def ordinary_user() -> Iterator[None]:
    """The superuser may write anywhere; nobody else may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def sealed_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sealed"
        folder.mkdir()
        os.chmod(name, 0o755)
        os.chmod(folder, 0o555)
        yield folder
        os.chmod(folder, 0o755)


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_replaced_only_when_the_body_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "film.mp4"
    with atomic_path(path) as partial:
        assert partial.suffix == ".mp4"
        partial.write_text("old")
    with atomic_path(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(path.parent) == {"film.mp4"}


def test_a_body_that_raises_changes_nothing(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.txt", tmp_path / "b"
    file.write_text("old")
    folder.mkdir()
    (folder / "old").touch()

    def stopped(partial: Path) -> None:
        partial.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), atomic_path(file) as partial:
        stopped(partial)
    with pytest.raises(KeyboardInterrupt), atomic_folder(folder) as partial:
        stopped(partial / "half")
    assert file.read_text() == "old"
    assert names(folder) == {"old"}
    assert names(tmp_path) == {"a.txt", "b"}


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for name in ("first", "second"):
        with atomic_folder(folder) as partial:
            (partial / "sub").mkdir()
            (partial / "sub" / name).write_text(name)
        assert names(folder / "sub") == {name}
    assert names(tmp_path) == {"images"}


def test_a_folder_whose_exchange_fails_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "images"
    with atomic_folder(folder) as partial:
        (partial / "old").touch()
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if ".partial-" in str(source):
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="Input/output"), atomic_folder(folder) as partial:
        (partial / "new").touch()
    assert names(folder) == {"old"}
    assert names(tmp_path) == {"images"}


def test_a_folder_takes_the_place_of_a_file_or_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with atomic_folder(tmp_path / name) as partial:
            (partial / "new").touch()
        assert names(tmp_path / name) == {"new"}
    assert names(tmp_path) == {"file", "link"}


def test_two_nested_writes_of_one_path_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_path(path) as outer:
        outer.write_text("outer")
        with atomic_path(path) as inner:
            inner.write_text("inner")
        assert path.read_text() == "inner"
    assert path.read_text() == "outer"


def test_a_killed_writer_leaves_the_old_file_and_its_rest_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = """
import os, signal, sys
from pathlib import Path
from photoreal.io.files import atomic_path
with atomic_path(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == 2
    with atomic_path(path) as partial:
        partial.write_text("new")
    assert names(tmp_path) == {"a.txt"}


def test_cleaning_takes_the_dead_and_spares_the_living(tmp_path: Path) -> None:
    dead, living = dead_process(), os.getppid()
    for name in (f".partial-{dead}-0-a.txt", f".partial-{living}-0-b.txt", ".partial-x-0-c.txt", ".hidden"):
        (tmp_path / name).touch()
    for name in ("moved", "replaced"):
        (tmp_path / f".old-{dead}-1-{name}").mkdir()
    (tmp_path / "replaced").mkdir()
    with atomic_path(tmp_path / "mine") as partial:
        partial.touch()
        clean_partials(tmp_path)
    assert names(tmp_path) == {
        f".partial-{living}-0-b.txt",
        ".partial-x-0-c.txt",
        ".hidden",
        "moved",
        "replaced",
        "mine",
    }


def test_a_rest_under_our_own_number_is_of_an_earlier_process(tmp_path: Path) -> None:
    # In a container every run has the same process number.
    (tmp_path / f".partial-{os.getpid()}-999999-a.txt").touch()
    clean_partials(tmp_path)
    assert not names(tmp_path)


def test_a_full_disk_is_told_with_place_and_free_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(SceneError, match=r"no room to write .*a\.bin .*[\d,]+ bytes are free.*--resume"):  # noqa: SIM117
        with largest_file(1000), atomic_path(path) as partial:
            partial.write_bytes(bytes(2000))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"a.bin"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_no_space_left_on_device_is_told(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="No space left on device"), atomic_folder(tmp_path / "images"):
        Path("/dev/full").write_bytes(b"anything")
    assert not names(tmp_path)


def test_a_forbidden_folder_is_told(sealed_folder: Path) -> None:
    with ordinary_user():
        for write in (atomic_path, atomic_folder):
            with (
                pytest.raises(SceneError, match=r"cannot write .*sealed.*Permission denied"),
                write(sealed_folder / "a") as partial,
            ):
                partial.touch()


def test_other_errors_of_the_body_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        Path(tmp_path / "missing").read_bytes()


def test_removing_does_not_follow_links(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "mine.jpg").touch()
    (tmp_path / "images").symlink_to(photos)
    remove(tmp_path / "images")
    remove(tmp_path / "absent")
    assert names(tmp_path) == {"photos"}
    assert names(photos) == {"mine.jpg"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), json_values, max_size=4))
def test_json_comes_back(value: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        try:
            write_json(path, value)
        except UnicodeEncodeError:  # lone surrogates are no text
            return
        assert read_json(path) == value


def test_json_does_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "y": {"b": 1, "a": 2}})
    write_json(tmp_path / "b", {"y": {"a": 2, "b": 1}, "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_json_does_not_hold_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a", {"x": float("nan")})
    assert not names(tmp_path)
    assert [finite_or_null(x) for x in (1.5, float("nan"), float("inf"))] == [1.5, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "3",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_bad_json_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FormatError, match=r"a\.json"):
        read_json(path)


def test_missing_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(FormatError, match="Is a directory"):
        read_json(tmp_path)


def test_a_lock_tells_its_holder_and_ends(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
        with pytest.raises(SceneError, match=f"process {os.getpid()} on"), locked(path):
            pass
        assert path.exists()
    assert not path.exists()
    with locked(path):
        pass


def test_a_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    code = """
import sys, time
from pathlib import Path
from photoreal.io.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        with pytest.raises(SceneError, match=f"process {child.pid} on"), locked(path):
            pass
        child.kill()
    assert path.exists()
    with locked(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_new_files_have_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "a") as partial:
        partial.touch()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
