"""What `%aether` can do: each subcommand is a method, in `COMMANDS`."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import shlex
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError
from IPython.display import publish_display_data

from aethergraph.lifecycle import hub
from aethergraph.lifecycle.inbox import WaitInfo
from aethergraph.lifecycle.running import Run
from aethergraph.record.facts import WAIT
from aethergraph.record.schema import Question, decode
from aethergraph.record.status import ENDED, RunStatus
from aethergraph.services.artifact import readable
from aethergraph.storage.roster import RunInfo
from aethergraph.views.labels import cut, line

from . import doctor, notebook, run_view, trust
from .settings import CHOICES, settings
from .table import Table, plan_table, run_table, short, wait_table

LISTED = 50
HELP = """
    %aether                     the newest runs, each with the command that goes on (%aether runs)
    %aether resume [RUN]        go on with this notebook's unfinished run, or with RUN (--wait: until it ends)
    %aether show [RUN]          its view, here
    %aether waits               all open questions
    %aether answer TOKEN value  answer one (RUN instead of TOKEN where that run asks one thing)
    %aether cancel RUN          end it for good
    %aether retry [RUN]         try a failed run again
    %aether fork RUN [at=NODE] [key=value ...]
                                a run that shares what RUN has done, and goes on with other inputs; with
                                outputs.key=value as if NODE had given that, with answer=value to the question NODE
    %aether load RUN [names]    its outputs as variables
    %aether gc [keep=N] [older_than=30d] [RUN ...]
                                what the store can do without; --yes deletes it
    %aether config [key=value]  settings of this kernel: echo, static
    %aether trust RUN           show the code stored with a run that your key did not sign, and accept it
    %aether doctor              versions, store, and how answers travel
    %aether help                this
