"""Changes of kv in real runs: one transaction with their fact, told in the order in which they were. Rules 4, 7, 16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aethergraph.errors import RunPaused
from aethergraph.record import facts as f
from aethergraph.record.status import RunStatus
from aethergraph.runner import gc
from aethergraph.storage.store import Transaction

from .lab import LIMIT_S, Lab

COUNTING = """
@tool(outputs=["n"])
async def count(by, *, context: NodeContext):
    ran(f"count {by}")
    return await context.kv().incr("n", by)

@tool(outputs=["n"])
def count_in_thread(by, *, context: NodeContext):
    return context.kv().incr("n", by)

@graph_fn
async def agent(*, context: NodeContext):
    kv = context.kv()
    own = [await kv.incr("n"), (await count(10)).n, (await count_in_thread(100)).n, await kv.get("n")]
    await context.channel().ask_text("Go on?")
    return [*own, await kv.incr("n", 1000), await kv.get("n")]

@graph_fn
async def racing(*, context: NodeContext):
    order = []
    async def one(by):
        order.append(await context.kv().incr("n", by))
        await count(by)
        order.append(-by)
    await asyncio.gather(*[one(by) for by in range(1, 6)])
    await context.channel().ask_text("Go on?")
    return order

@graph_fn
async def stumbling(*, context: NodeContext):
    try:
        await context.kv().incr("text")
    except TypeError as error:
        said = str(error)
    await context.channel().ask_text("Go on?")
    return said

@tool
async def broken(*, context: NodeContext):
    await context.kv().set("text", "abc")
    await context.kv().incr("text")

@graph_fn
async def failing():
    await broken()

@graph_fn
async def keeping(level, *, context: NodeContext):
    await context.kv(level).set("k", level)
"""


@pytest.fixture(autouse=True)
def cells(lab: Lab) -> None:
    lab.cell(COUNTING)


def killed_and_resumed(lab: Lab, run: Any) -> Any:
    """The outputs of a run that asks, after a kill."""
    lab.asked(run, "Go on?")
    lab.kill()
    with pytest.raises(RunPaused):
        run.result(LIMIT_S)
    again = lab.resume(run)
    lab.answer(again, "Go on?", "yes")
    return again.result(LIMIT_S)["result"]


def test_16_a_change_is_done_once_whatever_is_killed(lab: Lab) -> None:
    run = lab.start("agent")
    assert killed_and_resumed(lab, run) == [1, 11, 111, 111, 1111, 1111]
    assert lab.took() == ["count 10"]


def test_4_changes_come_in_the_order_in_which_they_came(lab: Lab) -> None:
    run = lab.start("racing")
    lab.asked(run, "Go on?")
    live = [fact.value for fact in lab.facts(run) if isinstance(fact, f.Effect)]
    order = killed_and_resumed(lab, run)
    assert sorted(order)[:5] == [-5, -4, -3, -2, -1]
    again = [fact.value for fact in lab.facts(run) if isinstance(fact, f.Effect)]
    assert again == live, "nothing was done again"


def test_what_a_body_did_wrong_is_its_own_to_catch_and_is_replayed(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def text(*, context: NodeContext):\n    await context.kv().set('text', 'abc')")
    lab.run("text")
    said = killed_and_resumed(lab, lab.start("stumbling"))
    assert said == "incr('text'): there is 'abc' (str), which is no number"


def test_what_a_tool_did_wrong_fails_its_node_and_the_run_can_be_resumed(lab: Lab) -> None:
    run = lab.start("failing")
    with pytest.raises(TypeError, match="which is no number"):
        run.result(LIMIT_S)
    assert run.status is RunStatus.FAILED
    lab.cell("@tool\nasync def broken(*, context: NodeContext):\n    await context.kv().set('text', 1)")
    assert lab.resume(run).result(LIMIT_S) == {}


def test_16_a_change_and_its_fact_are_one_transaction(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[tuple[str, ...]] = []
    plain = lab.store.transact

    def seen(*, wait: bool = True) -> Any:
        manager = plain(wait=wait)

        class Seen:
            def __enter__(self) -> Transaction:
                rows = manager.__enter__()
                keys: list[str] = []
                put = rows.set
                rows.set = lambda key, row: (keys.append(key.rpartition(":")[0]), put(key, row))[1]  # type: ignore[method-assign, assignment, return-value]
                self.keys = keys
                return rows

            def __exit__(self, *error: Any) -> Any:
                together.append(tuple(self.keys))
                return manager.__exit__(*error)

        return Seen()

    monkeypatch.setattr(lab.store, "transact", seen)
    run = lab.start("agent")
    lab.asked(run, "Go on?")
    changes = [keys for keys in together if "kv:session:" in keys]
    assert len(changes) == 3
    assert all(f"j:{run.run_id}" in keys for keys in changes)


def test_many_at_once_are_all_counted(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def many(*, context: NodeContext):
    await asyncio.gather(*[count(1) for _ in range(40)], *[context.kv().incr("n") for _ in range(40)])
    return await context.kv().get("n")
""")
    assert lab.run("many") == {"result": 80}


def test_a_change_that_is_cancelled_in_time_is_not_made_again_by_a_replay(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def hasty(*, context: NodeContext):
    task = asyncio.create_task(context.kv().incr("n"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    before = await context.kv().get("n", 0)
    await context.channel().ask_text("Go on?")
    return [task.cancelled(), before == await context.kv().get("n", 0)]
""")
    assert killed_and_resumed(lab, lab.start("hasty")) == [True, True]


def test_gc_takes_what_belonged_to_a_run_with_it(lab: Lab, tmp_path: Path) -> None:
    runs = [lab.start("keeping", level=level) for level in ("run", "session", "user", "run")]
    for run in runs:
        run.result(LIMIT_S)
    with lab.runtime.use():
        told = gc(runs=[run.run_id for run in runs[:3]], dry_run=True)
        assert told.rows_size > sum(len(key) + len(row) for key, row in lab.store.scan("kv:run:")) / 2
        gc(runs=[run.run_id for run in runs[:3]], dry_run=False)
    kept = [key for key, _ in lab.store.scan("kv:")]
    assert kept == [f"kv:run:{runs[3].run_id}:k", "kv:session::k", "kv:user::k"]


def test_a_run_that_stands_still_knows_no_change_of_another(lab: Lab) -> None:
    """Two runs take turns at one key; each has its own sums, and none is lost."""
    runs = [lab.start("racing") for _ in range(3)]
    for run in runs:
        lab.answer(run, "Go on?", "yes")
    sums = sorted(n for run in runs for n in run.result(LIMIT_S)["result"] if n > 0)
    assert len(set(sums)) == 15 and sums[-1] <= 90


def test_a_failed_change_is_tried_again_after_the_failure(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def once(*, context: NodeContext):
    return await context.kv().incr("text")
""")
    lab.cell("@graph_fn\nasync def text(what, *, context: NodeContext):\n    await context.kv().set('text', what)")
    lab.run("text", what="abc")
    run = lab.start("once")
    with pytest.raises(TypeError):
        run.result(LIMIT_S)
    lab.run("text", what=4)
    assert lab.resume(run).result(LIMIT_S) == {"result": 5}
