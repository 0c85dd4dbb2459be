"""`%aether`: runs, questions and settings, typed in a cell."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.display import display

import aethergraph
from aethergraph import hub, running
from aethergraph.errors import AetherGraphError
from aethergraph.labels import line as one_line
from aethergraph.schema import Question
from aethergraph.status import ENDED, RunStatus

from . import doctor, notebook, run_view, trust
from .header import parse
from .settings import settings
from .table import plan_table, run_table, wait_table

LISTED = 50


@magics_class
class AetherMagics(Magics):  # type: ignore[misc]
    """`%aether` and its subcommands; `%%graph_fn` and `%%tool` for `?`, Tab and `run_cell_magic`."""

    @line_magic
    def aether(self, line: str) -> None:
        """Runs of this store, and what can be done with them.

        %aether                     the newest runs, each with the command that goes on
        %aether resume [RUN]        go on with this notebook's unfinished run, or with RUN (--wait: until it ends)
        %aether show [RUN]          its view, here
        %aether waits               all open questions
        %aether answer TOKEN value  answer one (RUN instead of TOKEN where that run asks one thing)
        %aether cancel RUN          end it for good
        %aether retry [RUN]         try a failed run again: as resume
        %aether load RUN [names]    its outputs as variables
        %aether config [key=value]  settings of this kernel: echo, static
        %aether trust RUN           show the code stored with a run that your key did not sign, and accept it
        %aether doctor              versions, store, and how answers travel
        """
        word, _, rest = line.strip().partition(" ")
        command = COMMANDS.get(word)
        if command is None:
            raise UsageError(_unknown(word))
        try:
            command(self, rest.strip())
        except (AetherGraphError, ValueError) as error:
            raise UsageError(str(error)) from error

    def runs(self, rest: str) -> None:
        """The newest runs."""
        if rest:
            raise UsageError(_unknown(rest))
        display(run_table(aethergraph.runs(limit=LISTED), _now()))

    def resume(self, rest: str) -> None:
        """Go on with a run; shows first what will run again and why."""
        words = [word for word in rest.split() if word != "--wait"]
        run_id = self._chosen(words, "resume")
        if run_id is None:
            return
        run = aethergraph.load_run(run_id)
        if run.live:
            print(f"{run_id} is running here already")
            run_view.open_view(run)
        else:
            display(plan_table(run_id, running.plan(run_id, self.shell.user_ns)))
            run = aethergraph.resume(run_id, namespace=self.shell.user_ns)
        if "--wait" in rest.split():
            run.result()

    def show(self, rest: str) -> None:
        """The view of a run, with a static copy beside it."""
        run_id = self._chosen(rest.split(), "show")
        if run_id is not None:
            run_view.open_view(aethergraph.load_run(run_id))

    def waits(self, rest: str) -> None:
        """All open questions."""
        display(wait_table(aethergraph.waits(), _now()))

    def answer(self, rest: str) -> None:
        """Answer a question by its token, the beginning of it, or its run."""
        name, _, text = rest.partition(" ")
        if not text.strip():
            raise UsageError("write `%aether answer TOKEN value`; `%aether waits` lists the tokens")
        wait = _wait(name)
        if wait is None:
            aethergraph.answer(name, text.strip())  # says whether it is unknown, or answered already
            return
        aethergraph.answer(wait.token, meant(wait.schema, text.strip()))
        print(f"answered: {one_line(wait.prompt)}")

    def cancel(self, rest: str) -> None:
        """End a run for good."""
        if not rest:
            raise UsageError("write `%aether cancel RUN`; `%aether` lists the runs")
        run = aethergraph.load_run(rest)
        if run.status in ENDED:
            raise UsageError(f"{rest} is {run.status.value} already")
        run.cancel()
        print(f"cancelled {rest}")

    def retry(self, rest: str) -> None:
        """Resume a run that failed."""
        run_id = self._chosen(rest.split(), "retry")
        if run_id is None:
            return
        if (status := aethergraph.load_run(run_id).status) is not RunStatus.FAILED:
            raise UsageError(f"{run_id} is {status.value}, not failed; `%aether resume {run_id}` goes on with it")
        self.resume(run_id)

    def load(self, rest: str) -> None:
        """Bind a run's outputs, all or the named ones, to variables."""
        run_id, *names = rest.split() or [""]
        if not run_id:
            raise UsageError("write `%aether load RUN`; `%aether` lists the runs")
        run = aethergraph.load_run(run_id)
        if run.status is not RunStatus.DONE:
            raise UsageError(f"{run_id} is {run.status.value} and has no outputs yet")
        outputs = run.outputs
        if unknown := [name for name in names if name not in outputs]:
            raise UsageError(f"{run_id} has no output {', '.join(unknown)}; it has: {', '.join(outputs) or 'none'}")
        bound = {name: outputs[name] for name in names or outputs}
        self.shell.user_ns.update(bound)
        print(f"{', '.join(bound) or 'nothing'} from {run_id}")

    def config(self, rest: str) -> None:
        """Set or show the settings of this kernel."""
        for part in shlex.split(rest):
            name, equals, value = part.partition("=")
            if not equals:
                raise UsageError(f"write `%aether config key=value`, got {part!r}")
            settings.set(name, value)
        print(settings)

    def trust(self, rest: str) -> None:
        """Show the stored code of a run, and sign it; `--yes` signs without asking."""
        words = [word for word in rest.split() if word != "--yes"]
        if len(words) != 1:
            raise UsageError("write `%aether trust RUN`; `%aether` lists the runs")
        trust.accept(words[0], ask=None if "--yes" in rest.split() else input)

    def doctor(self, rest: str) -> None:
        """What this kernel is and how answers reach it."""
        display(doctor.report())

    @cell_magic
    def graph_fn(self, line: str, cell: str) -> Any:
        """%%graph_fn [--run] name(x: int = 3) -> y, z

        The cell is the body of an agent: an `async def` with these parameters, and `context` in scope. Tools are
        called with `await`. The names after -> are its outputs, taken from `return {...}`, or from the variables of
        these names at the end of the body. Running the cell defines the agent; --run also runs it.
        """
        return self._define("graph_fn", line, cell)

    @cell_magic
    def tool(self, line: str, cell: str) -> Any:
        """%%tool name(x: int = 3) -> y, z

        The cell is the body of a tool: each call of it in an agent is one node. It is an `async def` if the body
        awaits, else a plain function, which runs in a thread of its own. The names after -> are its outputs, taken
        from `return`, or from the variables of these names at the end of the body.
        """
        return self._define("tool", line, cell)

    def _define(self, kind: str, line: str, cell: str) -> Any:
        """Only for `run_cell_magic`: a typed cell never gets here, it has become a function before."""
        header = parse(f"%%{kind} {line}")
        assert header is not None
        if header.runs:
            line = line.replace("--run", "", 1)  # a magic cannot await: it is started instead
        self.shell.run_cell(f"%%{kind} {line}\n{cell}", store_history=False).raise_error()
        return aethergraph.start(self.shell.user_ns[header.name]) if header.runs else None

    def _chosen(self, words: list[str], command: str) -> str | None:
        """The run that is meant. Where none is named and not exactly one fits: shows a table, gives None."""
        if len(words) > 1:
            raise UsageError(f"write `%aether {command} RUN`, with one run; got {' '.join(words)}")
        if words:
            return words[0]
        infos = list(aethergraph.runs(limit=LISTED))
        here = notebook.session()
        ours = [info for info in infos if info.session == here and _fits(info, command)]
        if len(ours) == 1 or (ours and command == "show"):
            return str(ours[0].run_id)
        candidates = ours or [info for info in infos if _fits(info, command)]
        display(run_table(candidates, _now(), _which(len(ours), len(candidates), command)))
        return None


