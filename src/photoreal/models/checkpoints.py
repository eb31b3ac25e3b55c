"""Networks of the library transformers out of a folder: config.json says what to build, model.safetensors or
pytorch_model.bin what is in it, and nothing that either names is fetched or run."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from photoreal.core import FormatError, MissingWeightsError
from photoreal.models.weights import WEIGHTS, HubFiles, locate

CONFIG = "config.json"
WEIGHTS_FILE = "model.safetensors"
_OLDER_FILE = "pytorch_model.bin"


@dataclass(frozen=True)
class Checkpoint:
    """A network's configuration as the file has it, and where its tensors are."""

    config: Mapping[str, Any]
    weights: Path
    name: str
    """Such as "real: facebook/dinov2-large"."""

    @property
    def config_file(self) -> Path:
        """Where the configuration was read."""
        return self.weights.with_name(CONFIG)

    @property
    def architecture(self) -> str:
        """What the configuration calls its kind of network."""
        return str(self.config.get("model_type", "unknown"))


def open_checkpoint(source: str) -> Checkpoint:
    """The checkpoint of that name in the catalogue of weights, or in the folder of that path; tensors are not read yet.

    Raises:
        MissingWeightsError: there is no such name, folder or file.
        FormatError: its configuration cannot be read.
    """
    weights = _weights_of(source)
    path = weights.with_name(CONFIG)
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise MissingWeightsError(f"{source} needs {path}, which is not there") from error
    except ValueError as error:
        raise FormatError(f"{path} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise FormatError(f"{path} holds a {type(config).__name__}, not the fields of a configuration")
    known = WEIGHTS[source].source if source in WEIGHTS else None
    return Checkpoint(config, weights, f"real: {known.repo if isinstance(known, HubFiles) else weights.parent.name}")


def _weights_of(source: str) -> Path:
    if source in WEIGHTS and CONFIG in WEIGHTS[source].source.files:
        return locate(source)
    folder = Path(source).absolute()
    if not folder.is_dir():
        raise MissingWeightsError(
            f"'{source}' is neither a folder with {CONFIG} and {WEIGHTS_FILE} or {_OLDER_FILE} nor one of the names "
            + _names()
        )
    for name in (WEIGHTS_FILE, _OLDER_FILE):
        if (folder / name).is_file():
            return folder / name
    raise MissingWeightsError(f"{source} needs {folder / WEIGHTS_FILE}, which is not there")


def _names() -> str:
    """Names of weights beside which the catalogue has a configuration."""
    return ", ".join(name for name, weights in WEIGHTS.items() if CONFIG in weights.source.files)


def built(network: type[nn.Module], kind: type[Any], fields: Mapping[str, Any], where: object) -> nn.Module:
    """The network of that configuration on the device "meta", without weights.

    Only fields that describe the architecture are taken: a file's word on types, outputs or kernels counts for nothing.

    Args:
        kind: the configuration's class.
        where: names the configuration in the error.

    Raises:
        FormatError: no network can be built so.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import PretrainedConfig

    general = {field.name for field in dataclasses.fields(PretrainedConfig)}
    own = {field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")} - general
    try:
        config = kind(**{name: value for name, value in fields.items() if name in own})
        for length in ("patch_size", "image_size"):
            if not isinstance(pixels := getattr(config, length, 1), int):
                raise TypeError(f"{length} is {pixels}")
        with torch.device("meta"):
            return network(config)
    except (StrictDataclassError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise FormatError(f"{where} describes no network that can be built: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
