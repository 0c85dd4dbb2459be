"""Every error a user can meet, in one tree. Each builds its message from facts and keeps the facts.

A message says what happened, to which run or node, what was expected, and what to type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

cell_name: Callable[[str], str] | None = None  # set by a notebook: how it calls the file that a cell is compiled as


class AetherGraphError(Exception):
    """The root of all errors of this library."""


class OurBug(AetherGraphError):
    """Something that cannot happen did. Always a bug in aethergraph: please report it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}. This is a bug in aethergraph, not in your code: please report it")


class GraphBuildError(AetherGraphError):
    """A graph or agent was written in a way that cannot run; names the user's file and line."""

    def __init__(self, what: str, *, where: str = "") -> None:
        self.what, self.where = what, where
        super().__init__(f"{_place(where)}: {what}" if where else what)


def _place(where: str) -> str:
    """`file:line`; for a cell as the notebook calls it."""
    file, _, line = where.rpartition(":")
    if cell_name is None or not line.isdigit() or (name := cell_name(file)) == file:
        return where
    return f"{name}, line {line}"


class MissingInput(AetherGraphError):
    """A graph was called without an input that it needs."""

    def __init__(self, graph: str, missing: Sequence[str], known: Sequence[str]) -> None:
        self.graph, self.missing, self.known = graph, tuple(missing), tuple(known)
        names = ", ".join(missing)
        super().__init__(f"{graph!r} needs {names}; its inputs are: {', '.join(known) or 'none'}")


class MissingOutput(AetherGraphError, ValueError):
    """A tool or agent did not give an output that it declares."""

    def __init__(self, name: str, missing: Sequence[str], declared: Sequence[str], got: str) -> None:
        self.name, self.missing, self.declared, self.got = name, tuple(missing), tuple(declared), got
        super().__init__(
            f"{name!r} declares the outputs {', '.join(declared)} but did not give "
            f"{', '.join(missing)}; it returned {got}"
        )


class NodeFailed(AetherGraphError):
    """A node of a static run failed; the original exception is the cause (`__cause__`)."""

    def __init__(self, run_id: str, node_id: str, error: str) -> None:
        self.run_id, self.node_id, self.error = run_id, node_id, error
        super().__init__(f"node {node_id!r} of run {run_id} failed: {error}")


class RunFailed(AetherGraphError):
    """A finished run is asked for its result, but it failed, and its exception's class is not loaded here."""

    def __init__(self, run_id: str, kind: str, message: str, traceback: str = "") -> None:
        self.run_id, self.kind, self.message, self.traceback = run_id, kind, message, traceback
        super().__init__(f"run {run_id} failed: {kind}: {message}; try it again with `%aether resume {run_id}`")


class RunPaused(AetherGraphError):
    """A run stopped before its end and can be resumed."""

    def __init__(self, run_id: str, why: str) -> None:
        self.run_id, self.why = run_id, why
        super().__init__(self.story(run_id, why))

    @staticmethod
    def story(run_id: str, why: str) -> str:
        """The sentence, also for errors that are not ours and only pass through."""
        how = f"go on with `%aether resume {run_id}` or `aethergraph.resume({run_id!r})`"
        return f"run {run_id} is paused ({why}); {how}"


USED_UP = "its budget is used up"  # why a run is paused, as it begins


class BudgetExceeded(RunPaused):
    """A run has used up its budget. It is paused: what it has done is kept, and a larger budget lets it go on.

    `spent` and `budget` are dicts by what is counted: "seconds" at work.
    """

    def __init__(self, run_id: str, spent: Mapping[str, float], budget: Mapping[str, float]) -> None:
        self.spent, self.budget = dict(spent), dict(budget)
        super().__init__(run_id, _used_up(spent, budget))

    @staticmethod
    def story(run_id: str, why: str) -> str:
        """The sentence."""
        return (
            f"run {run_id} is paused ({why}). What it has done is kept: go on with "
            f"`aethergraph.resume({run_id!r}, budget=SECONDS)`, the whole budget with what is spent of it"
        )


