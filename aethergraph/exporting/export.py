"""Exporting an agent that is defined here, that a run was started with, or that a notebook file defines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..code import definitions, gathering
from ..errors import ExportError
from ..hooks import session
from ..lifecycle import resuming
from ..lifecycle.running import Run
from . import notebook
from .module import module, refuse_others


def export(agent: Any, path: str | os.PathLike[str] | None = None, *, run: Run | None = None) -> Path:
    """Write the module of an agent; where `path` is left out, beside the notebook, under the agent's name.

    Args:
        run: the run that the module says it comes from.

    Raises:
        ExportError: it cannot be written without changing what it does; names the line. Nothing is written.
    """
    refuse_others(agent)
    name = gathering.name_of(agent)
    origin = session()
    to = Path(path) if path is not None else Path(f"{name}.py")
    return _write(to, module(agent, to, origin=os.path.basename(origin), run_id=run.run_id if run is not None else ""))


def export_run(run: Run, path: str | os.PathLike[str]) -> Path:
    """Write the module of the agent that a run was started with, as it was then.

    Raises:
        ExportError: it cannot be written without changing what it does, or the run has no stored source.
    """
    started = run.flow().started
    if started is None or not started.definition:
        raise ExportError(f"no source is stored with run {run.run_id}")
    live = resuming.find(started.name, started.home)
    origin = os.path.basename(started.session)
    if live is not None and gathering.gather(live).digest == started.definition:
        return _write(Path(path), module(live, Path(path), origin=origin, run_id=run.run_id))
    runtime = run.runtime
    stored = definitions.load_definition(runtime.store, runtime.keyring, started.definition)
    with resuming.apart():
        names = definitions.materialise(stored, f"aethergraph_export_{stored.digest[:12]}", {})
        text = module(names[stored.name], Path(path), origin=origin, run_id=run.run_id)
    return _write(Path(path), text)


def export_notebook(path: str | os.PathLike[str], name: str, to: str | os.PathLike[str] | None = None) -> Path:
    """Write the module of the agent `name` of a notebook file; no kernel is started, and no cell's work is done.

    Args:
        path: the notebook.
        to: where to write; beside the notebook, under the agent's name, where left out.

    Raises:
        ExportError: it cannot be written without changing what it does, or uses what a cell computes.
    """
    where = Path(path)
    target = Path(to) if to is not None else where.with_name(f"{name}.py")
    with notebook.defined(where, name) as agent:
        refuse_others(agent)
        notebook.refuse_computed(where, name, gathering.unbound(agent))
        text = module(agent, target, origin=where.name)
    return _write(target, text)


def _write(path: Path, text: str) -> Path:
    """Write a module whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)
    return path
