"""Checkpoints are read without running their code, and fill a network wholly or not at all."""

import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from photoreal.core import FormatError
from photoreal.models.weights import count_tensors, load_strictly, read_state

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([0.5, -1.0])}


class Command:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("should_never_exist"),)


def test_tensors_come_out_of_safetensors_as_they_went_in(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "a.safetensors")
    torch.testing.assert_close(read_state(tmp_path / "a.safetensors"), STATE, rtol=0, atol=0)


@pytest.mark.parametrize("wrapper", ["", "model", "state_dict"])
def test_tensors_come_out_of_torch_s_format_wrapped_or_not(tmp_path: Path, wrapper: str) -> None:
    torch.save({wrapper: STATE} if wrapper else STATE, tmp_path / "a.pt")
    torch.testing.assert_close(read_state(tmp_path / "a.pt"), STATE, rtol=0, atol=0)


@pytest.mark.parametrize("tree", [Command(), {"weight": Command()}, {"weight": Path("x")}])
def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: object
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(tree, tmp_path / "a.pth")
    with pytest.raises(FormatError, match="holds more than tensors, or is damaged; nothing of it was run"):
        read_state(tmp_path / "a.pth")
    assert not (tmp_path / "should_never_exist").exists()


@pytest.mark.parametrize("tree", [[1, 2], {"weight": 3}, torch.zeros(2), {"epoch": 3, "weight": torch.zeros(2)}])
def test_anything_but_tensors_by_name_is_refused(tmp_path: Path, tree: object) -> None:
    torch.save(tree, tmp_path / "a.pt")
    with pytest.raises(FormatError, match="must hold tensors by name"):
        read_state(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (safetensors.torch.save_file if path.suffix == ".safetensors" else torch.save)(STATE, path)
    whole = path.read_bytes()
    for length in (0, 1, 7, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="damaged") as error:
            read_state(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=f"cannot read .*{name}"):
        read_state(tmp_path / name)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(FormatError, match="damaged or no checkpoint"):
        read_state(tmp_path / "a.pt")


def test_a_network_takes_the_tensors_themselves() -> None:
    with torch.device("meta"):
        network = nn.Linear(3, 2)
    load_strictly(network, STATE, "the weights of toy")
    torch.testing.assert_close(network(torch.ones(3)), torch.tensor([3.5, 11.0]))
    assert network.weight.data_ptr() == STATE["weight"].data_ptr()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"weight": STATE["weight"]}, r"'bias' is missing, and the network has shape \[2\] \(1 of 2 differ\)"),
        (STATE | {"scale": STATE["bias"]}, r"'scale' has shape \[2\], and the network has none"),
        (STATE | {"bias": torch.tensor([1, 2])}, r"'bias' is torch\.int64, not torch\.float32"),
        (STATE | {"weight": STATE["weight"].T}, r"'weight' has shape \[3, 2\], and the network has shape \[2, 3\]"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(state: dict[str, torch.Tensor], words: str) -> None:
    network = nn.Linear(3, 2)
    before = network.weight.detach().clone()
    with pytest.raises(FormatError, match=f"the weights of toy do not fit the network: {words}"):
        load_strictly(network, state, "the weights of toy")
    torch.testing.assert_close(network.weight.detach(), before)


def test_damaged_files_of_the_old_format_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    read = 0
    for _ in range(400):
        place, value, length = (int(torch.randint(0, high, (1,), generator=generator)) for high in (len(whole), 256, 9))
        damaged = whole[:place] if length == 0 else whole[:place] + bytes([value] * length) + whole[place + length :]
        path.write_bytes(damaged)
        try:
            read_state(path)
            read += 1
        except FormatError as error:
            assert "\n" not in str(error)  # noqa: PT017 - some are read: their numbers are damaged, not their form
    assert read < 300


@pytest.mark.parametrize("bare", [torch.zeros(2, device="meta"), torch.eye(3).to_sparse()])
def test_tensors_without_plain_numbers_are_refused(tmp_path: Path, bare: torch.Tensor) -> None:
    torch.save(STATE | {"odd": bare}, tmp_path / "a.pt")
    with pytest.raises(FormatError, match=r"must hold plain numbers, and its 'odd'|nothing of it was run"):
        read_state(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_tensors_are_counted(tmp_path: Path, name: str) -> None:
    (safetensors.torch.save_file if name.endswith("safetensors") else torch.save)(STATE, tmp_path / name)
    assert count_tensors(tmp_path / name) == 2
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    with pytest.raises(FormatError, match="damaged"):
        count_tensors(tmp_path / name)
