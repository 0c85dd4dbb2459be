"""When things are on disk: semantics 13 to 16."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aethergraph import Run, Runtime, graph_fn, tool
from aethergraph.channels.adapter import Message
from aethergraph.engine import HERE
from aethergraph.errors import JournalBroken, RunPaused
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.record.status import RunStatus
from aethergraph.scheduler import mailbox
from aethergraph.scheduler.execution import Execution
from aethergraph.scheduler.places import AttemptPlace
from aethergraph.storage import journal, roster
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.store import MemoryStore, Transaction
from aethergraph.testing import Fragile

from .lab import LIMIT_S, Lab


class Gate(MemoryStore):
    """A store whose commits wait while it is shut. It tells of each on which thread it was, and of which rows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, DiskBlobs(folder / "blobs"))
        self.began: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.commits: list[tuple[str, set[str]]] = []
        self.open = threading.Event()
        self.open.set()

    @contextmanager
    def transact(self, *, wait: bool = True) -> Iterator[Transaction]:
        """As ever, but at its own time."""
        with super().transact(wait=wait) as transaction:
            yield transaction
            assert self.open.wait(LIMIT_S)
            self.commits.append((threading.current_thread().name, set(getattr(transaction, "changed", ()))))

    def commit_of(self, prefix: str) -> tuple[str, set[str]]:
        """The last one that wrote a row of this prefix."""
        return next(commit for commit in reversed(self.commits) if any(key.startswith(prefix) for key in commit[1]))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Runtime]:
    store = Gate(tmp_path / "store")
    runtime = Runtime(store)
    with runtime.use():
        yield runtime
    store.open.set()
    runtime.close()


def history(runtime: Runtime, run_id: str) -> list[f.AnyFact]:
    return [fact for batch in journal.read(runtime.store, run_id) for fact in batch]


def _run() -> Execution:
    """The run whose tool asks."""
    place = HERE.get()
    assert isinstance(place, AttemptPlace)
    return place.handle.run


def _gate() -> Gate:
    store = _run().runtime.store
    assert isinstance(store, Gate)
    return store


def _on_disk() -> list[str]:
    """The facts of the run whose tool asks, as they are on disk now."""
    return [type(fact).__name__ for fact in history(_run().runtime, _run().run_id)]


@tool(outputs=["seen"])
async def look(after=None):
    return _on_disk()


@tool(outputs=["seen"])
def look_in_thread(after=None):
    return _on_disk()


# ---------------------------------------------------------------------- 13 start after commit


def test_13_a_tool_starts_when_all_that_it_follows_is_on_disk(gate: Runtime) -> None:
    @graph_fn
    async def agent():
        first = (await look()).seen
        second = (await look_in_thread(1)).seen
        return {"first": first, "second": second}

    out = gate.run(agent, {})
    assert out.first == ["RunStarted", "RunOpened", "NodeStarted"]
    assert out.second == ["RunStarted", "RunOpened", "NodeStarted", "NodeDone", "NodeStarted"]


def test_13_a_start_and_the_end_before_it_share_one_commit(gate: Runtime) -> None:
    @graph_fn
    async def agent():
        for step in range(5):
            await look(step)

    gate.run(agent, {})
    run_id = gate.runs()[0].run_id
    batches = [[type(fact).__name__ for fact in batch] for batch in journal.read(gate.store, run_id)]
    assert [batch for batch in batches if "NodeDone" in batch][:4] == [["NodeDone", "NodeStarted"]] * 4


def test_13_a_fan_is_started_by_one_commit(gate: Runtime) -> None:
    @graph_fn
    async def agent():
        await asyncio.gather(*(look(step) for step in range(20)))

    gate.run(agent, {})
    batches = journal.read(gate.store, gate.runs()[0].run_id)
    starts = [sum(isinstance(fact, f.NodeStarted) for fact in batch) for batch in batches]
    assert [count for count in starts if count] == [20]


@graph_fn
async def waits_after(steps: int, *, context):
    if steps == 1:
        await look()
    else:
        await asyncio.gather(*(look(step) for step in range(steps)))
    return {"got": await context.channel("inbox").ask_text("Go on?")}


