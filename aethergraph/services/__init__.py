"""What a run's code reaches through its context."""

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

__all__ = ["Artifact", "Artifacts", "Channel", "Event", "KV", "Memory", "RunClock", "RunLogger", "Service", "Viz"]
