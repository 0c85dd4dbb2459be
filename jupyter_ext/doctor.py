"""`%aether doctor`: what this kernel is, and how answers travel from the browser to it."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from aethergraph.lifecycle import hub

from . import lane, notebook, run_view
from .settings import settings
from .table import Cell, Table


def report() -> Table:
    """One row for each thing that a report of a problem should say."""
    kernel = notebook.kernel()
    store = hub.current().store
    rows = {
        "python": f"{platform.python_version()} on {platform.system()}",
        "kernel": _kernel(kernel),
        "front end": "live" if notebook.live() else "nobody to ask (nbclient, papermill, or AETHERGRAPH_INTERACTIVE=0)",
        "express lane": lane.state(),
        "browser heard on": run_view.heard(),
        "answers while a cell blocks": "arrive" if notebook.can_hear_while_blocked() else "are asked by stdin",
        "loop of runs": _loops(),
        "session": notebook.session() or "none",
        "store": f"{store.folder} ({size(store.folder)})",
        "settings": str(settings).replace("\n", "; "),
    }
    return Table("aethergraph in this kernel", ("what", "is"), [[Cell(k), Cell(v)] for k, v in rows.items()])


def taken(folder: Path) -> int:
    """Bytes of everything in `folder`."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # a temporary file went away meanwhile
    return total


def size(folder: Path) -> str:
    """Everything in `folder`, as `1.4 MB`."""
    total = float(taken(folder))
    for unit in ("B", "kB", "MB"):
        if total < 1000:
            return f"{total:.3g} {unit}"
        total /= 1000
    return f"{total:.3g} GB"


def _loops() -> str:
    """Where runs run."""
    live = [(run.run_id, run.execution) for run in list(hub.current().live.values())]
    guests = [run_id for run_id, execution in live if execution is not None and not execution.host.own]
    own = 'a thread of its own, aether-loop; start(..., loop="kernel") runs on the kernel\'s loop'
    return f"{own}, as {', '.join(sorted(guests))} now" if guests else own


def _kernel(kernel: Any) -> str:
    from importlib.metadata import version

    if kernel is None:
        return f"none (IPython {version('ipython')})"
    return f"ipykernel {version('ipykernel')}, IPython {version('ipython')}"
