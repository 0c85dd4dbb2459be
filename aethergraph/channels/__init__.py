"""Where messages go and where answers come from."""

from .adapter import KINDS, Adapter, Factory, Message, Progress, Recorded
from .bus import Bus, Route
from .console import Console
from .files import TextFile
from .scripted import Asked, ScriptedChannel
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
