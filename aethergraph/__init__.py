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
    "DualStageTool": "staging",
    "NodeContext": "context",
    "NodeStatus": "status",
    "Outputs": "outputs",
    "RetryPolicy": "retries",
    "Run": "running",
    "RunInfo": "roster",
    "RunStatus": "status",
    "Runtime": "hub",
    "TaskGraph": "graph",
    "Service": "services.service",
    "WaitInfo": "inbox",
    "WaitSpec": "staging",
    "answer": "runner",
    "branch": "building",
    "gc": "runner",
    "graph_fn": "reactive",
    "graphify": "static",
    "load_run": "runner",
    "resume": "runner",
    "run": "runner",
    "run_async": "runner",
    "runs": "runner",
    "signal": "runner",
    "start": "runner",
    "tool": "tooling",
    "waits": "runner",
}
__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension", *_HOME]

if TYPE_CHECKING:
    from .building import branch as branch
    from .context import NodeContext as NodeContext
    from .errors import AetherGraphError as AetherGraphError
    from .graph import TaskGraph as TaskGraph
    from .hub import Runtime as Runtime
    from .inbox import WaitInfo as WaitInfo
    from .outputs import Outputs as Outputs
    from .reactive import graph_fn as graph_fn
    from .retries import RetryPolicy as RetryPolicy
    from .roster import RunInfo as RunInfo
    from .runner import answer as answer
    from .runner import gc as gc
    from .runner import load_run as load_run
    from .runner import resume as resume
    from .runner import run as run
    from .runner import run_async as run_async
    from .runner import runs as runs
    from .runner import signal as signal
    from .runner import start as start
    from .runner import waits as waits
    from .running import Run as Run
    from .services.artifact import Artifact as Artifact
    from .services.service import Service as Service
    from .staging import DualStageTool as DualStageTool
    from .staging import WaitSpec as WaitSpec
    from .static import graphify as graphify
    from .status import NodeStatus as NodeStatus
    from .status import RunStatus as RunStatus
    from .tooling import tool as tool


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
