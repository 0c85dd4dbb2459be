"""`@tool(cache=True)`: what a call gave is kept for calls of other runs with the same code and the same arguments.

Kept under the fingerprint of the code, the content of every argument, and size and time of the files that these name.
It is written in the transaction of the fact that the node is done; whoever commits first is kept, and nobody waits for
anybody. What cannot be fingerprinted is an error that names it: an argument left out of the key makes wrong results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ..code import fingerprint
from ..engine import Op
from ..errors import DamagedRecord, NotCacheable, OurBug
from ..perobject import PerObject
from ..record import facts as f
from ..storage import codec as values
from ..storage import contents
from ..storage.store import Transaction
from ..values import mentions
from .calls import CallHandle

if TYPE_CHECKING:
    from ..authoring.tooling import Tool
    from .execution import Execution

PREFIX = "c:"
_stable = msgspec.msgpack.Encoder(order="deterministic").encode


class CacheRow(msgspec.Struct, frozen=True, array_like=True):
    """A result under its key. `value` is a payload; `took` in seconds; `files` as in `NodeDone`."""

    run_id: str
    node_id: str
    callee: str
    t: float
    took: float
    value: bytes
    files: tuple[tuple[str, int, int], ...] = ()


def decode(data: bytes, key: str) -> CacheRow:
    """A row.

    Raises:
        DamagedRecord: it is altered.
    """
    try:
        return msgspec.msgpack.decode(data, type=CacheRow)
    except msgspec.DecodeError as error:
        raise DamagedRecord(f"the cached result {key}", str(error)) from error


class Caching:
    """What the cache does for the calls of one run."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._code = PerObject(_code)  # taken once per tool and run
        self._keys: dict[CallHandle, str] = {}  # of calls that run now, to be kept when they are done

    def serves(self, handle: CallHandle, *, in_place: bool = False) -> bool:
        """Whether `handle` needs no run: it gets a kept result, or cannot be looked up and fails with that.

        Raises:
            NotCacheable: with `in_place`; else the call itself fails with it.
        """
        if handle.redo:  # it was not kept then, and has its place in the order
            return False
        try:
            key = self._key(handle)
        except NotCacheable as error:
            if in_place:
                raise
            handle.pass_on(error)
            return True
        row = None if self._was_asked_to_run(handle) else self._found(key)
        if row is None:
            self._keys[handle] = key
            return False
        self._deliver(handle, row, in_place)
        return True

    def keep(
        self, handle: CallHandle, value: bytes, volatile: str, files: tuple[tuple[str, int, int], ...], took: float
    ) -> Sequence[Op]:
        """What is to be written with the end of `handle`, which gave `value`."""
        key = self._keys.pop(handle, None)
        if key is None or volatile:
            return ()
        row = CacheRow(self._run.run_id, handle.node_id, handle.callee, self._run.clock(), took, value, files)
        data = msgspec.msgpack.encode(row)

        def op(rows: Transaction) -> None:
            if rows.get(key) is None:
                rows.set(key, data)

        return (op,)

    def not_kept(self, handle: CallHandle, why: str) -> None:
        """`handle` gave something that cannot be kept, which is said in its log."""
        note = {"level": "WARNING", "text": f"its result is not kept for other runs: {why}"}
        self._run.fact(f.Noted(handle.no, "log", msgspec.msgpack.encode(note), self._run.clock()))

    def forget(self, handle: CallHandle) -> None:
        """`handle` failed."""
        self._keys.pop(handle, None)

    # ------------------------------------------------------------------ looking up

    def _was_asked_to_run(self, handle: CallHandle) -> bool:
        """Whether a fork named this node, for it to run again."""
        forked, node = self._run.flow.forked, handle.node
        return forked is not None and node is not None and forked.no == node.no and node.outcome is None

    def _found(self, key: str) -> CacheRow | None:
        """A kept result that still holds: files that it names are as they were, and contents are there."""
        store = self._run.runtime.store
        data = store.get(key)
        if data is None:
            return None
        row = decode(data, key)
        if not all(contents.file_is(*file) for file in row.files):
            return None
        return row if all(store.blobs.keep(digest) for digest in mentions.digests(row.value)) else None

    def _deliver(self, handle: CallHandle, row: CacheRow, in_place: bool) -> None:
        run = self._run
        run.dispatch.node_started(handle)
        node = handle.node
        if node is None:
            raise OurBug(f"{handle.node_id} of run {run.run_id} was started and is no node")
        position = run.fact(f.NodeDone(handle.no, True, row.value, run.clock(), files=row.files))
        run.fact(f.Cached(handle.no, row.run_id, row.node_id, row.t, row.took))
        if in_place:
            run.delivery.recorded(handle, node, None, position)
        else:
            run.mailbox.push(position, lambda at: run.delivery.recorded(handle, node, None, at))
        run.journal.nudge()

    # ------------------------------------------------------------------ keys

    def _key(self, handle: CallHandle) -> str:
        """Where the result of `handle` is kept."""
        tool: Tool = handle.target
        bound = tool.signature.bind_partial(*handle.args, **handle.kwargs)
        bound.apply_defaults()
        given = {name: value for name, value in bound.arguments.items() if name != tool.context_name}
        forms, opaque = {}, {}
        for name, value in given.items():
            form = values.canonical(value)
            forms[name] = form.data
            if form.opaque:
                opaque[name] = type(value).__qualname__
        if opaque:
            raise NotCacheable(tool.name, "argument", opaque)
        files = contents.files_in(list(given.values()))
        parts = [self._code(tool), tool.version, list(tool.outputs or ()), forms, files]
        return PREFIX + hashlib.blake2b(_stable(parts), digest_size=20).hexdigest()


def _code(tool: Tool) -> bytes:
    taken = fingerprint.code(tool.fn)
    if taken.unchecked:
        raise NotCacheable(tool.name, "global", dict.fromkeys(taken.unchecked, ""))
    return taken.digest
