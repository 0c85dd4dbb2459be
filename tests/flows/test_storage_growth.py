"""What a run takes in the store grows with its nodes, and with nothing else."""

from __future__ import annotations

import sys

import pytest

from .lab import LIMIT_S, Lab

AGENT = """
@tool(outputs=["n"], pure=True)
async def add(n):
    return n + 1

@tool(outputs=["n"])
async def talk(n):
    for line in range(20):
        print(f"line {line} of {n}")
    return n + 1

@graph_fn
async def chain(steps):
    n = 0
    for _ in range(steps):
        n = (await add(n)).n
    return n

@graph_fn
async def fan(steps):
    return len(await asyncio.gather(*[add(n) for n in range(steps)]))

@graph_fn
async def chatty(*, context: NodeContext):
    n = 0
    for _ in range(10):
        print("so far:", n)
        n = (await talk(n)).n
    await context.channel().ask_text("Go on?")
"""


def _bytes(lab: Lab) -> int:
    return sum(len(key) + len(row) for key, row in lab.store.scan(""))


@pytest.mark.parametrize("agent", ["chain", "fan"])
def test_ten_times_the_nodes_take_ten_times_the_room(lab: Lab, agent: str) -> None:
    lab.cell(AGENT)
    sizes = []
    for steps in (100, 1000):
        before = _bytes(lab)
        lab.run(agent, steps=steps)
        sizes.append(_bytes(lab) - before)
    assert sizes[1] < 11 * sizes[0]
    assert sizes[1] < 1000 * 512, "half a KiB a node"


def test_each_resume_of_a_chatty_run_takes_as_much_as_the_one_before(lab: Lab) -> None:
    lab.cell(AGENT)
    run = lab.start("chatty")
    sizes = []
    for _ in range(12):
        lab.asked(run, "Go on?")
        lab.kill()
        sizes.append(_bytes(lab))
        run = lab.resume(run)
    grown = [after - before for before, after in zip(sizes, sizes[1:], strict=False)]
    assert max(grown) <= 1.2 * min(grown) and max(grown) < sizes[0]
    lab.answer(run, "Go on?", "yes")
    run.result(LIMIT_S)


def test_forks_share_contents_and_each_takes_no_more_than_its_parent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its list is large enough to block the loop of a busy machine, and the note of that is no part of what forks take.
    monkeypatch.setattr("aethergraph.scheduler.watchdog.LOOKS", sys.maxsize)
    lab.cell(AGENT + "\n@graph_fn\nasync def large():\n    return [(await add(0)).n] * 1_000_000\n")
    run = lab.start("large")
    run.result(LIMIT_S)
    contents = sum(path.stat().st_size for path in (lab.store.folder / "blobs").rglob("*") if path.is_file())
    sizes = [_bytes(lab)]
    for _ in range(5):
        run = run.fork()
        run.result(LIMIT_S)
        sizes.append(_bytes(lab))
    grown = [after - before for before, after in zip(sizes, sizes[1:], strict=False)]
    assert max(grown) < 2 * min(grown)
    after = sum(path.stat().st_size for path in (lab.store.folder / "blobs").rglob("*") if path.is_file())
    assert after == contents
