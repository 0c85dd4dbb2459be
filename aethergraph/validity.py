"""Whether a recorded result may be reused: the code and files it was made with, and what ran again before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from . import contents
from . import facts as f
from .calls import CallHandle
from .flow import Node

if TYPE_CHECKING:
    from .execution import Execution

_stable = msgspec.msgpack.Encoder(order="deterministic").encode
_NONE: frozenset[int] = frozenset()


class Validity:
    """The pins of one run, and which of its nodes ran again after an edit."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._pins: dict[int, bytes] = {}  # code fingerprints, taken once per callee and run
        self._covers: dict[int, frozenset[int]] = {}  # nodes that ran again, by what descends from them

    def of(self, handle: CallHandle) -> bytes:
        """The fingerprint of the callee's code, and of files that the arguments name."""
        target = handle.target
        pin = self._pins.get(id(target))
        if pin is None:
            pin = self._pins[id(target)] = target.validity()
        if handle.flat:
            return pin
        files = contents.files_in((handle.args, handle.kwargs))
        return pin + handle.given + (_stable(files) if files else b"")

    def covered(self, handle: CallHandle) -> frozenset[int]:
        """The nodes that ran again and whose values, through whatever nodes, `handle` was given."""
        if not self._covers:
            return _NONE
        return _NONE.union(*(self._covers.get(dep, _NONE) for dep in handle.deps))

    def reused(self, handle: CallHandle) -> None:
        """`handle` was reused: what it was given still counts for those that follow it."""
        covered = self.covered(handle)
        if covered:
            self._covers[handle.no] = covered

    def ran(self, handle: CallHandle) -> None:
        """`handle` ran although the run has a past."""
        self._covers[handle.no] = self.covered(handle) | {handle.no}

    def independent(self, handle: CallHandle, node: Node) -> str:
        """Why a valid record cannot be reused all the same; "" where it can.

        A file that it returned is gone or changed; or it follows, in its lineage, a node that ran again, and no value
        shows on which way it depends on that.
        """
        outcome = node.outcome
        for path, size, mtime in outcome.files if outcome else ():
            if not contents.file_is(path, size, mtime):
                return f"the file {path} that it returned changed"
        rerun = handle.place.rerun
        target = handle.target
        if not rerun or node.kind != f.TOOL or target.pure:
            return ""
        unexplained = rerun - self.covered(handle)
        if not unexplained:
            return ""
        first = self._run.flow.nodes[min(unexplained) - 1]
        return f"it follows {first.node_id}, which ran again, and nothing shows that it does not depend on it"
