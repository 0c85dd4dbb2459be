"""`%aether import`: the parts of a module as cells.

A kernel can ask for one new cell below the one that runs, and no front end takes more than one such wish of a cell. So
the cells go into a notebook beside the module; `--here` puts all of it into one cell below.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.display import FileLink, display

from aethergraph.code import parting

from . import words

USAGE = "write `%aether import module.py [-o notebook.ipynb] [--here]`"


def import_module(shell: Any, rest: str) -> None:
    """Make a notebook of a module: `module.py [-o notebook.ipynb]`; `--here` puts it into one cell below."""
    module, output, here = _options(words.split(rest))
    found = _parts(module)
    if here:
        if output is not None:
            raise UsageError(f"--here makes no notebook, so -o {output} has nothing to name; {USAGE}")
        shell.set_next_input(_one_cell(found))
        return
    target = output if output is not None else module.with_suffix(".ipynb")
    if target.exists():
        raise UsageError(f"{target} is there already and is left as it is; say where to with -o, or use --here")
    try:
        target.write_text(json.dumps(notebook_of(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None
    cells = sum(1 for part in found if part.kind != parting.ABOUT)
    print(f"{cells} cells of {module.name} in {target}: open it and run them from the top")
    display(FileLink(str(target)))  # type: ignore[no-untyped-call]


def notebook_of(found: list[parting.Part]) -> dict[str, Any]:
    """The notebook with these parts (format 4.5), after a cell that loads the extension."""
    cells = [_cell("markdown", part.text) for part in found if part.kind == parting.ABOUT]
    cells.append(_cell("code", "%load_ext aethergraph"))
    cells += [_cell("code", part.text) for part in found if part.kind != parting.ABOUT]
    if agents := parting.agents(found):
        cells.append(
            _cell("markdown", f"Run it with `await run_async({agents[-1]}, ...)`, or `start({agents[-1]}, ...)`.")
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, text: str) -> dict[str, Any]:
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    lines = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": secrets.token_hex(4), "metadata": {}, "source": lines, **more}


def _one_cell(found: list[parting.Part]) -> str:
    return "\n\n".join(part.text for part in found if part.kind != parting.ABOUT)


def _options(parts: list[str]) -> tuple[Path, Path | None, bool]:
    """The module, where its notebook goes, and whether it goes into a cell instead."""
    here = "--here" in parts
    rest = [part for part in parts if part != "--here"]
    output = None
    if "-o" in rest:
        at = rest.index("-o")
        if at + 1 == len(rest):
            raise UsageError(f"-o needs the name of a notebook; {USAGE}")
        output = Path(rest[at + 1]).expanduser()
        del rest[at : at + 2]
    for part in rest:
        words.no_option(part, "import")
    if len(rest) != 1:
        raise UsageError(USAGE)
    module = Path(rest[0]).expanduser()
    if module.suffix == ".ipynb":
        raise UsageError(f"{module} is a notebook already: open it; {USAGE}")
    if module.suffix != ".py" and module.with_suffix(".py").is_file():
        raise UsageError(f"{module} is no file: write `%aether import {module.with_suffix('.py')}`")
    if output is not None and output.suffix != ".ipynb":
        raise UsageError(f"-o names a notebook, whose name ends with .ipynb, got {output}; {USAGE}")
    return module, output, here


def _parts(module: Path) -> list[parting.Part]:
    try:
        return parting.parts(module.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{module} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{module} is no text in UTF-8") from None
    except SyntaxError as error:
        raise UsageError(f"{module} is no Python: {error.msg}, line {error.lineno}") from None