@pytest.mark.parametrize("steps", [0, 1, 20])
def test_14_a_question_and_the_row_that_says_that_its_run_waits_are_one_commit(
    gate: Runtime, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "TURN_S", -1.0)  # what came before has used up the turn of the run
    store = gate.store
    assert isinstance(store, Gate)
    run = gate.start(waits_after, {"steps": steps})
    _opened(gate, run)
    assert f"r:{run.run_id}" in store.commit_of("w:")[1]
    assert roster.read(store, run.run_id).status == RunStatus.WAITING
    run.answer("yes")
    run.result(LIMIT_S)


def test_14_a_run_that_is_alone_is_written_by_its_own_loop_and_among_others_by_the_writer(gate: Runtime) -> None:
    store = gate.store
    assert isinstance(store, Gate)
    alone = gate.start(waits_after, {"steps": 1})
    _opened(gate, alone)
    assert store.commit_of("w:")[0] == "aether-loop"
    other = gate.start(waits_after, {"steps": 0})
    _opened(gate, other)
    assert store.commit_of("w:")[0] == "aether-journal"
    other.answer("yes")
    other.result(LIMIT_S)
    alone.answer("yes")
    alone.result(LIMIT_S)
    assert store.commit_of("j:")[0] == "aether-loop"


_doors: dict[str, asyncio.Event] = {}


@tool(outputs=["a"], store=False)
async def unstored():
    await _doors["unstored"].wait()
    return {"a": object()}


@tool(outputs=["b"])
async def stored():
    await _doors["stored"].wait()
    return {"b": 1}


@graph_fn
async def both():
    await asyncio.gather(unstored(), stored())


def test_14_what_ends_beside_a_node_that_is_made_again_is_on_disk_before_that_ends(lab: Lab) -> None:
    _doors.update(unstored=asyncio.Event(), stored=asyncio.Event())
    _doors["unstored"].set()
    run = lab.start(both)
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeDone) and fact.no == 1 for fact in facts))
    run.pause()
    with pytest.raises(RunPaused):
        run.result(LIMIT_S)
    _doors.update(unstored=asyncio.Event(), stored=asyncio.Event())
    _doors["stored"].set()
    run = lab.resume(run, both)
    lab.until(run, lambda facts: any(isinstance(fact, f.NodeDone) and fact.no == 2 for fact in facts))
    assert not run.future.done()
    lab.runtime.thread.call(_doors["unstored"].set)
    run.result(LIMIT_S)


def _opened(runtime: Runtime, run: Run) -> None:
    """Return once the wait of `run` is on disk."""
    there = threading.Event()
    stop = run.follow(lambda facts: any(isinstance(fact, f.WaitOpened) for fact in facts) and there.set())
    assert there.wait(LIMIT_S)
    stop()


def test_13_while_the_disk_is_busy_only_pure_tools_start(gate: Runtime) -> None:
    store = gate.store
    assert isinstance(store, Gate)

    @tool(pure=True)
    async def pure():
        _gate().began.put("pure")

    @tool
    async def impure():
        _gate().began.put("impure")

    @tool(pure=True)
    async def shut():
        _gate().open.clear()

    @graph_fn
    async def agent():
        await shut()
        calls = [impure(), pure()]
        await calls[1]
        await calls[0]

    gate.journal._average_s = 1.0  # a slow disk, so commits are left to the writer's thread
    run = gate.start(agent, {})
    assert store.began.get(timeout=LIMIT_S) == "pure"
    store.open.set()
    run.result(LIMIT_S)
    assert store.began.get(timeout=LIMIT_S) == "impure"


# ---------------------------------------------------------------------- 14 the journal


def test_14_a_store_that_breaks_stops_the_run_and_leaves_it_resumable(tmp_path: Path) -> None:
    @tool(outputs=["y"])
    async def step(x):
        return x + 1

    @graph_fn
    async def agent():
        x = 0
        for _ in range(6):
            x = (await step(x)).y
        return {"x": x}

    store = MemoryStore(tmp_path / "store", DiskBlobs(tmp_path / "blobs"))
    broken = Runtime(Fragile(store, 6))
    run = broken.start(agent, {})
    with pytest.raises(JournalBroken, match="cannot be written"):
        run.result(LIMIT_S)
    broken.close()
    healthy = Runtime(store)
    try:
        flow = Flow.of(history(healthy, run.run_id))
        assert 0 < len(flow.nodes) < 6
        assert healthy.load(run.run_id).status is RunStatus.PAUSED
        assert healthy.resume(run.run_id, agent=agent).result(LIMIT_S) == {"x": 6}
    finally:
        healthy.close()


