"""What a node prints, displays or draws belongs to the node, not to whatever cell happens to be running.

Everything is decided by where the code runs (`engine.here()`), so that threads and tasks need no bookkeeping. Patches
sit on instances, as far as they can, and `Capture.close()` takes them back. Raw threads without the context,
`os.system` and C code cannot be told apart: what they print stays with the cell.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from io import StringIO
from typing import Any

import msgspec

from aethergraph.engine import Desk, here

from .figures import Figures
from .prints import Prints
from .settings import settings

WIDGET = "application/vnd.jupyter.widget-view+json"
LONGEST = 200_000  # characters of one displayed text
_passing = ContextVar("aether_passing", default=False)  # inside a write that IPython's tee hands back to us


class Capture:
    """Installed for one IPython shell; `close()` undoes everything."""

    def __init__(self, shell: Any) -> None:
        self.prints = Prints(self._to_cell)
        self.figures = Figures()
        self._undo = ExitStack()
        self._plain: dict[bool, Callable[[str], object]] = {}  # by `err`: the streams' own write
        for err, stream in ((False, sys.stdout), (True, sys.stderr)):
            self._swap_class(stream, err)
        self._patch_display(shell.display_pub)
        self._patch_capture_output()
        self._undo.callback(self.figures.install())

    def node_ended(self, desk: Desk) -> None:
        """Close and keep the figures that the node left open, and hand over the rest of its text."""
        self.figures.finish(desk)
        self.prints.flush(desk)

    def close(self) -> None:
        """Take all patches back."""
        self.prints.close()
        self._undo.close()

    def _to_cell(self, text: str, err: bool) -> None:
        write = self._plain.get(err)
        if write is not None:
            write(text)

    def _swap_class(self, stream: Any, err: bool) -> None:
        """Give `stream` a class whose `write` asks where it is called.

        The object stays the same: logging and tqdm hold it. `write` has to be a property with a setter, because IPython
        sets and restores `stream.write` around each cell, which would wipe a patch of the instance, and would see what
        nodes print in between.
        """
        base: Any = type(stream)
        prints = self.prints

        class NodeStream(base):  # type: ignore[misc]
            def _write(self, text: str) -> Any:
                desk = None if prints.closed else here()
                if desk is not None:
                    if settings.echo == "on":
                        base.write(self, text)
                    return prints.write(desk, text, err=err)
                tee = self.__dict__.get("_tee")
                if tee is None or _passing.get():
                    return base.write(self, text)
                token = _passing.set(True)
                try:
                    return tee(text)
                finally:
                    _passing.reset(token)

            def _set(self, write: Any) -> None:
                ours = getattr(write, "__func__", None) in (NodeStream._write, base.write)
                self.__dict__["_tee"] = None if ours else write

            write = property(lambda self: self._write, _set)

        def undo() -> None:
            stream.__class__ = base
            tee = stream.__dict__.pop("_tee", None)
            if tee is not None:
                stream.write = tee

        NodeStream.__name__, NodeStream.__qualname__ = base.__name__, base.__qualname__
        try:
            stream.__class__ = NodeStream
        except TypeError:
            return  # a stream of C code, as consoles have: its text stays with the cell
        tee = stream.__dict__.pop("write", None)
        if tee is not None:
            stream.write = tee
        self._plain[err] = lambda text: base.write(stream, text)
        self._undo.callback(undo)

    def _patch_display(self, publisher: Any) -> None:
        publish, clear = publisher.publish, publisher.clear_output

        def node_publish(data: Mapping[str, Any], metadata: Any = None, *args: Any, **options: Any) -> None:
            desk = here()
            if desk is None or WIDGET in data:
                publish(data, metadata, *args, **options)
            else:
                self.prints.flush(desk)  # in the order in which it happened
                show(desk, data)

        def node_clear(wait: bool = False) -> None:
            if here() is None:
                clear(wait)

        for name, fn in (("publish", node_publish), ("clear_output", node_clear)):
            setattr(publisher, name, fn)
            self._undo.callback(delattr, publisher, name)

    def _patch_capture_output(self) -> None:
        """`%%capture` swaps sys.stdout and the publisher for the whole process: nodes must not fall into it."""
        from IPython.utils.capture import capture_output

        enter = capture_output.__enter__

        def node_enter(capturing: Any) -> Any:
            captured = enter(capturing)
            for name, err in (("stdout", False), ("stderr", True)):
                if getattr(capturing, name):
                    stream = _CellText(self.prints, err)
                    setattr(sys, name, stream)
                    setattr(captured, f"_{name}", stream)
            if capturing.display:
                _let_nodes_past(capturing.shell.display_pub, capturing.save_display_pub)
            return captured

        capture_output.__enter__ = node_enter  # type: ignore[method-assign]
        self._undo.callback(setattr, capture_output, "__enter__", enter)


class _CellText(StringIO):
    """Text of a capturing cell, without what nodes print."""

    def __init__(self, prints: Prints, err: bool) -> None:
        super().__init__()
        self._prints, self._err = prints, err

    def write(self, text: str) -> int:
        desk = here()
        return super().write(text) if desk is None else self._prints.write(desk, text, err=self._err)


def _let_nodes_past(capturing: Any, own: Any) -> None:
    publish = capturing.publish

    def past(data: Any, *args: Any, **options: Any) -> None:
        (publish if here() is None else own.publish)(data, *args, **options)

    capturing.publish = past


def show(desk: Desk, data: Mapping[str, Any]) -> None:
    """Note what a node displayed: a PNG as a figure in the store, everything else as it is."""
    png = data.get("image/png")
    if png:
        image = png if isinstance(png, bytes) else base64.b64decode(png)
        desk.note("figure", {"png": desk.store.blobs.put(image)})
        return
    shown = {mime: _noted(value) for mime, value in data.items()}
    kept = {mime: value for mime, value in shown.items() if value is not None}
    desk.note("show", kept or {"text/plain": f"(too large to keep: {', '.join(data)})"})


def _noted(value: Any) -> Any:
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    if not isinstance(value, str):
        try:
            value = msgspec.to_builtins(value)
            return value if len(msgspec.json.encode(value)) <= LONGEST else None
        except (TypeError, ValueError, RecursionError):
            return None  # a bundle may hold anything; text/plain stays
    text = str(value).encode(errors="backslashreplace").decode()
    return text if len(text) <= LONGEST else None
