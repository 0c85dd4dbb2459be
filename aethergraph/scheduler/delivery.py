"""How a node ends: one fact and one push to the mailbox in the same step, so that mailbox order is journal order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..engine import Op
from ..errors import NoOneToAsk
from ..record import facts as f
from ..record.failures import advise, describe, mark
from ..record.flow import Node
from ..storage import codec as values
from ..storage import waiting
from ..values.outputs import Outputs
from .calls import CallHandle
from .dispatch import outcome_of, preview

if TYPE_CHECKING:
    from .execution import Execution

_encode = msgspec.msgpack.Encoder().encode
_NONE: frozenset[int] = frozenset()
_NO_HASHES: dict[str, bytes] = {}
_NUMBERS = frozenset({int, float, bool, type(None)})


class Delivery:
    """The ends of the nodes of one run."""

    def __init__(self, run: Execution) -> None:
        self._run = run

    # ------------------------------------------------------------------ live

    def done(
        self,
        handle: CallHandle,
        outputs: dict[str, Any],
        *,
        packed: values.Packed | None = None,
        volatile: str = "",
        started: float = 0.0,
        attempt: int = 1,
        in_place: bool = False,
    ) -> None:
        """`handle` gave its outputs."""
        run, target = self._run, handle.target
        if run.closed or handle.future.done():
            return
        value, hashes = b"", _NO_HASHES
        ops: Sequence[Op] = ()
        files: tuple[tuple[str, int, int], ...] = ()
        is_tool = target.kind == f.TOOL
        if is_tool and not target.store:
            volatile = "its outputs are kept out of the store (store=False)"
        elif packed is None and _all_numbers(outputs):
            value = b"m" + _encode(outputs)
        else:
            packed = packed or run.codec.dump_outputs(outputs, f"node {handle.node_id} of run {run.run_id}")
            value, files, hashes = packed.payload, tuple(packed.files), packed.hashes
            volatile = volatile or packed.volatile
            if run.strict is not None:
                try:
                    outputs = run.strict.outputs(packed, outputs, f"node {handle.node_id} of run {run.run_id}")
                except Exception as error:  # noqa: BLE001 (loading runs the value's own code)
                    self.failed(handle, error, started=started, attempt=attempt, in_place=in_place)
                    return
        cache = is_tool and target.cache
        if cache:
            ops = run.caching.keep(handle, value, volatile, files, run.clock() - started)
        position = self._write(handle, value, None, volatile, files, started, attempt, ops)
        if cache and volatile:
            run.caching.not_kept(handle, volatile)
        if value and packed is None:  # they are numbers
            run.origins.add_plain(outputs, handle.no)
        else:
            for key, output in outputs.items():
                # what could not be stored is known by who made it, so that calls that are given it keep their identity
                digest = hashes.get(key) or hashlib.blake2b(handle.key + key.encode(), digest_size=16).digest()
                run.origins.add(output, handle.no, digest)
        self._hand_over(handle, position, partial(self._result, handle, outputs), in_place)

    def failed(
        self,
        handle: CallHandle,
        error: BaseException,
        *,
        started: float = 0.0,
        attempt: int = 1,
        in_place: bool = False,
    ) -> None:
        """`handle` failed for good."""
        run = self._run
        if run.closed or handle.future.done():
            return
        if isinstance(error, NoOneToAsk):  # recorded as nothing: the question stays open, and is asked again on resume
            handle.future.fail(error)
            return
        mark(error, handle.no or len(run.flow.nodes) + 1, f"in node {handle.node_id} of run {run.run_id}")
        if run.host.own:
            advise(error, run.agent.name)
        failure = describe(error, run.codec.dump)
        run.caching.forget(handle)
        position = self._write(handle, b"", failure, "", (), started, attempt)
        self._hand_over(handle, position, lambda at: self._failure(handle, at, error), in_place)

    def _write(
        self,
        handle: CallHandle,
        value: bytes,
        failure: f.Error | None,
        volatile: str,
        files: tuple[tuple[str, int, int], ...],
        started: float,
        attempt: int,
        ops: Sequence[Op] = (),
    ) -> int:
        run = self._run
        now = run.clock()
        node = handle.node
        if node is not None and (handle.redo or not handle.target.pure or handle.begun):
            return run.fact(
                f.NodeDone(handle.no, failure is None, value, now, failure, volatile, files, attempt, handle.redo), ops
            )
        if node is None:
            handle.no = len(run.flow.nodes) + 1
        return run.fact(
            f.NodeRan(
                no=handle.no,
                key=handle.key,
                scope=handle.place.no,
                path=handle.place.path,
                at=handle.at,
                callee=handle.callee,
                node_id=handle.node_id,
                validity=run.validity.of(handle),
                t=started or now,
                took=now - started if started else 0.0,
                ok=failure is None,
                value=value,
                args=preview(handle),
                deps=handle.deps,
                after=handle.after,
                error=failure,
                volatile=volatile,
                files=files,
                attempt=attempt,
            ),
            ops,
        )

    def _hand_over(self, handle: CallHandle, position: int, deliver: Callable[[int], None], in_place: bool) -> None:
        run = self._run
        if in_place:
            deliver(position)
        elif handle.redo:
            run.mailbox.claim(handle.key, deliver)
            run.mailbox.release(handle.key)
        else:
            run.mailbox.push(position, deliver)

    def _arrive(self, handle: CallHandle, position: int) -> bool:
        run = self._run
        run.advance(position)
        if handle.future.done():
            return False
        handle.place.delivered(handle, run.validity.ran(handle))
        return True

    def _result(self, handle: CallHandle, outputs: dict[str, Any], position: int) -> None:
        if self._arrive(handle, position):
            handle.give(Outputs(outputs))
        else:
            handle.settled()

    def _failure(self, handle: CallHandle, position: int, error: BaseException) -> None:
        if self._arrive(handle, position):
            self._run.failed[handle.no] = handle
            handle.future.fail(error)
        handle.settled()

    # ------------------------------------------------------------------ recorded

    def recorded(self, handle: CallHandle, node: Node, error: BaseException | None, position: int) -> None:
        """Deliver what the journal has."""
        run = self._run
        run.advance(position)
        if handle.future.done():
            return
        handle.place.delivered(handle, run.validity.renewed(handle, node))
        if error is not None:
            run.failed[handle.no] = handle
            handle.future.fail(error)
            return
        value = outcome_of(node).value
        if node.kind == f.WAIT:
            handle.future.set_result(run.codec.load(value))
            return
        outputs = run.codec.load_outputs(value, lambda _, loaded, digest: run.origins.add(loaded, node.no, digest))
        if value[:1] == b"m":
            run.origins.add_plain(outputs, node.no)
        handle.give(outputs)

    # ------------------------------------------------------------------ questions

    def answered(self, handle: CallHandle, value: Any, error: Exception | None, *, through_mailbox: bool) -> None:
        """A question has its answer, or ran out of time."""
        run = self._run
        failure = None
        if error is not None:
            mark(error, handle.no, f"in node {handle.node_id} of run {run.run_id}")
            failure = describe(error, run.codec.dump)
        payload = b"" if failure else run.codec.dump(value)
        if run.strict is not None and failure is None:
            value = run.codec.load(payload)
        done = f.NodeDone(handle.no, failure is None, payload, run.clock(), failure)
        position = run.fact(done, [waiting.taken_op(handle.token)])

        def deliver(at: int) -> None:
            if through_mailbox:
                run.advance(at)
                handle.place.delivered(handle, _NONE)
            if handle.future.done():
                return
            if error is not None:
                handle.future.fail(error)
            else:
                handle.future.set_result(value)

        if through_mailbox:
            run.mailbox.push(position, deliver)
        else:
            deliver(position)
            run.journal.nudge()


def _all_numbers(outputs: dict[str, Any]) -> bool:
    for value in outputs.values():
        kind = type(value)
        if kind not in _NUMBERS or (kind is int and not -(2**63) <= value < 2**63):
            return False
    return True
