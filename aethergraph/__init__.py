"""AetherGraph for Jupyter: agents as live graphs that survive the kernel.

from aethergraph import graph_fn, tool

@tool(outputs=["y"])
def double(x: int):
    return {"y": 2 * x}

@graph_fn
async def agent(x: int = 3, *, context):
    out = await double(x)
    name = await context.channel().ask_text("What shall I call it?")
    return {"name": name, "y": out.y}

await agent(5)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "AetherGraphError": "errors",
    "Artifact": "services.artifact",
    "Button": "services.sendable",
    "FileRef": "record.uploads",
    "DualStageTool": "authoring.staging",
    "NodeContext": "context",
    "NodeStatus": "record.status",
    "Outputs": "values.outputs",
    "RetryPolicy": "scheduler.retries",
    "Run": "lifecycle.running",
    "RunInfo": "storage.roster",
    "RunStatus": "record.status",
    "Runtime": "lifecycle.hub",
    "TaskGraph": "graphs.graph",
    "Service": "services.service",
    "WaitInfo": "lifecycle.inbox",
    "WaitSpec": "authoring.staging",
    "answer": "runner",
    "branch": "authoring.building",
    "gc": "runner",
    "graph_fn": "authoring.reactive",
    "graphify": "authoring.static",
    "load_run": "runner",
    "open_session": "runtime",
    "plot_runs": "runner",
    "resume": "runner",
    "run": "runner",
    "run_async": "runner",
    "runs": "runner",
    "signal": "runner",
    "start": "runner",
    "tool": "authoring.tooling",
    "waits": "runner",
}
__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension", *_HOME]

if TYPE_CHECKING:
    from .authoring.building import branch as branch
    from .authoring.reactive import graph_fn as graph_fn
    from .authoring.staging import DualStageTool as DualStageTool
    from .authoring.staging import WaitSpec as WaitSpec
    from .authoring.static import graphify as graphify
    from .authoring.tooling import tool as tool
    from .context import NodeContext as NodeContext
    from .errors import AetherGraphError as AetherGraphError
    from .graphs.graph import TaskGraph as TaskGraph
    from .lifecycle.hub import Runtime as Runtime
    from .lifecycle.inbox import WaitInfo as WaitInfo
    from .lifecycle.running import Run as Run
    from .record.status import NodeStatus as NodeStatus
    from .record.status import RunStatus as RunStatus
    from .record.uploads import FileRef as FileRef
    from .runner import answer as answer
    from .runner import gc as gc
    from .runner import load_run as load_run
    from .runner import plot_runs as plot_runs
    from .runner import resume as resume
    from .runner import run as run
    from .runner import run_async as run_async
    from .runner import runs as runs
    from .runner import signal as signal
    from .runner import start as start
    from .runner import waits as waits
    from .runtime import open_session as open_session
    from .scheduler.retries import RetryPolicy as RetryPolicy
    from .services.artifact import Artifact as Artifact
    from .services.sendable import Button as Button
    from .services.service import Service as Service
    from .storage.roster import RunInfo as RunInfo
    from .values.outputs import Outputs as Outputs


def __getattr__(name: str) -> Any:
    """Names are imported when first used: `import aethergraph` alone costs next to nothing."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'aethergraph' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"aethergraph.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext aethergraph`."""
    importlib.import_module("jupyter_ext").load_ipython_extension(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext aethergraph`."""
    importlib.import_module("jupyter_ext").unload_ipython_extension(ipython)
