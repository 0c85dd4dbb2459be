"""`aether export`: an agent of a notebook file, or of a run, as a module; and the proof that it does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import exporting
from ..lifecycle import hub
from ..lifecycle.running import Run
from ..record.status import RunStatus
from .codes import Exit, Wrong
from .document import AsJson, show_json


def export(
    source: Annotated[str, typer.Argument(metavar="NOTEBOOK.ipynb|RUN", help="A notebook, or a run of the agent.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of the agent in the notebook.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="MODULE.PY", help="Where to; NAME.py if left out.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Run the module as a run ran, in a new process, and compare.")
    ] = False,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run to compare with; the last one that is done if left out.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write an agent as a module: imports, tools and one graph. A notebook is read, and nothing of it is executed."""
    if run is not None and not verify:
        raise Wrong("--run says which run to compare with: write --verify, too")
    if Path(source).suffix == ".ipynb":
        if name is None:
            raise Wrong(f"say which agent: aether export {source} NAME")
        path = exporting.export_notebook(_there(source), name, output)
        compared = hub.current().load(run) if run is not None else _last(name) if verify else None
    else:
        if name is not None:
            raise Wrong(f"{source} is no notebook; a run names its agent itself: aether export {source}")
        compared = hub.current().load(run if run is not None else source)
        name = hub.current().load(source).name
        path = exporting.export_run(hub.current().load(source), output or Path(f"{name}.py"))
    if not as_json:
        print(path)
    proof = exporting.verify(path, name, compared) if verify and compared is not None else None
    if as_json:
        show_json({"module": str(path), "name": name, "proof": _told(proof) if proof is not None else None})
    elif proof is not None:
        print(proof)
    return Exit.DONE if proof is None or proof.equal else Exit.FAILED


def _told(proof: exporting.Proof) -> dict[str, Any]:
    rows = [{"run": row.run, "module": row.module, "differs": row.differs} for row in proof.rows]
    return {"run_id": proof.run_id, "equal": proof.equal, "rows": rows}


def _there(notebook: str) -> Path:
    path = Path(notebook).expanduser()
    if not path.is_file():
        raise Wrong(f"there is no file {path}")
    return path


def _last(name: str) -> Run:
    found = hub.current().runs(RunStatus.DONE, name, 1)
    if not found:
        raise Wrong(f"no run of {name} in {hub.current().store.folder} is done: run it once, or name one with --run")
    return hub.current().load(found[0].run_id)


COMMANDS = (export,)
