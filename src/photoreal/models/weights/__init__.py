"""The one door to weights: a catalogue of names, where their files are on this machine, and reading them without
running anything that they ask for; only `get` ever downloads."""

from photoreal.models.weights.catalogue import WEIGHTS, HubFiles, PackageFile, Weights
from photoreal.models.weights.pickled import Array, read_arrays
from photoreal.models.weights.sources import FOLDER_VARIABLE, command, expected, find, get, locate, sha256
from photoreal.models.weights.tensors import count_tensors, load_strictly, read_state

__all__ = [
    "FOLDER_VARIABLE",
    "WEIGHTS",
    "Array",
    "HubFiles",
    "PackageFile",
    "Weights",
    "command",
    "count_tensors",
    "expected",
    "find",
    "get",
    "load_strictly",
    "locate",
    "read_arrays",
    "read_state",
    "sha256",
]