COMMANDS: dict[str, Callable[[AetherMagics, str], None]] = {
    "": AetherMagics.runs,
    "resume": AetherMagics.resume,
    "show": AetherMagics.show,
    "waits": AetherMagics.waits,
    "answer": AetherMagics.answer,
    "cancel": AetherMagics.cancel,
    "retry": AetherMagics.retry,
    "load": AetherMagics.load,
    "config": AetherMagics.config,
    "trust": AetherMagics.trust,
    "doctor": AetherMagics.doctor,
}
TAKES_RUN = ("resume", "show", "cancel", "retry", "load", "trust")


def complete(shell: Any, event: Any) -> list[str]:
    """Tab after `%aether`: subcommands, then run ids, tokens or settings."""
    before = event.line[: len(event.line) - len(event.symbol)].split()
    if len(before) <= 1:
        return sorted(name for name in COMMANDS if name)
    if len(before) > 2:
        return []
    word = before[1]
    if word in TAKES_RUN:
        return [str(info.run_id) for info in aethergraph.runs(limit=LISTED) if _fits(info, word)]
    if word == "answer":
        return [str(wait.token) for wait in aethergraph.waits()]
    return ["echo=on", "echo=off", "static=full", "static=small", "static=off"] if word == "config" else []


def meant(question: Question, text: str) -> Any:
    """The typed `text` as an answer: JSON for several choices, numbers or texts of options, else as it is."""
    if question.multiple and text.startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"{text} is not a JSON list: {error}") from None
    return notebook.typed(question, text)


def _fits(info: Any, command: str) -> bool:
    status = RunStatus(info.status)
    match command:
        case "resume":
            return status not in ENDED and not info.live_elsewhere
        case "retry":
            return status is RunStatus.FAILED
        case "cancel":
            return status not in ENDED
        case "load":
            return status is RunStatus.DONE
    return True


def _which(ours: int, candidates: int, command: str) -> str:
    if not candidates:
        return NONE.get(command, "no runs in this store")
    where = f"{ours} runs of this notebook fit" if ours else "none of these runs was started in this notebook"
    return f"{where}; say which one: `%aether {command} RUN`"


NONE = {"resume": "no unfinished run in this store", "retry": "no failed run in this store"}


def _wait(name: str) -> Any | None:
    waits = list(aethergraph.waits())
    exact = [wait for wait in waits if name in (wait.token, wait.run_id)]
    found = exact or [wait for wait in waits if wait.token.startswith(name)]
    if len(found) > 1:
        raise UsageError(f"{len(found)} questions fit {name!r}: {', '.join(str(wait.token) for wait in found)}")
    return found[0] if found else None


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word, [name for name in COMMANDS if name], 1)
    hint = f"; did you mean `%aether {near[0]}`?" if near else ""
    return f"%aether has no {word!r}{hint} It knows: {', '.join(name for name in COMMANDS if name)}"


def _now() -> float:
    return hub.current().clock.now()