# ---------------------------------------------------------------------- 16 effects

SENDING = """
@tool(outputs=["y"])
async def step(x):
    ran(f"step {x}")
    return x
@graph_fn
async def agent(*, context):
    await context.channel("outside").send_text("hello")
    await step(1)
    await context.channel().ask_text("go on?")
    await context.channel("outside").send_text("bye")
"""


class Outside:
    """A channel to the outside world that counts."""

    stores = False
    ask = None

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.sent: list[tuple[str, str]] = []
        self.before: list[list[str]] = []
        self.dies: threading.Event | None = None

    async def send(self, message: Message, id: str) -> None:
        self.sent.append((message.text, id))
        self.before.append([type(fact).__name__ for fact in history(self.runtime, message.run_id)])
        if self.dies is not None:
            self.dies.set()
            await asyncio.Event().wait()


def test_16_a_message_is_sent_after_its_intent_and_not_again(lab: Lab) -> None:
    lab.cell(SENDING)
    outside = Outside(lab.runtime)
    lab.runtime.bus.register("outside", outside)
    run = lab.start("agent")
    lab.asked(run, "go on?")
    assert [text for text, _ in outside.sent] == ["hello"]
    assert outside.before == [["RunStarted", "RunOpened", "EffectIntended"]]
    lab.kill()
    outside = Outside(lab.runtime)
    lab.runtime.bus.register("outside", outside)
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    resumed.result(LIMIT_S)
    assert [text for text, _ in outside.sent] == ["bye"]


def test_16_a_message_without_its_done_is_sent_again_under_the_same_id(lab: Lab) -> None:
    lab.cell(SENDING)
    outside = Outside(lab.runtime)
    outside.dies = threading.Event()
    lab.runtime.bus.register("outside", outside)
    run = lab.start("agent")
    assert outside.dies.wait(LIMIT_S)
    lab.kill()
    again = Outside(lab.runtime)
    lab.runtime.bus.register("outside", again)
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    resumed.result(LIMIT_S)
    assert [text for text, _ in again.sent] == ["hello", "bye"]
    assert again.sent[0] == outside.sent[0]


def test_16_a_message_that_could_not_be_sent_fails_as_it_did(lab: Lab) -> None:
    class Down(Outside):
        async def send(self, message: Message, id: str) -> None:
            raise ConnectionError("down")

    lab.cell("""
@graph_fn
async def agent(*, context):
    try:
        await context.channel("outside").send_text("hello")
        said = "sent"
    except ConnectionError as error:
        said = str(error)
    await context.channel().ask_text("go on?")
    return {"said": said}
""")
    lab.runtime.bus.register("outside", Down(lab.runtime))
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    lab.runtime.bus.register("outside", Outside(lab.runtime))
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S) == {"said": "down"}


def test_16_logs_and_plots_of_a_node_that_runs_again_are_those_of_its_last_run(lab: Lab) -> None:
    lab.cell("""
@tool
def fit(*, context):
    context.viz().scalar("loss", 0, 2.0 if flag("WORSE") else 1.0)
@graph_fn
async def agent(*, context):
    await fit()
    await context.channel().ask_text("go on?")
""")
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    lab.cell("""
@tool
def fit(*, context):
    context.viz().scalar("loss", 0, 0.5)
""")
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    resumed.result(LIMIT_S)
    (line,) = resumed.plot("loss").axes[0].lines
    assert list(line.get_ydata()) == [0.5]


def test_16_a_saved_artifact_is_there_once_however_often_the_run_dies(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    art = await context.artifacts().save_text("text", name="a.txt")
    await context.channel().ask_text("go on?")
    return {"uri": art.uri}
""")
    run = lab.start("agent")
    lab.asked(run, "go on?")
    for _ in range(2):
        lab.kill()
        resumed = lab.resume(run)
        lab.asked(resumed, "go on?")
    lab.answer(resumed, "go on?", "yes")
    resumed.result(LIMIT_S)
    assert [one.name for one in resumed.artifacts] == ["a.txt"]