def _used_up(spent: Mapping[str, float], budget: Mapping[str, float]) -> str:
    used = ", ".join(f"{_rounded(spent.get(name, 0.0))} of {_rounded(whole)} {name}" for name, whole in budget.items())
    return f"{USED_UP}: {used} at work"


def _rounded(number: float) -> str:
    return f"{round(number, 3):,.12g}"


class RunCancelled(AetherGraphError):
    """The run was cancelled; that is final."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"run {run_id} was cancelled, which is final; start a new run, or go on from what it has done with "
            f"`load_run({run_id!r}).fork()`"
        )


class RunEnded(AetherGraphError):
    """Something was sent to a run that is over."""

    def __init__(self, run_id: str, status: str, what: str) -> None:
        self.run_id, self.status = run_id, status
        super().__init__(f"run {run_id} is {status}: nothing of it will take {what}")


class NotResumable(AetherGraphError):
    """A session was to be gone on with, tried again, forked or planned: nobody has its code but who opened it."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"{run_id} is a session: what it ran was in the block of its `async with open_session()`, so nobody can go "
            f"on with it. Open another; with the same session_id it finds what this one has remembered"
        )


class ReplayDiffers(AetherGraphError, AssertionError):
    """The body of a run, run again against its record, does something else than it did: see `testing.replay`."""

    def __init__(self, run_id: str, difference: str) -> None:
        self.run_id, self.difference = run_id, difference
        super().__init__(f"the replay of {run_id} differs from its record: {difference}")


class RunExists(AetherGraphError):
    """A run id is taken by a run of another agent or with other inputs."""

    def __init__(self, run_id: str, why: str) -> None:
        self.run_id, self.why = run_id, why
        super().__init__(
            f"run {run_id!r} exists already and {why}; leave out run_id= to start a new run, "
            f"or `resume({run_id!r})` to go on with that one"
        )


class RunIsLive(AetherGraphError):
    """Another process is running this run at the moment."""

    def __init__(self, run_id: str, owner: str) -> None:
        self.run_id, self.owner = run_id, owner
        super().__init__(
            f"run {run_id} is being run by {owner}; read it with `load_run({run_id!r})` and answer its "
            f"questions from here with `answer(token, value)`, or stop that process and resume"
        )


class Forked(AetherGraphError):
    """The engine was called in a child that was forked from the process which runs the agents."""

    def __init__(self, parent: int) -> None:
        self.parent = parent
        super().__init__(
            f"this process was forked from process {parent}, which runs the agents; nothing of them works here. Use "
            f'multiprocessing with "spawn" or "forkserver", or make a `Runtime(...)` of its own in this process'
        )


class RunSuspended(AetherGraphError):
    """An engine call came after its run was suspended, cancelled or taken over."""

    def __init__(self, run_id: str, why: str = "it is suspended") -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id} takes no more calls: {why}")


_LISTED = "`aethergraph.runs()`, or `%aether` in a notebook, lists the runs of this store"


class UnknownRun(AetherGraphError, LookupError):
    """No run of this id is in the store, or it cannot be gone on with: `why`."""

    def __init__(self, run_id: str, near: Sequence[str] = (), *, why: str = "") -> None:
        self.run_id, self.near, self.why = run_id, tuple(near), why
        hint = f"; did you mean {', '.join(near)}?" if near else f"; {_LISTED}"
        super().__init__(why or f"no run {run_id!r}{hint}")


class UnknownArtifact(AetherGraphError, LookupError):
    """No artifact of this id, or no content of this uri, is in the store."""

    def __init__(self, what: str, folder: str, near: Sequence[str] = ()) -> None:
        self.what, self.folder, self.near = what, folder, tuple(near)
        hint = f"did you mean {', '.join(near)}?" if near else "`await context.artifacts().list('all')` has them"
        super().__init__(f"no artifact {what!r} in {folder}; {hint}")


class UnknownWait(AetherGraphError, LookupError):
    """No question or event of this token is in the store, or a run does not ask what it was answered."""

    def __init__(self, token: str, story: str = "") -> None:
        self.token = token
        what = story or f"no question {token!r} in this store"
        super().__init__(f"{what}; `%aether waits` or `aethergraph.waits()` lists what is open")


