"""Weights are found in packages, the hub's cache and the user's own folder, checked, and fetched only when asked."""

import hashlib
import importlib.metadata
import importlib.util
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import MappingProxyType

import huggingface_hub
import pytest

from photoreal.core import MissingWeightsError
from photoreal.models.weights import WEIGHTS, HubFiles, PackageFile, Weights, expected, find, get, locate, sources

GOOD = hashlib.sha256(b"good").hexdigest()
PACKAGED = Weights("a toy", PackageFile("toy_package", "1.2", "inside/a.ckpt"), GOOD, "none")
ON_HUB = Weights("a toy", HubFiles("us/toy", ("model.safetensors", "config.json")), None, "none")


class Distribution:
    """An installed distribution that lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate_file(self, member: str) -> Path:
        return self.folder / member


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two weights, no folder of the user's, an empty cache, and a hub that nobody may ask."""
    monkeypatch.setattr(sources, "WEIGHTS", MappingProxyType({"toy": PACKAGED, "far": ON_HUB}))
    monkeypatch.delenv("PHOTOREAL_WEIGHTS", raising=False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("asked the hub"))
    look = huggingface_hub.try_to_load_from_cache
    cache = tmp_path / "cache"
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda *words, **named: look(*words, cache_dir=cache, **named)
    )


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the installed package `toy_package` should hold the bytes "good"."""
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution(tmp_path))
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside" / "a.ckpt"


def cached(tmp_path: Path, content: bytes = b"far weights", named: str | None = None) -> Path:
    """A file as the hub's cache keeps it: a link to a blob that is named by its checksum."""
    root = tmp_path / "cache" / "models--us--toy"
    for folder in ("blobs", "refs", "snapshots/abc"):
        (root / folder).mkdir(parents=True)
    (root / "refs" / "main").write_text("abc")
    blob = root / "blobs" / (named or hashlib.sha256(content).hexdigest())
    blob.write_bytes(content)
    (root / "snapshots/abc/config.json").write_text("{}")
    path = root / "snapshots/abc/model.safetensors"
    path.symlink_to(blob)
    return path


def test_a_package_s_file_is_found_and_its_content_is_the_expected_one(member: Path) -> None:
    member.write_bytes(b"good")
    assert locate("toy") == member


def test_other_content_is_refused(member: Path) -> None:
    member.write_bytes(b"bad")
    assert find("toy") == member
    with pytest.raises(MissingWeightsError, match=r"as expected; run: photoreal weights get toy --again$"):
        locate("toy")


def test_a_missing_file_is_named(member: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"a\.ckpt, which is not there; run: photoreal weights get toy"):
        locate("toy")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingWeightsError, match=r"toy_package, which is not installed; run: photoreal weights get"):
        locate("toy")


def test_the_user_s_own_folder_comes_first(member: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    member.write_bytes(b"good")
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    monkeypatch.setenv("PHOTOREAL_WEIGHTS", str(tmp_path / "own"))
    with pytest.raises(MissingWeightsError, match=r"own/toy/a\.ckpt, which is not there"):
        locate("toy")
    (own / "a.ckpt").write_bytes(b"good")
    assert locate("toy") == own / "a.ckpt"
    (own / "a.ckpt").write_bytes(b"bad")
    with pytest.raises(MissingWeightsError, match=r"has sha256 .* as expected; replace or remove it"):
        locate("toy")


def test_the_hub_s_cache_is_read_and_the_hub_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"not in the hub's cache; run: photoreal weights get far, or put"):
        locate("far")
    path = cached(tmp_path)
    assert locate("far") == path
    path.with_name("config.json").unlink()
    with pytest.raises(MissingWeightsError, match=r"far needs config\.json of us/toy"):
        locate("far")


def test_a_damaged_file_in_the_hub_s_cache_is_refused(tmp_path: Path) -> None:
    cached(tmp_path, named=hashlib.sha256(b"what the hub has").hexdigest())
    with pytest.raises(MissingWeightsError, match="has sha256"):
        locate("far")


def test_what_is_here_is_not_fetched_again(member: Path) -> None:
    member.write_bytes(b"good")
    assert get("toy", run=lambda words: pytest.fail("installed again")) == member