"""
AGES = {"h": 3600.0, "d": 86400.0, "w": 604800.0}  # seconds, by the letter after a number
ROOMY = 1 << 30  # bytes of a store, above which it is said once how to make room
TOLD = "told-size"  # a row that says that it was said
NAMED = 8  # questions that an error names
PARKED_S = 1.0  # a run that has only waited for so long is left alone


class Commands:
    """The subcommands, for one shell. Each gets the rest of its line."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def runs(self, rest: str) -> None:
        """The newest runs."""
        _nothing(rest, "runs")
        table = run_table(hub.current().runs(limit=LISTED), _now())
        _show(dataclasses.replace(table, notes=[*table.notes, *_room()]))

    def resume(self, rest: str) -> None:
        """Go on with a run; shows first what will run again and why. Returns at once, unless told to wait."""
        words = rest.split()
        run_id = self._chosen([word for word in words if word != "--wait"], "resume")
        if run_id is None:
            return
        runtime = hub.current()
        run = runtime.load(run_id)
        if run.live:
            print(f"{run_id} is running in this kernel already")
            run_view.open_view(run)
        elif run.status is RunStatus.DONE:
            raise UsageError(
                f"{run_id} is done already; `%aether show {run_id}` shows it, `%aether load {run_id}` its outputs"
            )
        else:
            _show(plan_table(run_id, runtime.plan(run_id, self.shell.user_ns)))
            run = runtime.resume(run_id, namespace=self.shell.user_ns)
        if "--wait" in words:
            run.result()
        elif not notebook.live():  # the kernel may be gone after this cell, and the run with it
            _finish(run)

    def show(self, rest: str) -> None:
        """The view of a run, with a static copy beside it."""
        run_id = self._chosen(rest.split(), "show")
        if run_id is not None:
            run_view.open_view(hub.current().load(run_id))

    def waits(self, rest: str) -> None:
        """All open questions."""
        _nothing(rest, "waits")
        _show(wait_table(hub.current().waits(), _now()))

    def answer(self, rest: str) -> None:
        """Answer a question by its token, the beginning of it, or its run."""
        name, _, text = rest.partition(" ")
        if not text.strip():
            raise UsageError("write `%aether answer TOKEN value`; `%aether waits` lists the tokens")
        wait = _wait(name)
        if wait is None:
            if name in {info.run_id for info in hub.current().runs(limit=None)}:
                status = hub.current().load(name).status
                raise UsageError(f"{name} asks nothing now: it is {status.value}")
            hub.current().answer(name, text.strip())  # raises: it is unknown, or answered already
            return
        hub.current().answer(wait.token, meant(wait.schema, text.strip()))
        print(f"answered: {line(wait.prompt)}")

    def cancel(self, rest: str) -> None:
        """End a run for good."""
        run_id = _one(rest, "cancel")
        run = hub.current().load(run_id)
        if run.status in ENDED:
            raise UsageError(f"{run_id} is {run.status.value} already")
        run.cancel("%aether cancel")
        print(f"cancelled {run_id}")

    def retry(self, rest: str) -> None:
        """Resume a run that failed."""
        run_id = self._chosen(rest.split(), "retry")
        if run_id is None:
            return
        if (status := hub.current().load(run_id).status) is not RunStatus.FAILED:
            what = "show" if status in ENDED else "resume"
            then = "shows it" if status in ENDED else "goes on with it"
            raise UsageError(f"{run_id} is {status.value}, not failed; `%aether {what} {run_id}` {then}")
        self.resume(run_id)

    def fork(self, rest: str) -> None:
        """Start a run that shares a run's past and goes on differently: `RUN [at=NODE] [key=value ...]`.

        The values are inputs, of the node where one is named, else of the run; `outputs.key=value` are what the node is
        taken to have given, `answer=value` to a question. Values are JSON, or texts as they are.
        """
        words = _words(rest)
        run_id = _one(" ".join(words[:1]), "fork")
        given = _given(words[1:])
        at = given.pop("at", None)
        outputs = {key.removeprefix("outputs."): given.pop(key) for key in list(given) if key.startswith("outputs.")}
        runtime = hub.current()
        answer = meant_for(runtime.load(run_id), at, given)
        inputs = {key: _value(text) for key, text in given.items()} or None
        values: Any = {key: _value(text) for key, text in outputs.items()} or answer
        try:
            run = runtime.fork(run_id, at=at, inputs=inputs, outputs=values, namespace=self.shell.user_ns)
        except (ValueError, TypeError, LookupError) as error:
            raise UsageError(str(error)) from error
        print(f"{run.run_id} is a fork of {run_id}{f' at {at}' if at else ''}")
        if not notebook.live():
            _finish(run)

    def load(self, rest: str) -> None:
        """Bind a run's outputs, all or the named ones, to variables."""
        words = rest.split()
        run_id, names = _one(" ".join(words[:1]), "load"), words[1:]
        run = hub.current().load(run_id)
        if run.status is not RunStatus.DONE:
            raise UsageError(f"{run_id} is {run.status.value} and has no outputs yet")
        outputs = run.outputs
        if unknown := [name for name in names if name not in outputs]:
            raise UsageError(f"{run_id} has no output {', '.join(unknown)}; it has: {', '.join(outputs) or 'none'}")
        bound = {name: outputs[name] for name in names or outputs}
        self.shell.user_ns.update(bound)
        print(f"{', '.join(bound) or 'nothing'} from {run_id}")

    def gc(self, rest: str) -> None:
        """Tell what the store can do without: `[keep=N] [older_than=30d] [RUN ...]`; `--yes` deletes it."""
        words = _words(rest)
        yes = "--yes" in words
        keep, older_than, runs = None, None, []
        for word in (word for word in words if word != "--yes"):
            name, equals, value = word.partition("=")
            if not equals:
                runs.append(_no_option(word, "gc"))
            elif name == "keep" and value.isdecimal():
                keep = int(value)
            elif name == "older_than" and value[:-1].isdecimal() and value[-1] in AGES:
                older_than = int(value[:-1]) * AGES[value[-1]]
            else:
                raise UsageError(f"write `%aether gc [keep=20] [older_than=30d] [RUN ...] [--yes]`, got {word!r}")
        found = hub.current().gc(keep=keep, older_than=older_than, runs=runs, dry_run=not yes)
        print(found)
        if found and not yes:
            print(f"delete it with: {' '.join(['%aether gc', *words, '--yes'])}")

    def config(self, rest: str) -> None:
        """Set or show the settings of this kernel."""
        for part in _words(rest):
            name, equals, value = part.partition("=")
            if not equals:
                raise UsageError(f"write `%aether config key=value`, got {part!r}")
            settings.set(name, value)
        print(settings)

    def trust(self, rest: str) -> None:
        """Show the stored code of a run, and sign it; `--yes` signs without asking."""
        words = rest.split()
        run_id = _one(" ".join(word for word in words if word != "--yes"), "trust")
        trust.accept(run_id, ask=None if "--yes" in words else input)

    def doctor(self, rest: str) -> None:
        """What this kernel is and how answers reach it."""
        _nothing(rest, "doctor")
        _show(doctor.report())

    def help(self, rest: str) -> None:
        """What there is."""
        print(inspect.cleandoc(HELP))

    def _chosen(self, words: list[str], command: str) -> str | None:
        """The run that is meant. Where none is named and not exactly one fits: shows a table, gives None."""
        if words:
            return _one(" ".join(words), command)
        infos, here = hub.current().runs(limit=LISTED), notebook.session()
        ours = [info for info in infos if info.session == here and fits(info, command)]
        if len(ours) == 1 or (ours and command == "show"):
            return ours[0].run_id
        candidates = ours or [info for info in infos if fits(info, command)]
        _show(run_table(candidates, _now(), _which(len(ours), len(candidates), command)))
        return None


