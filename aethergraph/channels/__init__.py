"""Where messages go and where answers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .adapter import KINDS, Adapter, Factory, Message, Progress, Recorded
from .bus import Bus, Route
from .console import Console
from .files import TextFile
from .scripted import Asked, ScriptedChannel

if TYPE_CHECKING:
    from .webhook import Webhook

__all__ = [
    "KINDS",
    "Adapter",
    "Asked",
    "Bus",
    "Console",
    "Factory",
    "Message",
    "Progress",
    "Recorded",
    "Route",
    "ScriptedChannel",
    "TextFile",
    "Webhook",
]


def __getattr__(name: str) -> Any:
    """What speaks HTTP is slow to load, and seldom needed."""
    if name != "Webhook":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .webhook import Webhook

    return Webhook
