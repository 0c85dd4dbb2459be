"""What a call in a body says of itself: `_id=`, `_alias=`, `_labels=`, `_name=`, `_after=`, `_condition=`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..ids import Key
from ..record import facts as f
from ..values.outputs import Outputs
from ..values.shapes import RESULT
from .calls import CallHandle, resolve, unresolved
from .marking import Marks, labels_of, text_of

if TYPE_CHECKING:
    from .execution import Execution

CONTROL = ("_id", "_alias", "_labels", "_name", "_after", "_condition", "_same")
_BOOLS = ("bool", "bool_")  # the second is numpy's


def split(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The control words of a call, and its own keywords."""
    options = {name: value for name, value in kwargs.items() if name in CONTROL}
    return options, {name: value for name, value in kwargs.items() if name not in CONTROL}


class Control:
    """The names, labels and conditions that the bodies of one run gave to their calls.

    Nothing here is read from the record, which has ids, marks and what was skipped: a body that is replayed says it
    again.
    """

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._ids: dict[Key, set[str]] = {}  # by scope
        self._marks: dict[Key, dict[str, dict[CallHandle, None]]] = {}  # by scope: `@alias`, `#label` -> open calls
        self._conditions: dict[CallHandle, Any] = {}  # that need what other calls give

    def read(self, handle: CallHandle, options: dict[str, Any]) -> list[CallHandle]:
        """Check and keep what a call says of itself; the calls that it has to wait for.

        Raises:
            TypeError, ValueError: a word has a wrong value, or an id or alias is taken.
        """
        marks = self._read_marks(handle, options)
        waits_for = self._upstream(handle, options.get("_after"))
        if "_condition" in options:
            needs = unresolved(options["_condition"])
            if needs:
                self._conditions[handle] = options["_condition"]
                waits_for += needs
        text_of(options, "_name")
        self._id(handle, text_of(options, "_id"))
        for mark in marks:
            handles = self._marks.setdefault(handle.place.scope, {}).setdefault(mark, {})
            handles[handle] = None
            handle.future.add_done_callback(partial(_ended, handles, handle))
        return waits_for

    def _read_marks(self, handle: CallHandle, options: dict[str, Any]) -> list[str]:
        marks, alias = [], text_of(options, "_alias")
        if alias:
            marks.append(f"@{alias}")
            if marks[0] in self._marks.get(handle.place.scope, {}):
                raise ValueError(f"_alias={alias!r} was used twice in this body; an alias names one call")
        return [*marks, *(f"#{label}" for label in labels_of(options))]

    def _id(self, handle: CallHandle, given: str) -> None:
        taken = self._ids.setdefault(handle.place.scope, set())
        if given in taken:
            raise ValueError(f"_id={given!r} was used twice in this body; an _id names one call")
        if given:
            taken.add(given)

    def _upstream(self, handle: CallHandle, after: Any) -> list[CallHandle]:
        """The calls that `_after=` names: calls, their outputs, ids, `@alias`, `#label`, or a list of these."""
        if after is None or isinstance(after, Outputs):  # outputs that are there: what gave them is done
            return []
        if isinstance(after, (list, tuple)):
            return [other for one in after for other in self._upstream(handle, one)]
        if not isinstance(after, str):
            if found := unresolved(after):
                return found
            raise TypeError(f"_after= takes a call, an id, or a list of them, got {type(after).__name__}")
        marked = self._marks.get(handle.place.scope, {}).get(after)
        if marked is not None:
            return list(marked)
        return self._run.dispatch.open_calls(after)

    # ------------------------------------------------------------------ conditions

    def is_skipped(self, handle: CallHandle, options: dict[str, Any]) -> bool:
        """Whether its condition, as far as it is known at the call, does not hold."""
        if "_condition" not in options or handle in self._conditions:
            return False
        return not _holds(options["_condition"])

    def was_skipped(self, handle: CallHandle) -> bool:
        """What its condition needs is there: whether it was skipped for it."""
        if handle not in self._conditions:
            return False
        try:
            if _holds(resolve(self._conditions.pop(handle))):
                return False
        except Exception as error:  # noqa: BLE001 (there is no such output, or it is no bool: it goes to who awaits)
            handle.future.fail(error)
            return True
        self.skip(handle, self._run.marking.of(handle.key))
        return True

    def skip(self, handle: CallHandle, said: Marks, title: str | None = None) -> None:
        """It is not called, which people see, and gives None for each of its outputs."""
        run, place, target = self._run, handle.place, handle.target
        key = place.identity(target.name, b"skipped" + handle.key)
        run.marking.call(key, said)
        if key not in run.flow.by_key:
            run.new(place, lambda: f"skips {handle.callee}")
            run.fact(
                f.NodeSkipped(
                    len(run.flow.nodes) + 1, key, place.no, place.path, run.at, target.name,
                    handle.node_id or run.flow.name(title or target.name), target.kind, run.clock(),
                    "its condition does not hold", after=handle.deps or handle.after,
                )
            )  # fmt: skip
            run.journal.nudge()
        place.loose.pop(handle, None)
        handle.no = run.flow.by_key[key].no
        handle.future.set_result(Outputs(dict.fromkeys(target.outputs or (RESULT,))))
        handle.settled()


def _ended(handles: dict[CallHandle, None], handle: CallHandle, _: object) -> None:
    handles.pop(handle, None)


def _holds(value: Any) -> bool:
    """Raises TypeError: `value` is no truth value."""
    if type(value).__name__ not in _BOOLS:
        raise TypeError(
            f"_condition= takes True, False, or an output of a call that gives one of them, got {value!r:.80}; "
            f"write `_condition=bool(...)`, or an `if` around the call"
        )
    return bool(value)
