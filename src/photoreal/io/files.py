"""Files that are whole or absent (written beside, renamed into place), strict JSON, and locks that end with a run."""

import errno
import itertools
import json
import math
import os
import shutil
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photoreal.core import FormatError, SceneError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_serial = itertools.count()
_live: set[str] = set()
"""What this process is writing now; anything else under its number is of an earlier process that had the same."""


@contextmanager
def atomic_path(path: Path) -> Generator[Path, None, None]:
    """Yield a hidden sibling of the same suffix for the body to write a file to; afterwards `path` is that file, whole.

    If the body raises, the sibling is deleted and `path` is as it was. What killed processes left is deleted first.

    Raises:
        SceneError: the disk is full or the place cannot be written; the text says where and how many bytes are free.
    """
    with _partial(path) as partial:
        yield partial
        _flush(partial)
        os.replace(partial, path)
        _flush(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Generator[Path, None, None]:
    """Yield a new hidden sibling folder for the body to fill; afterwards `path` is that folder and nothing older.

    If the body raises, the sibling is deleted and `path` is as it was. The exchange takes two renames; a process killed
    between them leaves the old folder under a hidden name, which `clean_partials` puts back.

    Raises:
        SceneError: the disk is full or the place cannot be written; the text says where and how many bytes are free.
    """
    with _partial(path) as partial:
        partial.mkdir()
        yield partial
        for file in (file for file in partial.rglob("*") if file.is_file()):
            _flush(file)
        _exchange(partial, path)
        _flush(path.parent)


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Within the body, a full disk or a forbidden place becomes a `SceneError` with the free bytes and a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise SceneError(
                f"no room to write {path} ({error.strerror}): {_free_bytes(path):,} bytes are free there; "
                "free some space or choose another folder, then go on with --resume"
            ) from error
        if error.errno in _FORBIDDEN:
            raise SceneError(
                f"cannot write {path} ({error.strerror}: {error.filename}); choose a folder that you may write to"
            ) from error
        raise


def clean_partials(folder: Path) -> None:
    """Afterwards `folder` holds nothing that killed processes left half done; folders they had moved away are back."""
    for entry in sorted(folder.glob(".old-*-*")) + sorted(folder.glob(".partial-*-*")):
        kind, _, name = _parsed(entry)
        if not _is_stale(entry):
            continue
        home = folder / name
        if kind == "old" and not home.exists():
            os.rename(entry, home)
        else:
            remove(entry)


def is_partial(path: Path) -> bool:
    """Whether the name is one that `atomic_path` or `atomic_folder` gives to unfinished things."""
    return _parsed(path)[1] > 0


def remove(path: Path) -> None:
    """Afterwards there is no file, link or folder at `path`; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` atomically as UTF-8 JSON with sorted keys, the same bytes for the same value.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold; see `finite_or_null`.
        SceneError: as `atomic_path`.
    """
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with atomic_path(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; every number in it is finite and no key stands twice.

    Raises:
        FormatError: the file cannot be read or is not UTF-8, not JSON, no object, or has NaN, infinity or a key twice.
    """
    try:
        value = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_object,
        )
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path} must hold a JSON object, not a {type(value).__name__}")
    return value


def finite_or_null(number: float) -> float | None:
    """The number as JSON can hold it: null for NaN and the infinities."""
    return number if math.isfinite(number) else None


@contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Within the body this process alone holds the lock file `path`, which tells its process number and machine.

    The lock ends with its process, however that ends, so a file left by a killed run is simply taken over.
    On Windows nothing is locked.

    Raises:
        SceneError: a living process holds the lock (the text names it), or the file cannot be written.
    """
    with writing(path):
        handle = _open_locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _open_locked(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _try_lock(handle):
            os.close(handle)
            raise SceneError(
                f"{path.parent} is in use by another run ({_holder(path)}); wait for it or choose another folder"
            )
        # A former holder may have deleted the name between our opening and our locking.
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            break
        os.close(handle)
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    return handle


def _try_lock(handle: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> str:
    try:
        holder = read_json(path)
    except FormatError:
        return "which has not told its number"
    return f"process {holder.get('pid')} on {holder.get('host')}; the lock is {path.name}"


def _exchange(partial: Path, path: Path) -> None:
    if not os.path.lexists(path):
        os.rename(partial, path)
        return
    old = _sibling(path, "old")
    os.rename(path, old)
    try:
        os.rename(partial, path)
    except OSError:
        os.rename(old, path)
        raise
    remove(old)


@contextmanager
def _partial(path: Path) -> Generator[Path, None, None]:
    partial = _sibling(path, "partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean_siblings(path)
        _live.add(partial.name)
        try:
            yield partial
        finally:
            _live.discard(partial.name)
            remove(partial)


def _clean_siblings(path: Path) -> None:
    for entry in path.parent.glob(".partial-*"):
        if _parsed(entry)[2] == path.name and _is_stale(entry):
            remove(entry)


def _sibling(path: Path, kind: str) -> Path:
    # The suffix stays, because many writers choose the format by it.
    return path.parent / f".{kind}-{os.getpid()}-{next(_serial)}-{path.name}"


def _parsed(path: Path) -> tuple[str, int, str]:
    """Kind, process number (0 for a name that is none of ours) and the final name."""
    kind, pid, serial, name = (*path.name.split("-", 3), "", "", "")[:4]
    if kind in {".partial", ".old"} and pid.isdecimal() and serial.isdecimal():
        return kind[1:], int(pid), name
    return "", 0, ""


def _is_stale(entry: Path) -> bool:
    pid = _parsed(entry)[1]
    return entry.name not in _live if pid == os.getpid() else pid > 0 and not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _flush(path: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free_bytes(path: Path) -> int:
    existing = next(folder for folder in [path, *path.absolute().parents] if folder.exists())
    return shutil.disk_usage(existing).free


def _refuse_constant(text: str) -> float:
    raise ValueError(f"the number {text} is not allowed")


def _finite_float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return result
