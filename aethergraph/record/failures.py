"""Exceptions as facts: kept by name, arguments and text, built again on replay, traced back to their nodes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import NotStorable
from . import facts as f

if TYPE_CHECKING:
    from ..storage.codec import Codec

_MARK = "__aethergraph_nodes__"
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_HIDDEN = (_OURS, f"{_LIBRARY}asyncio{os.sep}", f"{_LIBRARY}concurrent{os.sep}")
MAX_TRACEBACK = 8_000  # characters
ITEM = "item "  # a note that begins so says which item of a map failed
_ANOTHER_LOOP = (  # as asyncio's tasks, locks and queues, futures, and transports say it
    "attached to a different loop",
    "bound to a different event loop",
    "belongs to a different loop",
    "event loop other than the current one",
)


def mark(error: BaseException, no: int, note: str) -> None:
    """Remember that `error` is the recorded failure of node `no`; say so in its notes, once."""
    known = nodes(error)
    if no in known:
        return
    try:
        setattr(error, _MARK, (*known, no))
    except AttributeError:  # a class with __slots__: it cannot be traced, and is tried again by its lineage only
        return
    if not known:
        error.add_note(note)


def advise(error: BaseException, agent: str) -> None:
    """Where asyncio says that an object belongs to another loop, say what to do about it, once."""
    if not isinstance(error, (RuntimeError, ValueError)) or not any(said in str(error) for said in _ANOTHER_LOOP):
        return
    if not any("another event loop" in note for note in getattr(error, "__notes__", ())):
        error.add_note(
            "the object belongs to another event loop: agents run on one of their own. Make it inside the agent, or "
            f'run the agent where the object was made: start({agent}, ..., loop="kernel")'
        )


def nodes(error: BaseException) -> tuple[int, ...]:
    """The nodes whose recorded failure `error` itself is."""
    return getattr(error, _MARK, ())


def reachable(error: BaseException) -> list[int]:
    """The nodes of every recorded failure that is `error`, its cause, its context, or a member of its group."""
    return list(dict.fromkeys(no for one in _linked(error) for no in nodes(one)))


def _linked(error: BaseException) -> Iterator[BaseException]:
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def unmarked(error: BaseException, codec: Codec | None = None) -> BaseException:
    """`error`, which ended another run, for this one: the nodes it tells of are that run's.

    codec: makes a copy, where somebody else holds `error` and will have it marked.
    """
    if codec is not None:
        error = rebuild(describe(error, codec.dump), codec.load) or error
    for one in _linked(error):
        vars(one).pop(_MARK, None)
    return error


def describe(error: BaseException, dump: Callable[[Any], bytes]) -> f.Error:
    """`error` as a fact. Where it holds what cannot be stored, it is tried again instead of being built again."""
    made_of, state = parts(error)
    try:
        arguments, attributes = dump(made_of), dump(state) if state else b""
    except NotStorable:
        arguments, attributes = b"", b""
    return f.Error(
        module=type(error).__module__,
        qualname=type(error).__qualname__,
        message=str(error)[:2_000],
        args=arguments,
        notes=[str(note) for note in getattr(error, "__notes__", [])],
        traceback=user_traceback(error),
        nodes=reachable(error),
        state=attributes,
    )


def told(kind: str, message: str, notes: Iterable[str]) -> str:
    """`KeyError: no such key`, and which item of a map it was, where the notes say that."""
    items = "; ".join(note for note in notes if note.startswith(ITEM))
    return f"{kind}: {message}{f' ({items})' if items else ''}"


def parts(error: BaseException) -> tuple[list[Any], dict[str, Any]]:
    """Arguments and attributes, as pickle would keep them: an `OSError` has a file name that is not in its `args`."""
    arguments, state = error.args, vars(error)
    try:
        reduced: Any = error.__reduce__()
        if reduced[0] is type(error):
            arguments, state = reduced[1], (*reduced, None)[2] or {}
    except Exception:  # noqa: BLE001 (the class is the user's)
        arguments = error.args
    return list(arguments), {name: value for name, value in state.items() if name not in (_MARK, "__notes__")}


def rebuild(
    error: f.Error, load: Callable[[bytes], Any], namespace: Mapping[str, Any] | None = None
) -> BaseException | None:
    """The exception that `describe` saw, or None where it cannot be built: nothing is imported for it."""
    if not error.args:
        return None
    home: Any = sys.modules.get(error.module)
    first = error.qualname.partition(".")[0]
    if (home is None or not hasattr(home, first)) and namespace is not None and first in namespace:
        home = _Names(namespace)
    try:
        kind = home
        for name in error.qualname.split("."):
            kind = getattr(kind, name)
        built = assemble(kind, load(error.args), load(error.state) if error.state else {}, error.message)
    except Exception:  # noqa: BLE001 (the class is the user's: a failure that cannot be rebuilt is retried)
        return None
    if built is None:
        return None
    for note in error.notes:
        built.add_note(note)
    if error.nodes:
        setattr(built, _MARK, tuple(error.nodes))
    return built


def assemble(kind: type, arguments: list[Any], state: dict[str, Any], message: str) -> BaseException | None:
    """The exception that has these `parts`; None where its class does not make it of them."""
    try:
        built = kind(*arguments)
        if str(built)[:2_000] != message:
            raise ValueError(message)
    except Exception:  # noqa: BLE001 (its `__init__` takes other arguments than those that it keeps)
        built = kind.__new__(kind, *arguments)
        plain: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        plain.__init__(built, *arguments)
    if not isinstance(built, BaseException):
        return None
    built.__setstate__(state)
    return built if str(built)[:2_000] == message else None


class _Names:
    def __init__(self, names: Mapping[str, Any]) -> None:
        self.__dict__.update(names)


def user_traceback(error: BaseException) -> str:
    """The traceback as text, without the frames of this library, of asyncio and of thread pools."""
    summary = traceback.TracebackException.from_exception(error, limit=-60)
    seen: set[int] = set()
    todo: list[traceback.TracebackException | None] = [summary]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        frames = [frame for frame in one.stack if not frame.filename.startswith(_HIDDEN)]
        one.stack = traceback.StackSummary.from_list(map(_named, frames))
        todo += [one.__cause__, one.__context__, *(one.exceptions or ())]
    text = "".join(summary.format())
    return text if len(text) <= MAX_TRACEBACK else "...\n" + text[-MAX_TRACEBACK:]


def _named(frame: traceback.FrameSummary) -> traceback.FrameSummary:
    """`frame` with a cell's file called as the notebook calls it."""
    if errors.cell_name is not None and (name := errors.cell_name(frame.filename)) != frame.filename:
        _ = frame.line  # looked up by the file's name, and kept
        frame.filename = name
    return frame
