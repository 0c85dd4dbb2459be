"""One run brought to its end, or to where it waits for somebody who is not here; and what is printed of it."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ..channels import scripted
from ..channels.bus import at_terminal, said_interactive
from ..errors import BudgetExceeded
from ..lifecycle import hub
from ..lifecycle.leaving import stay
from ..lifecycle.running import Run
from ..record.status import RunStatus
from ..storage.disk import HOME
from .codes import Exit, Wrong, code_of
from .document import show_json
from .output import clipped, complain, here, say
from .watching import Watch

CLOSING_S = 5.0
LOOK_S = 0.3  # so soon Ctrl-C is noticed; a run that has only waited for so long is left to whoever answers


def prepare(answers: str | None, *, watch: bool, as_json: bool) -> Watch | None:
    """Say who is asked: the answers of a file, the person at the terminal, else whoever answers it in the store.

    To be called before the run starts, for which it may ask at once. What draws it, where it is to be watched.
    """
    try:
        if answers is not None:
            scripted.from_environment(answers, "--answers")
            os.environ[scripted.VARIABLE] = answers
        scripted.from_environment(os.environ.get(scripted.VARIABLE, ""))
        there = said_interactive()
    except ValueError as error:
        raise Wrong(str(error)) from None
    bus = hub.current().bus
    if not bus.default and not (at_terminal() if there is None else there):
        bus.set_default_channel("inbox")
    return Watch(bus) if watch and not as_json else None


def drive(run: Run, watch: Watch | None, *, as_json: bool) -> Exit:
    """Stay with a run until it ends or waits for somebody who is not here; Ctrl-C pauses it. The exit code."""
    with interrupts() as asked:
        say(f"run {run.run_id}")
        with watch.of(run) if watch is not None else nullcontext():
            error = _end_of(run, asked)
        if asked.is_set() and run.live:
            _pause(run, "it was interrupted")
            say(f"\npaused: `aether resume {run.run_id}` goes on with it")
            if as_json:
                show_json(_summary(run, None, Exit.INTERRUPTED))
            return Exit.INTERRUPTED
    code = tell(run, error, as_json=as_json)
    if run.live:  # the process ends with this command
        _pause(run, "nobody was there to answer")
    return code


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Whether Ctrl-C was pressed, inside a `with`; pressed again, it is an exception as ever.

    An exception could come at any line, also where a lock of the store or of the drawing has just been taken.
    """
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def pressed(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, pressed)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _pause(run: Run, why: str) -> None:
    run.pause(why)
    concurrent.futures.wait([run.future], CLOSING_S)


def _end_of(run: Run, asked: threading.Event) -> BaseException | None:
    """What the run ended with; None too where it is left to people who are elsewhere, or was interrupted."""
    try:
        stay(run, LOOK_S, asked.is_set)
    except Exception as error:  # noqa: BLE001 (whatever the body raised is told)
        return error
    return None


def tell(run: Run, error: BaseException | None, *, as_json: bool) -> Exit:
    """Print what became of a run; the exit code."""
    while (after := run.successor) is not None:
        run = after
    code = code_of(error) if error is not None else (Exit.WAITING if run.live else Exit.DONE)
    if as_json:
        show_json(_summary(run, error, code))
    if error is not None:
        complain(error)
        say(_go_on(run, error, code))
    elif code is Exit.WAITING:
        for wait in run.waits:
            say(f"waits: {clipped(wait.prompt)}\n  aether answer {wait.token} VALUE")
        say(f"then: aether resume {run.run_id}")
    elif not as_json:
        for name, value in run.outputs.items():
            print(f"{name} = {clipped(repr(value), 2000)}")
    return code


def _go_on(run: Run, error: BaseException, code: Exit) -> str:
    if code is Exit.CANCELLED:
        return here(f"run {run.run_id} was cancelled; `%aether fork {run.run_id}` goes on from what it has done")
    more = " --budget SECONDS" if isinstance(error, BudgetExceeded) else ""
    return f"run {run.run_id} can be gone on with: aether resume {run.run_id}{more}"


def _summary(run: Run, error: BaseException | None, code: Exit) -> dict[str, Any]:
    waits = [
        {"token": w.token, "prompt": w.prompt, "kind": w.kind, "name": w.schema.name, "options": w.schema.options}
        for w in (run.waits if code is Exit.WAITING else [])
    ]
    status = RunStatus.WAITING if run.live else run.status
    said = "" if error is None else f"{type(error).__name__}: {error}"
    outputs = dict(run.outputs) if code is Exit.DONE else {}
    return {
        "run_id": run.run_id, "name": run.name, "status": str(status), "outputs": outputs, "error": here(said),
        "waits": waits,
    }  # fmt: skip


def store_at(folder: Path | None) -> None:
    """Use the store in `folder`, where it is given, for this process."""
    if folder is not None:
        os.environ[HOME] = str(folder.expanduser().absolute())