COMMANDS: dict[str, Callable[[Commands, str], None]] = {
    "runs": Commands.runs,
    "resume": Commands.resume,
    "show": Commands.show,
    "waits": Commands.waits,
    "answer": Commands.answer,
    "cancel": Commands.cancel,
    "retry": Commands.retry,
    "fork": Commands.fork,
    "load": Commands.load,
    "gc": Commands.gc,
    "config": Commands.config,
    "trust": Commands.trust,
    "doctor": Commands.doctor,
    "help": Commands.help,
}
ASKS_FOR_HELP = ("?", "-h", "--help")
TAKES_RUN = ("resume", "show", "cancel", "retry", "fork", "load", "trust")
NONE = {"resume": "no unfinished run in this store", "retry": "no failed run in this store"}


def do(shell: Any, text: str) -> None:
    """Do what `text` says, the line after `%aether`.

    Raises:
        UsageError: it knows no such thing; names what it knows.
    """
    word, _, rest = text.strip().partition(" ")
    commands = Commands(shell)
    if not word:
        commands.runs("")
    elif word in ASKS_FOR_HELP:
        commands.help("")
    elif word in COMMANDS:
        COMMANDS[word](commands, rest.strip())
    else:
        near = difflib.get_close_matches(word, COMMANDS, 1)
        hint = f"; did you mean `%aether {near[0]}`?" if near else "."
        raise UsageError(f"%aether has no {word!r}{hint} It knows: {', '.join(COMMANDS)}")


def complete(shell: Any, event: Any) -> list[str]:
    """Tab after `%aether`: subcommands, then run ids, tokens or settings."""
    before = event.line[: len(event.line) - len(event.symbol)].split()
    if len(before) == 1:
        return sorted(COMMANDS)
    if len(before) > 2:
        return []
    match before[1]:
        case "answer":
            return [wait.token for wait in hub.current().waits() if wait.schema.by_person]
        case "config":
            return [f"{name}={value}" for name, values in CHOICES.items() for value in values]
        case word if word in TAKES_RUN:
            return [info.run_id for info in hub.current().runs(limit=LISTED) if fits(info, word)]
    return []


def fits(info: RunInfo, command: str) -> bool:
    """Whether `command` makes sense for this run."""
    match command:
        case "resume":
            return info.status not in ENDED and not info.live_elsewhere
        case "retry":
            return info.status is RunStatus.FAILED
        case "cancel":
            return info.status not in ENDED
        case "load":
            return info.status is RunStatus.DONE
    return True


