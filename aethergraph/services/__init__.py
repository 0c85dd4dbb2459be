"""What a run's code reaches through its context."""

from .artifact import Artifact
from .artifacts import Artifacts
from .channel import Channel
from .clock import RunClock
from .logger import RunLogger
from .service import Service
from .viz import Viz

__all__ = ["Artifact", "Artifacts", "Channel", "RunClock", "RunLogger", "Service", "Viz"]
