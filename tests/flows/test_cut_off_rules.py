"""What runs again after an edit, over several processes and through nested graphs: semantics 11."""

from __future__ import annotations

import pytest

from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab

STEPS = """
@tool(outputs=["ok"])
async def write(*, context: NodeContext):
    ran("write")
    return True

@tool(outputs=["ok"])
async def read():
    ran("read")
    return True

@graph_fn
async def work(*, context: NodeContext):
    await write()
    if flag("HOLD"):
        await asyncio.Event().wait()
    await read()
    return await context.channel().ask_text("Done?")
"""


def test_11_what_follows_a_node_that_ran_again_does_so_too_even_if_the_process_died_in_between(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.cell(STEPS)
    run = lab.start("work")
    lab.asked(run, "Done?")
    assert lab.took() == ["write", "read"]
    lab.kill()
    lab.cell(STEPS.replace("    return True", "    return 1 == 1", 1))
    monkeypatch.setenv("HOLD", "1")
    again = lab.resume(run)
    lab.until(again, lambda facts: len([fact for fact in facts if isinstance(fact, f.NodeDone)]) == 3)
    assert lab.took() == ["write"]
    lab.kill()
    monkeypatch.delenv("HOLD")
    again = lab.resume(run)
    lab.asked(again, "Done?")
    assert lab.took() == ["read"], "it was made before the second write"
    lab.kill()
    again = lab.resume(run)
    lab.answer(again, "Done?", "yes")
    again.result(LIMIT_S)
    assert lab.took() == []


NESTED = STEPS.replace("    await write()\n", "    await inner()\n").replace(
    "@graph_fn\n",
    """@graph_fn
async def inner():
    await write()

@graph_fn
""",
)


def test_11_what_follows_a_nested_graph_in_which_a_node_ran_again_does_so_too(lab: Lab) -> None:
    lab.cell(NESTED)
    run = lab.start("work")
    lab.asked(run, "Done?")
    assert lab.took() == ["write", "read"]
    lab.kill()
    lab.cell(NESTED.replace("    return True", "    return 1 == 1", 1))
    again = lab.resume(run)
    lab.answer(again, "Done?", "yes")
    again.result(LIMIT_S)
    assert lab.took() == ["write", "read"]


def test_11_a_nested_graph_whose_text_alone_changed_makes_nothing_run_again(lab: Lab) -> None:
    lab.cell(NESTED)
    run = lab.start("work")
    lab.asked(run, "Done?")
    lab.took()
    for times in (1, 2):
        lab.kill()
        lab.cell(NESTED.replace("    await write()\n", f"    here = {times}\n    await write()\n"))
        again = lab.resume(run)
        lab.asked(again, "Done?")
        assert lab.took() == []
