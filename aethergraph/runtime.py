"""Registering what runs use: channels and services of your own. They belong to the current runtime of the process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .channels.adapter import Adapter, Factory
from .compat import list_mcp_clients, unavailable
from .lifecycle import hub
from .lifecycle.sessions import Session

__all__ = [
    "current_services",
    "get_default_channel",
    "get_ext_context_service",
    "list_ext_context_services",
    "list_mcp_clients",
    "open_session",
    "register_channel_adapter",
    "register_context_service",
    "register_llm_client",
    "register_mcp_client",
    "register_skill",
    "register_skill_file",
    "register_skill_inline",
    "register_skills_from_path",
    "set_channel_alias",
    "set_default_channel",
    "set_llm_client",
    "set_rag_index_backend",
    "set_rag_llm_client",
]

register_llm_client, set_llm_client = unavailable("register_llm_client"), unavailable("set_llm_client")
set_rag_llm_client, set_rag_index_backend = unavailable("set_rag_llm_client"), unavailable("set_rag_index_backend")
register_mcp_client, register_skill = unavailable("register_mcp_client"), unavailable("register_skill")
register_skill_inline, register_skill_file = unavailable("register_skill_inline"), unavailable("register_skill_file")
register_skills_from_path = unavailable("register_skills_from_path")


def set_default_channel(key: str) -> None:
    """Ask and tell on the channel `key` where none is named; "" finds one out each time."""
    hub.current().bus.set_default_channel(key)


def get_default_channel() -> str:
    """The channel that is used where none is named, or "" where that is found out each time."""
    return hub.current().bus.default


def set_channel_alias(alias: str, channel_key: str) -> None:
    """Let `alias` stand for a channel, or for another alias: what is secret in a key stays out of code and records.

    Raises:
        ValueError: it would stand for itself.
    """
    hub.current().bus.set_alias(alias, channel_key)


def register_channel_adapter(prefix: str, factory: Factory | Adapter) -> None:
    """Let channel keys `prefix` and `prefix:...` lead to what `factory` makes, or to one adapter for all of them.

    factory: called with what stands behind the colon ("" where there is none), once for each key. A class of adapters
        is one: `register_channel_adapter("chat", Chat)` makes `Chat("example.org:7000")` of "chat:example.org:7000".

    Raises:
        ValueError: the prefix is empty or has a colon.
        TypeError: this is neither a factory nor an adapter.
    """
    bus = hub.current().bus
    if callable(factory):
        bus.register_factory(prefix, factory)
    elif hasattr(factory, "send"):
        bus.register(prefix, factory)
    else:
        raise TypeError(
            f"register_channel_adapter({prefix!r}, ...) takes a class or function that makes an adapter of an address, "
            f"or an adapter (capabilities, ask, send), not {type(factory).__name__}"
        )


def register_context_service(name: str, service: Any) -> None:
    """Let nodes reach `service` as `context.NAME()`; one of that name that was there goes. See `Runtime.register`.

    Raises:
        ValueError: a context has something else of that name, or it is no name.
    """
    hub.current().register_service(name, service)


def get_ext_context_service(name: str) -> Any:
    """The service that is registered under `name`, or None."""
    return hub.current().services.get(name)


def list_ext_context_services() -> list[str]:
    """The names of all registered services."""
    return sorted(hub.current().services)


def current_services() -> dict[str, Any]:
    """All registered services by name."""
    return dict(hub.current().services)


def open_session(session_id: str | None = None, *, tags: str | Iterable[str] = ()) -> Session:
    """`async with open_session() as context:` a context outside any graph, with all services.

    What is done through it is recorded in a run of its own kind, which `runs()` and `%aether` list as "session", and
    is on disk when the `await` returns. It ends with its block and cannot be resumed: what has to survive a kill, or
    is not to be done twice, belongs into an agent.

    Args:
        session_id: what it belongs to: sessions and runs of one id share what they remember. The path of the notebook
            where left out, as for runs.
        tags: by which `runs(tags=...)` finds it.

    Raises:
        TypeError: in an agent or tool, which have a context of their own.
    """
    if session_id is not None and not isinstance(session_id, str):
        raise TypeError(f"session_id is a text, got {type(session_id).__name__}: {session_id!r:.80}")
    return Session(hub.current(), session_id, [tags] if isinstance(tags, str) else list(tags))
