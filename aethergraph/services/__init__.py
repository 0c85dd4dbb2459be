"""What a run's code reaches through its context."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .artifact import Artifact
    from .artifacts import Artifacts
    from .channel import Channel
    from .clock import RunClock
    from .event import Event
    from .kv import KV
    from .logger import RunLogger
    from .memory import Memory
    from .service import Service
    from .viz import Viz

_HOME = {
    "Artifact": "artifact", "Artifacts": "artifacts", "Channel": "channel", "Event": "event", "KV": "kv",
    "Memory": "memory", "RunClock": "clock", "RunLogger": "logger", "Service": "service", "Viz": "viz",
}  # fmt: skip

__all__ = ["Artifact", "Artifacts", "Channel", "Event", "KV", "Memory", "RunClock", "RunLogger", "Service", "Viz"]


def __getattr__(name: str) -> Any:
    """Loaded when first used: no agent uses all services, and every module of this package passes here."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
