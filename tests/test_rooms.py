"""The staircase of the architecture: a module imports only from its own room and from lower ones."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aethergraph

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "aethergraph"
EXTENSION = ROOT / "jupyter_ext"

# Each line stands on those before it. What is not named here is a door (the last room): it may use everything, and
# nothing below may use it.
ROOMS = [
    "errors ids perobject clock",
    "values",
    "record",
    "views",
    "graphs",
    "engine hooks",
    "storage",
    "code",
    "services channels",
    "context",
    "scheduler",
    "lifecycle",
    "authoring",
]
ROOM_OF = {name: number for number, names in enumerate(ROOMS) for name in names.split()}
DOORS = len(ROOMS)
NOTEBOOK_ONLY = {"IPython", "ipykernel", "ipywidgets", "anywidget", "traitlets", "comm"}
HEAVY = NOTEBOOK_ONLY | {"matplotlib", "openai", "numpy", "pandas", "polars", "pydantic", "nest_asyncio"}


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path, root: Path = ROOT) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(source: str, package: str) -> Iterator[str]:
    """Every module that a source imports, at its top or inside a function, by absolute dotted name.

    What is imported for annotations only (under `if TYPE_CHECKING:`) draws in no code and does not count.
    """
    tree = ast.parse(source)
    for_types = {id(inner) for node in ast.walk(tree) if is_for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    return dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]


def own_imports(path: Path) -> set[str]:
    """The modules of `aethergraph` that a file of it imports; `from . import x` imports `x`, not the package."""
    known = {dotted(other) for other in modules(PACKAGE)} - {"aethergraph", package_of(path)}
    return {
        name
        for name in imports(path.read_text(encoding="utf-8"), package_of(path))
        if name in known and name != dotted(path)
    }


def room(module: str) -> int:
    parts = module.split(".")
    return ROOM_OF.get(parts[1], DOORS) if len(parts) > 1 else DOORS


def upward(source: str, module: str, package: str) -> list[str]:
    names = {name for name in imports(source, package) if name.startswith("aethergraph.")}
    return sorted(name for name in names if room(name) > room(module))


@pytest.mark.parametrize("path", modules(PACKAGE), ids=dotted)
def test_a_module_imports_only_from_its_own_room_and_lower_ones(path: Path) -> None:
    wrong = {name: room(name) for name in own_imports(path) if room(name) > room(dotted(path))}
    assert not wrong, f"{dotted(path)} is in room {room(dotted(path))} and imports from higher rooms: {wrong}"


def test_the_check_sees_an_import_that_goes_up_even_inside_a_function() -> None:
    source = "def f():\n    from ..lifecycle.running import Run\n    from .. import context\n"
    assert upward(source, "aethergraph.record.flow", "aethergraph.record") == [
        "aethergraph.context",
        "aethergraph.lifecycle.running",
        "aethergraph.lifecycle.running.Run",
    ]


def test_the_check_passes_over_imports_for_annotations() -> None:
    source = "if TYPE_CHECKING:\n    from ..lifecycle.running import Run\n"
    assert upward(source, "aethergraph.record.flow", "aethergraph.record") == []


def test_the_check_resolves_imports_from_subpackages() -> None:
    source = "from ..context import NodeContext\nfrom .bus import Bus\n"
    assert set(imports(source, "aethergraph.channels")) == {
        "aethergraph.context",
        "aethergraph.context.NodeContext",
        "aethergraph.channels.bus",
        "aethergraph.channels.bus.Bus",
    }


def test_every_named_room_has_only_modules_that_exist() -> None:
    there = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
    assert not set(ROOM_OF) - there


def test_no_two_modules_import_each_other() -> None:
    graphlib.TopologicalSorter({dotted(path): own_imports(path) for path in modules(PACKAGE)}).prepare()


@pytest.mark.parametrize("path", modules(PACKAGE), ids=dotted)
def test_the_engine_knows_nothing_of_the_notebook(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path.read_text(encoding="utf-8"), package_of(path))}
    assert not roots & NOTEBOOK_ONLY
    if path != PACKAGE / "__init__.py":  # has load_ipython_extension, the one way up
        assert "jupyter_ext" not in roots


def test_no_module_bears_a_name_that_the_package_exports() -> None:
    files = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if not path.name.startswith("_")}
    shadowed = files & set(aethergraph.__all__)
    assert not shadowed, f"`aethergraph.{sorted(shadowed)[0]}` would be the module once that is imported"


def test_every_exported_name_is_there() -> None:
    missing = [name for name in aethergraph.__all__ if not hasattr(aethergraph, name)]
    assert not missing


@pytest.mark.parametrize(
    "then", ["", "from aethergraph import *", "import aethergraph.testing, aethergraph.lifecycle.hub"]
)
def test_importing_the_package_is_light(then: str) -> None:
    code = f"import sys, aethergraph\n{then}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_a_question_is_asked_without_what_only_other_messages_need() -> None:
    code = "import sys, aethergraph.services.channel\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seldom = {"services.attaching", "services.sendable", "services.rich", "services.forms", "views.messages"}
    assert not {f"aethergraph.{name}" for name in seldom} & set(done.stdout.split())


def test_the_names_that_everybody_imports_load_nothing_that_few_runs_use() -> None:
    code = "import sys\nfrom aethergraph import graph_fn, run, tool\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seldom = {"csv", "difflib", "mimetypes", "shlex", "aethergraph.services.artifact", "aethergraph.storage.blobs"}
    assert not seldom & set(done.stdout.split())
