"""Where messages go and where answers come from."""

from .adapter import Adapter, Message, Progress, Recorded
from .bus import Bus, Route
from .console import Console
from .scripted import Asked, ScriptedChannel

__all__ = ["Adapter", "Asked", "Bus", "Console", "Message", "Progress", "Recorded", "Route", "ScriptedChannel"]