def meant_for(run: Run, at: str | None, given: dict[str, str]) -> Any:
    """The answer that `given` has for the question `at`, taken out of it; None where it has none."""
    node = next((node for node in run.nodes if node.node_id == at), None)
    if node is None or node.kind != WAIT or "answer" not in given:
        return None
    text = given.pop("answer")
    return meant(decode(node.wait.question), text) if node.wait is not None else _value(text)


def meant(question: Question, text: str) -> Any:
    """The typed `text` as an answer: JSON for several choices, numbers or texts of options, else as it is."""
    if question.multiple and text.startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"{text} is not a JSON list: {error}") from None
    return notebook.typed(question, text)


def _given(words: list[str]) -> dict[str, str]:
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"write `%aether fork RUN at=NODE key=value`, got {word!r}")
        given[name] = value
    return given


def _value(text: str) -> Any:
    """JSON as what it says, anything else as the text that it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _one(rest: str, command: str) -> str:
    words = rest.split()
    for word in words:
        _no_option(word, command)
    if len(words) != 1:
        raise UsageError(f"write `%aether {command} RUN`, with one run; `%aether` lists them")
    return words[0]


def _no_option(word: str, command: str) -> str:
    if word.startswith("-"):
        raise UsageError(f"`%aether {command}` has no option {word}; `%aether help` tells what there is")
    return word


def _nothing(rest: str, command: str) -> None:
    if rest:
        raise UsageError(f"`%aether {command}` takes nothing more, got {rest!r}")


def _words(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError:
        raise UsageError(f"a quotation mark is not closed in {rest}") from None


def _wait(name: str) -> WaitInfo | None:
    waits = [wait for wait in hub.current().waits() if wait.schema.by_person]
    exact = [wait for wait in waits if name in (wait.token, wait.run_id)]
    found = exact or [wait for wait in waits if wait.token.startswith(name)]
    if len(found) > 1:
        rows = [
            f"  {token}  {cut(wait.prompt, 400)}"
            for token, wait in zip(short([wait.token for wait in found]), found, strict=True)
        ]
        more = [f"  and {len(rows) - NAMED} more: `%aether waits`"] if len(rows) > NAMED else []
        which = "\n".join([f"{len(found)} questions fit {name!r}; say which one:", *rows[:NAMED], *more])
        raise UsageError(which)
    return found[0] if found else None


def _finish(run: Run) -> None:
    """Wait for the end of a run, or until it waits for nothing but answers that will come from elsewhere."""
    while True:
        try:
            run.result(PARKED_S)
            return
        except TimeoutError:
            if not run.live:
                raise  # the run's own
            asked = run.waits if run.status is RunStatus.WAITING else []
            if asked and all(wait.schema.channel == "inbox" for wait in asked):
                print(f"{run.run_id} waits for: {', '.join(line(wait.prompt) for wait in asked)}")
                return


def _room() -> list[str]:
    """Where the store is and how large; once, where it has grown large, how to make room."""
    store = hub.current().store
    taken = doctor.taken(store.folder)
    notes = [f"store: {store.folder} ({readable(taken)})"]
    if taken >= ROOMY and store.get(TOLD) is None:
        with store.transact() as rows:
            rows.set(TOLD, b"1")
        notes.append("it has grown large: `%aether gc older_than=30d` tells what it could do without")
    return notes


def _which(ours: int, candidates: int, command: str) -> str:
    if not candidates:
        return NONE.get(command, "no runs in this store")
    where = f"{ours} runs of this notebook fit" if ours else "none of these runs was started in this notebook"
    return f"{where}; say which one: `%aether {command} RUN`"


def _show(table: Table) -> None:
    publish_display_data(table._repr_mimebundle_())  # type: ignore[no-untyped-call,unused-ignore]


def _now() -> float:
    return hub.current().clock.now()
