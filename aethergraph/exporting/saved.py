"""What a run and its module saved, where they gave the uris of it: what counts is what those hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..lifecycle.running import Run
from ..record.uploads import FileRef
from ..services.artifact import OBJECT
from ..storage.codec import Codec
from .comparing import difference


class Saved:
    """What a run saved with `save_object`, by uri.

    An object that came back from the store is pickled into other bytes than the one that it was made of (what was one
    text in it is two), so its uri tells nothing; what it holds does.
    """

    def __init__(self, run: Run, codec: Codec) -> None:
        self._run, self._codec = run, codec

    @cached_property
    def _by_uri(self) -> dict[str, Any]:
        blobs = self._run.runtime.store.blobs
        return {one.uri: self._codec.load(blobs.get(one.sha256)) for one in self._run.artifacts if one.mime == OBJECT}

    def opened(self, value: Any) -> Any:
        """`value` with objects in place of their uris, in whatever dicts, lists and tuples."""
        if isinstance(value, str):
            return self._by_uri.get(value, value)
        if isinstance(value, FileRef):  # of an answer, which is recorded as a dict
            return {"name": value.name, "sha256": value.sha256}
        if isinstance(value, dict) and {"name", "sha256"} <= value.keys():
            return {"name": value["name"], "sha256": value["sha256"]}
        if isinstance(value, dict):
            return {key: self.opened(part) for key, part in value.items()}
        if type(value) in (list, tuple):
            return type(value)(map(self.opened, value))
        return value


@dataclass(slots=True)
class Compared:
    """The values of a run against those of its module."""

    past: Saved
    now: Saved

    def difference(self, before: Any, after: Any) -> str:
        """Where they differ, in words; "" where they do not."""
        found = difference(before, after)
        return found and difference(self.past.opened(before), self.now.opened(after))