class AlreadyAnswered(AetherGraphError):
    """Somebody else's answer to this question came first."""

    def __init__(self, token: str, how: str = "answered") -> None:
        self.token, self.how = token, how
        super().__init__(f"the question {token!r} was already {how}; your answer was not used")


class BadAnswer(AetherGraphError, ValueError):
    """An answer does not fit its question. The question stays open."""

    def __init__(self, why: str, *, token: str = "") -> None:
        self.why, self.token = why, token
        super().__init__(f"{why}; the question is still open" if token else why)


class WaitTimeout(AetherGraphError, TimeoutError):
    """A question's deadline passed and it has no default."""

    def __init__(self, prompt: str, timeout_s: float) -> None:
        self.prompt, self.timeout_s = prompt, timeout_s
        super().__init__(f"no answer within {timeout_s:g} s to: {prompt!r}")


class NoOneToAsk(AetherGraphError):
    """A question came up where there is neither notebook nor console nor scripted answer. It stays open."""

    def __init__(self, prompt: str, token: str, run_id: str, name: str | None = None, why: str = "") -> None:
        self.prompt, self.token, self.run_id, self.name, self.why = prompt, token, run_id, name, why
        what = f"{name}: {prompt!r}" if name else repr(prompt)
        super().__init__(
            f"nobody can be asked {what}{f' ({why})' if why else ''}. Script the answer with AETHERGRAPH_ANSWERS="
            f"'{{\"{name or prompt}\": ...}}' (or a file of that JSON), papermill's parameter `answers`, or "
            f"`with ScriptedChannel({{...}})`; or answer later with "
            f"`aethergraph.answer({token!r}, value)` and `aethergraph.resume({run_id!r})`"
        )


class ServiceUnavailable(AetherGraphError):
    """A service of the context is not configured."""

    def __init__(self, service: str, how: str) -> None:
        self.service, self.how = service, how
        super().__init__(f"context.{service}() is not available: {how}")


class NoSuchService(ServiceUnavailable, AttributeError):
    """A context has nothing of this name. An AttributeError too, so that `hasattr(context, name)` answers."""


class NotDelivered(AetherGraphError):
    """A channel did not take a message. Nothing is recorded as sent, so a resumed run sends it again."""

    def __init__(self, channel: str, why: str) -> None:
        self.channel, self.why = channel, why
        super().__init__(
            f"{channel} did not take the message: {why}. Once that is mended, resume the run (`%aether resume` or "
            f"`resume(run_id)`): what is done stays done, and the message is sent again under the same id"
        )


class NotStorable(AetherGraphError):
    """A value cannot be written to the store; the run goes on and makes it again when it is resumed."""

    def __init__(self, what: str, type_name: str, why: str) -> None:
        self.what, self.type_name, self.why = what, type_name, why
        super().__init__(f"{what} of type {type_name} cannot be stored: {why}")


class NotCacheable(AetherGraphError, TypeError):
    """A call of a tool with `cache=True` has something that cannot be compared between runs. Nothing ran."""

    def __init__(self, tool: str, what: str, names: Mapping[str, str]) -> None:
        self.tool, self.names = tool, tuple(names)
        told = ", ".join(f"{name!r} ({kind})" if kind else name for name, kind in names.items())
        how = "pass what it is made of instead" if what == "argument" else "pass it as an argument that can be compared"
        super().__init__(
            f"{tool} has cache=True, but the {what}{'s' if len(names) > 1 else ''} {told} cannot be compared with what "
            f"other runs gave it: {how}, or leave out cache=True"
        )


class NotLoadable(AetherGraphError, LookupError):
    """A stored value cannot be made here: its class, or a package it needs, is not loaded."""

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why
        super().__init__(f"a stored {what} cannot be read here: {why}")


