"""Spellings of the first AetherGraph that have nothing behind them here, or not yet. All others are the real things.

Each either does no harm or raises `ServiceUnavailable` at once, where the setting is made, and not in the middle of a
run; `aethergraph.runtime` and `aethergraph.server` export them under their own names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import ServiceUnavailable
from .lifecycle import hub

LATER = {
    "register_llm_client": "llm",
    "set_llm_client": "llm",
    "set_rag_llm_client": "rag",
    "set_rag_index_backend": "rag",
    "register_mcp_client": "mcp",
    "register_skill": "skills",
    "register_skill_inline": "skills",
    "register_skill_file": "skills",
    "register_skills_from_path": "skills",
}
"""By name of the function: the service that it would set up."""


def unavailable(function: str) -> Callable[..., Any]:
    """A function that says which service is not there, and what to do instead."""
    service = LATER[function]

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ServiceUnavailable(
            service,
            f"this version of aethergraph has no such service, so {function}() has nothing to set up; "
            f"register_context_service({service!r}, client) lets nodes reach a client of your own as "
            f"context.{service}()",
        )

    refuse.__name__ = refuse.__qualname__ = function
    refuse.__doc__ = f"Sets up `context.{service}()`, which this version does not have: raises ServiceUnavailable."
    return refuse


def list_mcp_clients() -> list[str]:
    """The names of MCP clients: none, in this version."""
    return []


def start_server(workspace: str | Path | None = None, **options: Any) -> str:
    """No server is needed: runs live in this process. Gives the place of the store, as a URL.

    Args:
        workspace: the folder of the store, where nothing has used a store yet.
        options: host, port and the like, which have no meaning here.

    Raises:
        ValueError: another store is in use already.
    """
    if workspace is not None:
        folder = Path(workspace).resolve()
        if hub._current is None:
            hub._current = hub.Runtime(folder)
        elif hub._current.store.folder.resolve() != folder:
            raise ValueError(
                f"start_server(workspace={str(workspace)!r}): the store {hub._current.store.folder} is in use already; "
                f"call start_server before anything else, or write `with Runtime({str(workspace)!r}).use():`"
            )
    return hub.current().store.folder.resolve().as_uri()


async def start_server_async(workspace: str | Path | None = None, **options: Any) -> str:
    """`start_server`, to be awaited."""
    return start_server(workspace, **options)


def stop_server() -> None:
    """Nothing was started, so nothing stops; runs go on."""
