"""What `%aether` can do: each subcommand is a function `(shell, the rest of its line)`, in `COMMANDS`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError

from aethergraph.lifecycle import hub

from ..settings import CHOICES
from . import answering, exporting, forking, importing, keeping, plotting, runs
from .choosing import LISTED, fits

__all__ = ["COMMANDS", "complete", "do"]

HELP = """
    %aether                     the newest runs, each with the command that goes on (%aether runs)
    %aether resume [RUN]        go on with this notebook's unfinished run, or with RUN (--wait: until it ends;
                                --budget SECONDS: at work in all, where it was paused for that)
    %aether show [RUN]          its view, here
    %aether waits               all open questions
    %aether answer TOKEN value  answer one (RUN instead of TOKEN where that run asks one thing)
    %aether cancel RUN          end it for good
    %aether retry [RUN]         try a failed run again
    %aether export NAME [-o module.py] [--verify [RUN]]
                                write an agent as a module of its own; --verify runs that as RUN, or the agent's last
                                run, ran, in a new process, and compares what each node gave
    %aether fork RUN [at=NODE] [key=value ...]
                                a run that shares what RUN has done, and goes on with other inputs; with
                                outputs.key=value as if NODE had given that, with answer=value to the question NODE
    %aether plot [RUN ...] [--track T] [--step N]
                                what runs plotted, of several side by side
    %aether load RUN [names]    its outputs as variables
    %aether import module.py [-o notebook.ipynb]
                                the parts of a module as the cells of a notebook; --here: as one cell below
    %aether gc [keep=N] [older_than=30d] [RUN ...]
                                what the store can do without; --yes deletes it
    %aether config [key=value]  settings of this kernel: echo, static
    %aether trust RUN           show the code stored with a run that your key did not sign, and accept it
    %aether doctor              versions, store, and how answers travel
    %aether help                this
"""
ASKS_FOR_HELP = ("?", "-h", "--help")
TAKES_RUN = ("resume", "show", "cancel", "retry", "fork", "load", "plot", "trust")


def show_help(shell: Any, rest: str) -> None:
    """What there is."""
    print(inspect.cleandoc(HELP))


COMMANDS: dict[str, Callable[[Any, str], Callable[[], object] | None]] = {
    "runs": runs.runs,
    "resume": runs.resume,
    "show": runs.show,
    "waits": answering.waits,
    "answer": answering.answer,
    "cancel": runs.cancel,
    "retry": runs.retry,
    "export": exporting.export,
    "fork": forking.fork,
    "plot": plotting.plot,
    "load": runs.load,
    "import": importing.import_module,
    "gc": keeping.gc,
    "config": keeping.config,
    "trust": keeping.trust_run,
    "doctor": keeping.show_doctor,
    "help": show_help,
}


def do(shell: Any, text: str) -> Callable[[], object] | None:
    """Do what `text` says, the line after `%aether`; what it gives, if anything, waits for a run and raises its error.

    Raises:
        UsageError: it knows no such thing; names what it knows.
    """
    word, _, rest = text.strip().partition(" ")
    if not word:
        runs.runs(shell, "")
    elif word in ASKS_FOR_HELP:
        show_help(shell, "")
    elif word in COMMANDS:
        return COMMANDS[word](shell, rest.strip())
    else:
        near = difflib.get_close_matches(word, COMMANDS, 1)
        hint = f"; did you mean `%aether {near[0]}`?" if near else "."
        raise UsageError(f"%aether has no {word!r}{hint} It knows: {', '.join(COMMANDS)}")
    return None


def complete(shell: Any, event: Any) -> list[str]:
    """Tab after `%aether`: subcommands, then run ids, tokens or settings.

    What is completed is `event.symbol`, the part of a word that IPython would replace: of `study-7f3` only `7f3`.
    """
    line = event.text_until_cursor
    *before, begun = [*line.split(), ""] if not line or line[-1].isspace() else line.split()
    shown = len(begun) - len(event.symbol)
    return [word[shown:] for word in _words(before) if word.startswith(begun)]


def _words(before: list[str]) -> list[str]:
    """What may come after these words."""
    if not before:
        return []
    if len(before) == 1:
        return sorted(COMMANDS)
    if len(before) > 2 and before[1] != "plot":  # which takes several runs
        return []
    match before[1]:
        case "answer":
            return [wait.token for wait in hub.current().waits() if wait.schema.by_person]
        case "config":
            return [f"{name}={value}" for name, values in CHOICES.items() for value in values]
        case word if word in TAKES_RUN:
            return [info.run_id for info in hub.current().runs(limit=LISTED) if fits(info, word)]
    return []