def test_a_package_is_installed_without_what_it_depends_on(member: Path) -> None:
    ran: list[list[str]] = []

    def run(words: list[str]) -> int:
        ran.append(words)
        member.write_bytes(b"good")
        return 0

    assert get("toy", run=run) == member
    assert get("toy", run=run, again=True) == member
    assert all("--no-deps" in words and "toy_package==1.2" in words for words in ran)
    assert ["--force-reinstall" in words for words in ran] == [False, True]


def test_without_pip_uv_installs(member: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/uv")

    def run(words: list[str]) -> int:
        assert words[:3] == ["/bin/uv", "pip", "install"]
        assert words[words.index("--python") + 1] == sys.executable
        member.write_bytes(b"good")
        return 0

    assert get("toy", run=run) == member
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingWeightsError, match="install pip or uv first"):
        get("toy", again=True, run=run)


def test_a_failed_installation_is_told(member: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"toy_package==1\.2, whose installation ended with 3"):
        get("toy", run=lambda words: 3)


def test_a_download_brings_every_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def download(repo: str, file: str, **named: object) -> str:
        asked.append(f"{repo}/{file}")
        return str(file == "config.json" and cached(tmp_path))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(sources, "_knock", lambda address: None)
    assert get("far").name == "model.safetensors"
    assert asked == ["us/toy/model.safetensors", "us/toy/config.json"]


@pytest.mark.parametrize("offline", [True, False])
def test_a_hub_that_cannot_be_reached_is_one_line_and_no_wait(tmp_path: Path, *, offline: bool) -> None:
    code = (
        "from photoreal.models.weights import get\n"
        "try:\n    get('efficientloftr')\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    # Port 9 of this machine answers no one: a refused connection stands for a hub out of reach.
    away = {"HF_HUB_OFFLINE": "1"} if offline else {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    started = time.perf_counter()
    environment = {"PATH": "", "HF_HOME": str(tmp_path), **away}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingWeightsError efficientloftr is model.safetensors of zju-community")
    assert ("HF_HUB_OFFLINE is set" if offline else "127.0.0.1:9 does not answer") in done.stdout
    assert len((done.stdout + done.stderr).splitlines()) == 1
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize(
    "answer", [b"", b"not HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nxxx"]
)
def test_a_hub_that_answers_badly_is_one_line(tmp_path: Path, answer: bytes) -> None:
    """A server that says this to whoever asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_hang_up, args=(server, answer), daemon=True).start()
        environment = {
            "PATH": "",
            "HF_HOME": str(tmp_path),
            "HF_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}",
            "NO_PROXY": "127.0.0.1",
        }
        words = [
            sys.executable,
            "-c",
            "from photoreal.cli.main import main; main()",
            "weights",
            "get",
            "efficientloftr",
        ]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "which cannot be had from here" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def _hang_up(server: socket.socket, answer: bytes) -> None:
    while True:
        try:
            caller, _ = server.accept()
        except OSError:
            return
        with caller:
            caller.recv(4096)
            caller.sendall(answer)


def test_a_file_of_the_hub_in_one_s_own_folder_has_no_known_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOREAL_WEIGHTS", str(tmp_path))
    (tmp_path / "far").mkdir()
    for name in ("model.safetensors", "config.json"):
        (tmp_path / "far" / name).write_bytes(b"anything")
    assert expected("far") is None
    assert locate("far") == tmp_path / "far" / "model.safetensors"
    assert expected("toy") is not None


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_the_catalogue_is_complete(name: str) -> None:
    weights = WEIGHTS[name]
    assert weights.role
    assert weights.licence
    assert weights.embedded == (weights.sha256 is not None)
    assert all("/" not in file for file in weights.source.files)
    assert str(weights.source)


def test_packages_that_carry_weights_are_never_imported() -> None:
    carriers = {w.source.member.partition("/")[0] for w in WEIGHTS.values() if isinstance(w.source, PackageFile)}
    code = "import sys, photoreal.models; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "photoreal" in loaded
    assert not loaded & {*carriers, "jax", "transformers", "kornia", "onnx"}
