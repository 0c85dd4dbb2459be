"""Which front end this kernel has, and asking through it where nothing else works."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aethergraph.channels import console, typed
from aethergraph.channels.bus import said_interactive
from aethergraph.channels.fields import Asking, asking
from aethergraph.engine import here
from aethergraph.errors import BadAnswer
from aethergraph.lifecycle import hub
from aethergraph.record.schema import FILES, FORM, Question, check
from aethergraph.storage import uploads, waiting

from .below import asked_below

PATIENCE_S = 5.0  # for the browser to draw a view and say so; a busy machine takes some seconds
PLACE: ContextVar[str | None] = ContextVar("PLACE", default=None)  # which cell a view acts for; None in a cell itself
SHOWN: ContextVar[bool] = ContextVar("SHOWN", default=False)  # what starts now has a view already
_nested = itertools.count(1)


def kernel() -> Any | None:
    """The running ipykernel, or None: a script, a console, a test."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None)


def live() -> bool:
    """Whether somebody can probably see and answer what this kernel shows.

    AETHERGRAPH_INTERACTIVE=0|1 (no|yes, off|on, false|true) overrules. Without it a front end counts as live where it
    lets a cell ask for input: JupyterLab, Notebook, VS Code and consoles do, nbclient, papermill and nbconvert do not.
    (JPY_SESSION_NAME alone proves nothing: a notebook executed by a tool inside a session inherits it.)
    """
    said = said_interactive()
    if said is not None:
        return said
    running = kernel()
    return running is not None and bool(getattr(running, "_allow_stdin", False))


def session() -> str:
    """The notebook's path where the server tells it, else this kernel's own id; "" outside a kernel."""
    running = kernel()
    if running is None:
        return ""
    return os.environ.get("JPY_SESSION_NAME") or str(getattr(getattr(running, "session", None), "session", ""))


def cell() -> str:
    """Which execution of which cell is running, as `CELL#EXECUTION`; "" where the front end does not tell cells apart.

    In a node of a run there is no cell: `nested`, and a number that nothing else has.
    """
    if (place := PLACE.get()) is not None:
        return place
    if here() is not None:
        return f"nested {next(_nested)}"
    running = kernel()
    parent = running.get_parent() if running is not None else {}
    cell_id = (parent.get("metadata") or {}).get("cellId", "")
    return f"{cell_id}#{parent['header']['msg_id']}" if cell_id else ""


@contextmanager
def acting_for(place: str, *, shown: bool) -> Iterator[None]:
    """What is started in this block, by a button in a view, counts as started by the cell `place`.

    `shown`: it has its view already, so none is opened.
    """
    tokens = PLACE.set(place), SHOWN.set(shown)
    try:
        yield
    finally:
        PLACE.reset(tokens[0])
        SHOWN.reset(tokens[1])


def namespace() -> Mapping[str, Any] | None:
    """The names that this kernel's cells have defined."""
    running = kernel()
    return None if running is None else getattr(running.shell, "user_ns", None)


def can_hear_while_blocked() -> bool:
    """Whether an answer from the browser arrives while a cell blocks the main thread.

    True once a browser's message has been seen on another thread: the front end then uses a subshell for our views.
    """
    from . import run_view

    return live() and run_view.heard_off_main()


def ask_while_blocked(question: Question, token: str, refused: str = "") -> Any:
    """Ask from a main thread that blocks. None where that is not the way: the view is heard, or nobody is there."""
    if question.channel not in ("", "notebook") or not live() or _heard_soon():
        return None
    row = waiting.read(hub.current().store, token)
    if row is None or row.state != "open":
        return None  # a script, or somebody elsewhere, was faster
    with asked_below(token):
        return ask_by_stdin(question, token, refused)


def _heard_soon() -> bool:
    """Give a view that was opened just now the time to be heard; its browser says `ready` more than once.

    A kernel without subshells hears no view while a cell blocks it. There the input line comes at once: it takes the
    keyboard when it appears, and somebody who has begun to type into the view would go on in the line.
    """
    end = time.monotonic() + (PATIENCE_S if getattr(kernel(), "_supports_kernel_subshells", False) else 0.0)
    while not can_hear_while_blocked():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def ask_by_stdin(question: Question, token: str, refused: str = "", *, read: Callable[[str], str] | None = None) -> Any:
    """Ask in the input line of the running cell until the answer fits; give it as typed, an option by its name.

    `token` is not used here: the caller gives the answer to it. `read` stands for `input` in tests.
    """
    ask = read or (_secret if question.silent else input)
    if question.kind == FORM:
        return _form_by_stdin(question, refused, ask)
    print(_asked(question), flush=True)
    sure = bool(question.options) or question.kind in ("number", "files")  # an empty line is then refused anyway
    while True:
        if refused:
            print(f"That does not fit: {refused}", flush=True)
        line = ask(_prompt(question))
        if not line and not sure:  # Enter may have been meant for what had the keyboard before the line appeared
            print("Nothing was typed. Press Enter once more to answer with an empty text.", flush=True)
            sure = True
            continue
        answer = typed.answer(question, line)
        try:
            if question.kind == FILES:
                answer = uploads.take_in(hub.current().store, question, answer)
            check(question, answer)
        except BadAnswer as error:
            refused = error.why
            continue
        return answer


def _form_by_stdin(question: Question, refused: str, ask: Callable[[str], str]) -> Any:
    known: dict[str, Any] | None = None
    while True:
        known = _fields_by_stdin(asking(question, refused, known), ask)
        try:
            return check(question, known)
        except BadAnswer as error:
            refused = error.why


def _fields_by_stdin(fields: Asking, ask: Callable[[str], str]) -> dict[str, Any]:
    meant = None
    while True:
        try:
            field, why = fields.send(meant)
        except StopIteration as done:
            answer: dict[str, Any] = done.value
            return answer
        text, _, line = console.prompt(field, why).rpartition("\n")
        print(text, flush=True)
        meant = console.understand(field, ask(line))


def _secret(prompt: str) -> str:
    import getpass

    return getpass.getpass(prompt)


def _asked(question: Question) -> str:
    options = [f"  {number}. {option}" for number, option in enumerate(question.options, 1)]
    return "\n".join([question.prompt, *options])


def _prompt(question: Question) -> str:
    if question.kind == "number":
        bounds = [
            f"{low} {bound:g}" for low, bound in (("from", question.min), ("to", question.max)) if bound is not None
        ]
        return " ".join(["number", *bounds]) + ": "
    if question.kind == "files":
        return f"{typed.files_hint(question)}: "
    if not question.options:
        return "> "
    many = ", several with commas" if question.multiple else ""
    return f"1-{len(question.options)} or the text{many}: "
