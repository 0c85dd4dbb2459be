"""For tests of agents: scripted answers, a clock of one's own, a replay that compares, a store that dies."""

from __future__ import annotations

from ..channels.scripted import Asked, ScriptedChannel
from .fake_clock import FakeClock
from .fragile import Fragile, PowerCut
from .replaying import replay, settle

__all__ = ["Asked", "FakeClock", "Fragile", "PowerCut", "ScriptedChannel", "replay", "settle"]