class JournalBroken(AetherGraphError):
    """The store could not be written. Nothing new starts; what was committed is safe and can be resumed."""

    def __init__(self, folder: str, why: str) -> None:
        self.folder, self.why = folder, why
        super().__init__(f"the store {folder} cannot be written ({why}); free the disk and resume the run")


class Untrusted(AetherGraphError):
    """A pickle or stored source that this user's key did not sign. It was not loaded."""

    def __init__(self, what: str, why: str = "its signature is not yours") -> None:
        self.what = what
        super().__init__(f"{what} was not loaded: {why}; `%aether trust` shows and accepts it")


class DamagedRecord(AetherGraphError):
    """A row or blob of the store is damaged."""

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why
        super().__init__(f"{what} in the store is damaged: {why}")


class NewerStore(AetherGraphError):
    """The store was written by a newer version of aethergraph."""

    def __init__(self, folder: str, theirs: int, ours: int) -> None:
        self.folder, self.theirs, self.ours = folder, theirs, ours
        super().__init__(
            f"{folder} has format {theirs}, this aethergraph reads up to {ours}: `pip install -U aethergraph-jupyter`"
        )


class NotInNotebook(AetherGraphError):
    """Something that needs a running Jupyter kernel was used without one."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs a Jupyter kernel; in a script use `aethergraph.run(...)` instead")


class WouldBlock(AetherGraphError):
    """A blocking call was made on the loop that runs the agents; it would wait for itself."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} would block the loop that has to do the work; write {instead}")


class NoLoop(AetherGraphError):
    """`loop="kernel"` was asked for where there is no such loop."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f'loop="kernel" runs an agent on the asyncio loop of the thread that starts it, but {why}; '
            "write it in a cell or a coroutine, or leave it out: the run then has a loop of its own"
        )


class WorkerDied(AetherGraphError):
    """The worker process of a tool with `runs_in="process"` ended before it answered."""

    def __init__(self, who: str, how: str) -> None:
        self.who, self.how = who, how
        super().__init__(f"the worker process of {who} ended before it answered: {how}")

    def __reduce__(self) -> tuple[type[WorkerDied], tuple[str, str]]:
        return WorkerDied, (self.who, self.how)


class NotSendable(AetherGraphError, TypeError):
    """The function of a tool, or one of its arguments, cannot be sent to another process."""

    def __init__(self, who: str, why: str) -> None:
        self.who, self.why = who, why
        super().__init__(
            f"{who} cannot be sent to another process ({why}); give it plain values, or let it run here: "
            f'runs_in="thread"'
        )

    def __reduce__(self) -> tuple[type[NotSendable], tuple[str, str]]:
        return NotSendable, (self.who, self.why)


class SlotCycle(AetherGraphError):
    """A call waits for a slot of its tool that a call above it keeps while it waits for this one."""

    def __init__(self, waiting: str, tool: str, cap: int, holders: Sequence[str]) -> None:
        self.waiting, self.tool, self.cap, self.holders = waiting, tool, cap, tuple(holders)
        super().__init__(
            f"{waiting} waits for a slot of the tool {tool!r} (max_concurrency={cap}), and {' and '.join(holders)} "
            f"will not give theirs back before it has run: neither can ever go on. A tool keeps its own slot while it "
            f"waits for a run that it started: call `{tool}.fn(...)` there, or raise its max_concurrency"
        )


class NotAwaited(AetherGraphError):
    """The result of an async call was used before it was awaited."""

    def __init__(self, name: str, key: str | None = None) -> None:
        self.name, self.key = name, key
        read = f"{name}(...).{key}" if key else f"{name}(...)"
        super().__init__(
            f"{read} was read before it was awaited: write `out = await {name}(...)` in an `async def` body"
        )


class ExportError(AetherGraphError):
    """An agent cannot be written as a module without changing what it does; names the line."""

    def __init__(self, what: str, *, where: str = "") -> None:
        self.what, self.where = what, where
        super().__init__(f"{_place(where)}: {what}" if where else what)


def known(names: Iterable[str]) -> str:
    """`a, b, c` for messages that list what would have been right."""
    return ", ".join(sorted(names)) or "none"
