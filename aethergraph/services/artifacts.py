"""`context.artifacts()`: what a run saves, and how it gets it back."""

from __future__ import annotations

from .artifact import Artifact, find
from .loading import Loading
from .saving_objects import SavingObjects

__all__ = ["Artifact", "Artifacts", "find"]


class Artifacts(SavingObjects, Loading):
    """Everything that runs of this store saved.

    A save is an effect: done once, and given again on replay. Contents are named by their sha256 and stored once.
    """

    def __repr__(self) -> str:
        return "<artifacts>"
