"""Khronos' glTF validator, which `make setup` installs where there is npm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
const validator = require("gltf-validator"), fs = require("fs");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))
    .then(report => console.log(JSON.stringify(report.issues.messages)));
"""
_ERROR, _WARNING = 0, 1


def complaints(path: Path) -> list[str]:
    """Errors and warnings about a glTF file; the test is skipped where the validator cannot run."""
    folder = Path(sys.prefix) / "gltf" / "node_modules"
    node = shutil.which("node")
    if node is None or not (folder / "gltf-validator").is_dir():
        pytest.skip("there is no node, or no gltf-validator beside this Python; with npm, make setup installs it")
    command = [node, "-e", _PROGRAM, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env={"NODE_PATH": str(folder)}, check=True)
    messages = json.loads(done.stdout)
    return [f"{one['code']} {one['message']}" for one in messages if one["severity"] in (_ERROR, _WARNING)]
