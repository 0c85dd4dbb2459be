"""`aether nb`: a notebook executed from top to bottom, without a person, with answers that were written down."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..channels import scripted
from .codes import Exit, Wrong
from .document import AsJson, show_json
from .output import complain, say


def nb(
    notebook: Annotated[Path, typer.Argument(metavar="NOTEBOOK.ipynb")],
    answers: Annotated[
        str | None, typer.Option(metavar="FILE", help="Answers by name or prompt: JSON, or a file of it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; NOTEBOOK.executed.ipynb if left out.")
    ] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Seconds that one cell may take.")] = None,
    kernel: Annotated[str, typer.Option(help="The kernel; that of the notebook if left out.")] = "",
    as_json: AsJson = False,
) -> int:
    """Execute a notebook from top to bottom and write it with its outputs. A cell that fails ends it with 1."""
    book, client, environment = _client(notebook, answers, timeout_s, kernel)
    target = output or notebook.with_name(f"{notebook.stem}.executed.ipynb")
    failed = _execute(client, environment)
    _save(book, target)
    if as_json:
        show_json({"notebook": str(target), "error": failed or ""})
    else:
        print(target)
    if failed is None:
        return Exit.DONE
    complain(failed)
    return Exit.FAILED


def _client(
    notebook: Path, answers: str | None, timeout_s: float | None, kernel: str
) -> tuple[Any, Any, dict[str, str]]:
    """The notebook, what executes it, and the environment of its kernel, which is not that of this process."""
    environment = dict(os.environ)
    try:
        nbformat: Any = importlib.import_module("nbformat")
        client_of: Any = importlib.import_module("nbclient").NotebookClient
    except ImportError:
        raise Wrong("`aether nb` needs nbclient: pip install 'aethergraph-jupyter[notebooks]'") from None
    if answers is not None:
        try:
            scripted.from_environment(answers, "--answers")
        except ValueError as error:
            raise Wrong(str(error)) from None
        is_file = answers.lstrip()[:1] not in ("{", "[")
        environment[scripted.VARIABLE] = str(Path(answers).expanduser().absolute()) if is_file else answers
    try:
        book = nbformat.read(notebook, as_version=4)
    except OSError as error:
        raise Wrong(f"{notebook} cannot be read: {error.strerror or error}") from None
    except (ValueError, nbformat.ValidationError) as error:
        raise Wrong(f"{notebook} is no notebook: {error}") from None
    environment.setdefault("JPY_SESSION_NAME", str(notebook.absolute()))
    where = {"metadata": {"path": str(notebook.absolute().parent)}}
    how = {"kernel_name": kernel} if kernel else {}
    return book, client_of(book, timeout=timeout_s, resources=where, **how), environment


def _execute(client: Any, environment: dict[str, str]) -> str | None:
    """Why it did not come to its end; None where it did."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    places = [place for place, cell in enumerate(client.nb.cells) if cell.cell_type == "code"]
    cells = [client.nb.cells[place] for place in places]

    def starts(cell: Any, cell_index: int) -> None:
        if cell_index in places:  # cells of text are told of, too
            say(f"cell {places.index(cell_index) + 1} of {len(places)}")

    client.on_cell_start = starts
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        done = sum(1 for cell in cells if cell.get("execution_count"))
        return f"cell {done} failed: {error.ename}: {error.evalue}"
    except NoSuchKernel as error:
        raise Wrong(f"there is no kernel {error.name!r}: `jupyter kernelspec list` shows which there are") from None
    except CellTimeoutError as error:
        return str(error)
    except DeadKernelError as error:
        return f"the kernel died: {error}; `aether runs` shows what can be gone on with"
    return None


def _save(book: Any, target: Path) -> None:
    try:
        importlib.import_module("nbformat").write(book, target)
    except OSError as error:
        raise Wrong(f"{target} cannot be written: {error.strerror or error}") from None


COMMANDS = (nb,)
