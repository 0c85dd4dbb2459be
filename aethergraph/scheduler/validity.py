"""Whether a recorded result may be reused: the code and files it was made with, and what ran again before it."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..perobject import PerObject
from ..record import facts as f
from ..record.flow import Node, is_younger
from ..record.status import NodeStatus
from ..storage import contents
from .calls import CallHandle

if TYPE_CHECKING:
    from .execution import Execution

_stable = msgspec.msgpack.Encoder(order="deterministic").encode
_NONE: frozenset[int] = frozenset()
_TOLD = (NodeStatus.DONE, NodeStatus.FAILED, NodeStatus.READY)  # of others it is told otherwise that they are over


class Validity:
    """The pins of one run, and which of its nodes ran again after an edit."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._pin = PerObject(lambda target: cast(bytes, target.validity()))  # code, taken once per callee and run
        self._pinned: tuple[Any, bytes] = None, b""  # the callee that was asked for last: fans and chains have but one
        self._covers: dict[int, frozenset[int]] = {}  # nodes that ran again, by what descends from them
        self._past = {node.no for node in run.flow.nodes if node.outcome is not None}  # and has not been called yet
        self._uncalled = {node.no for node in run.flow.nodes}  # were on record, and have not been called yet
        self._inside: dict[int, list[Node]] | None = None

    def of(self, handle: CallHandle) -> bytes:
        """The fingerprint of the callee's code, and of files that the arguments name."""
        known, pin = self._pinned
        if known is not handle.target:
            pin = self._pin(handle.target)
            self._pinned = handle.target, pin
        if handle.flat:
            return pin
        files = contents.files_in((handle.args, handle.kwargs))
        return pin + handle.given + (_stable(files) if files else b"")

    # ------------------------------------------------------------------ what ran again

    def called(self, node: Node) -> None:
        """The call that `node` is the record of has come."""
        self._past.discard(node.no)
        self._uncalled.discard(node.no)
        if node.marks is not None:
            self._run.marking.called(node)

    def reused(self, handle: CallHandle) -> None:
        """`handle` was reused: what it was given still counts for those that follow it."""
        covered = self._covered(handle)
        if covered:
            self._covers[handle.no] = covered
        if handle.target.kind == f.GRAPH:
            inside = [node.no for node in self._nodes_in(handle.no)]
            self._past.difference_update(inside)
            self._uncalled.difference_update(inside)

    def left(self, entered: Container[int]) -> list[int]:
        """Nodes on record that nobody called, in bodies that ran to their ends here (`entered`) or in each other."""
        left: set[int] = set()
        for no in sorted(self._uncalled):  # what is inside a node comes after it
            node = self._run.flow.nodes[no - 1]
            if node.scope in left or (node.scope in entered and node.status in _TOLD):
                left.add(no)
        return sorted(left)

    def ran(self, handle: CallHandle) -> frozenset[int]:
        """`handle` ran just now. The nodes that what follows it could depend on: while some of that is on record."""
        if not self._past or handle.redo:
            return _NONE
        return self._made_anew(handle, handle.inner if handle.target.kind == f.GRAPH else frozenset((handle.no,)))

    def renewed(self, handle: CallHandle, node: Node) -> frozenset[int]:
        """`handle` is reused. Which of what made its result did so after the run had been taken up again.

        That process may have come to its end before what follows ran again, too.
        """
        if not self._past or node.kind == f.WAIT:
            return _NONE
        if node.kind == f.GRAPH and not node.fixed:
            inside = self._nodes_in(node.no)
            return self._made_anew(handle, frozenset(n.no for n in inside if n.opening > 1 and n.kind == f.TOOL))
        return self._made_anew(handle, frozenset((node.no,))) if node.opening > 1 else _NONE

    def _made_anew(self, handle: CallHandle, nodes: frozenset[int]) -> frozenset[int]:
        if nodes:
            self._covers[handle.no] = self._covered(handle) | nodes
        return nodes

    def _covered(self, handle: CallHandle) -> frozenset[int]:
        """The nodes that ran again and whose values, through whatever nodes, `handle` was given."""
        if not self._covers:
            return _NONE
        return _NONE.union(*(self._covers.get(dep, _NONE) for dep in handle.deps))

    def _nodes_in(self, no: int) -> list[Node]:
        """The nodes inside node `no`, however deep, that were on record when this process took the run up."""
        if self._inside is None:
            self._inside = {}
            for node in self._run.flow.nodes:
                self._inside.setdefault(node.scope, []).append(node)
        found = list(self._inside.get(no, ()))
        for node in found:  # which grows meanwhile
            found += self._inside.get(node.no, ())
        return found

    def independent(self, handle: CallHandle, node: Node) -> str:
        """Why a valid record cannot be reused all the same; "" where it can.

        A file that it returned is gone or changed; or it follows, in its lineage, a node that ran again since, and no
        value shows on which way it depends on that.
        """
        outcome = node.outcome
        for path, size, mtime in outcome.files if outcome else ():
            if not contents.file_is(path, size, mtime):
                return f"the file {path} that it returned changed"
        rerun = handle.place.rerun
        target = handle.target
        if not rerun or node.kind != f.TOOL or target.pure or target.cache:
            return ""
        nodes = self._run.flow.nodes
        unexplained = [no for no in rerun - self._covered(handle) if is_younger(nodes[no - 1], node)]
        if not unexplained:
            return ""
        first = nodes[min(unexplained) - 1]
        return f"it follows {first.node_id}, which ran again, and nothing shows that it does not depend on it"
