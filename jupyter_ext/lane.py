"""The express lane: answers reach a cell that awaits, on kernels that would keep them waiting until it ends.

Before ipykernel 7.4 a cell that awaits holds the shell, and messages from the browser queue behind it: a question
asked in the cell could never be answered (a deadlock). The lane looks at each raw message as it arrives and hands
those for *our own* views over at once; all others go their way unchanged and in order. It must be limited to our own:
let past for other widgets, messages would overtake the `comm_open` that makes them.

It uses private parts of ipykernel, so it is bound to versions, and whatever does not fit leaves the kernel as it was;
`state()` says so for `%aether doctor`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

OWN: set[str] = set()  # comm ids of our views; a view adds its own when it is shown and takes it out when it closes
NEEDED_BEFORE = (7, 4)

_state = "not installed"
_undo: Callable[[], None] | None = None


def state() -> str:
    """What became of the lane, for people."""
    return _state


def install(kernel: Any, version: str) -> str:
    """Open the lane in `kernel` of ipykernel `version` where it is needed; returns `state()`. Again: does nothing."""
    global _state, _undo
    if _undo is not None:
        return _state
    if (number := _numbers(version)) >= NEEDED_BEFORE:
        _state = f"not needed (ipykernel {version})"
        return _state
    try:
        _undo = _install_6(kernel) if number < (7, 0) else _install_7(kernel)
        _state = f"open (ipykernel {version})"
    except Exception as error:  # noqa: BLE001  # private parts: anything may be missing, and a kernel without the lane still works
        _state = f"could not be opened (ipykernel {version}: {type(error).__name__}: {error})"
    return _state


def uninstall() -> None:
    """Give the kernel back its own way of receiving."""
    global _state, _undo
    if _undo is not None:
        _undo()
    _undo, _state = None, "not installed"


def keep_route(comm: Any) -> None:
    """Let the messages of `comm` go to the subshell that the front end sends them to.

    ipykernel 7.4 hands them to the shell that has last spoken on the comm instead: for a view that a cell has opened
    that is the main one, which the same cell may block. JupyterLab has a subshell for widgets and names it.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, named: named


def _install_6(kernel: Any) -> Callable[[], None]:
    stream, dispatch = kernel.shell_stream, partial(kernel.schedule_dispatch, kernel.dispatch_shell)
    express = Express(kernel)

    def receive(frames: Any) -> None:
        if not express(frames):
            dispatch(frames)

    stream.on_recv(receive, copy=False)
    return lambda: stream.on_recv(dispatch, copy=False)


def _install_7(kernel: Any) -> Callable[[], None]:
    from tornado.ioloop import IOLoop

    pair = kernel.shell_channel_thread.manager._shell_channel_to_main
    in_context: Any = getattr(__import__("ipykernel.utils", fromlist=["utils"]), "_async_in_context", lambda fn: fn)
    main = in_context(partial(kernel.shell_main, None))
    express, loop = Express(kernel), IOLoop.current()

    async def receive(frames: Any) -> None:
        if not express(frames):
            await main(frames)

    pair.on_recv(loop, receive)
    return lambda: pair.on_recv(loop, main)


class Express:
    """Handles a raw message if it is a `comm_msg` for one of our views."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __call__(self, frames: list[Any]) -> bool:
        """Whether it was handled; otherwise nothing was touched."""
        if not self._ours(frames):
            return False
        kernel = self.kernel
        ids, rest = kernel.session.feed_identities(frames, copy=False)
        try:
            message = kernel.session.deserialize(rest, content=True, copy=False)
        except ValueError:
            return False  # a wrong signature: the kernel's own way reports it
        kernel._publish_status("busy", "shell", parent=message)
        try:
            kernel.comm_manager.comm_msg(None, ids, message)
        finally:
            kernel._publish_status("idle", "shell", parent=message)
        return True

    def _ours(self, frames: list[Any]) -> bool:
        """Look without `deserialize`, which would remember the signature and refuse the message the second time."""
        if not OWN:
            return False
        try:
            _, rest = self.kernel.session.feed_identities(frames, copy=False)
            if json.loads(_bytes(rest[1])).get("msg_type") != "comm_msg":
                return False
            return json.loads(_bytes(rest[4])).get("comm_id") in OWN
        except (ValueError, IndexError, AttributeError, TypeError):
            return False  # not a message as we know them


def _bytes(frame: Any) -> bytes:
    return bytes(getattr(frame, "buffer", frame))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
