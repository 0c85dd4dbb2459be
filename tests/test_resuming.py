"""Which code a run goes on with, and the plan of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.errors import UnknownRun
from aethergraph.lifecycle.resuming import MAY_RUN, REUSED, RUNS, Plan, PlanRow, callees
from tests.flows.lab import LIMIT_S, PRELUDE, Lab, laboratory

CELLS = """
FACTOR = 2
def times(x):
    return FACTOR * x
@tool(outputs=["y"])
async def scale(x):
    logging.getLogger("ran").info(f"scale {x}")  # a bound method as a global is nothing that source can carry
    return times(x)
@graph_fn
async def inner(x):
    return {"y": (await scale(x)).y}
@graph_fn
async def agent(x, *, context):
    first = (await inner(x)).y
    await context.channel().ask_text("go on?")
    return {"first": first, "second": (await inner(first)).y}
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store") as made:
        yield made


def killed(lab: Lab) -> str:
    """A run that was killed at its question; the new kernel has run no cell."""
    lab.cell(CELLS)
    run = lab.start("agent", x=3)
    lab.asked(run, "go on?")
    lab.kill()
    for name in [name for name in lab.cells.names if not name.startswith("__")]:
        del lab.cells.names[name]
    lab.took()
    return run.run_id


def finish(lab: Lab, run_id: str) -> dict[str, object]:
    resumed = lab.runtime.resume(run_id, namespace=lab.cells.names)
    lab.answer(resumed, "go on?", "yes")
    return dict(resumed.result(LIMIT_S))


def test_a_fresh_kernel_goes_on_with_the_stored_code(lab: Lab) -> None:
    run_id = killed(lab)
    assert lab.runtime.plan(run_id, lab.cells.names).count(RUNS) == 1  # the question
    assert finish(lab, run_id) == {"first": 6, "second": 12}
    assert lab.took() == ["scale 6"]


@pytest.mark.parametrize(
    ("cell", "second"),
    [
        ("@tool(outputs=['y'])\nasync def scale(x):\n    ran(f'new {x}')\n    return 100 * x", 30_000),
        ("FACTOR = 10", 300),
        ("def times(x):\n    return x + 1", 5),
    ],
)
def test_what_was_defined_anew_wins_name_by_name(lab: Lab, cell: str, second: int) -> None:
    run_id = killed(lab)
    lab.cell(PRELUDE + cell)
    assert "scale" in [row.callee for row in lab.runtime.plan(run_id, lab.cells.names).rows if row.verdict == RUNS]
    assert finish(lab, run_id)["second"] == second
    assert len(lab.took()) == 2


def test_the_stored_code_is_asked_for_only_where_it_is_needed(lab: Lab) -> None:
    run_id = killed(lab)
    lab.cell(PRELUDE + CELLS)
    with lab.store.transact() as rows:
        for key, _ in list(lab.store.scan("d:")):
            rows.delete(key)
    assert finish(lab, run_id) == {"first": 6, "second": 12}


def test_a_run_whose_beginning_is_not_there_is_unknown(lab: Lab) -> None:
    run_id = killed(lab)
    with lab.store.transact() as rows:
        for key, _ in list(lab.store.scan(f"j:{run_id}:")):
            rows.delete(key)
    with pytest.raises(UnknownRun, match=f"no run '{run_id}'"):
        lab.runtime.resume(run_id, namespace=lab.cells.names)


def test_the_callees_of_an_agent_are_found_through_helpers_and_closures(lab: Lab) -> None:
    lab.cell("""
@tool
def one(): ...
@tool
def two(): ...
@tool(name="three")
def third(): ...
@tool
def unused(): ...
def helper():
    return [two() for _ in range(2)]
def make():
    inside = third
    @graph_fn
    async def agent():
        one()
        helper()
        inside()
    return agent
made = make()
""")
    tools = ["one", "three", "two"]
    assert sorted(callees(lab.cells["made"])) == sorted(["agent", *tools, *(f"{name}.map" for name in tools)])


def test_a_plan_reads_as_a_few_lines() -> None:
    rows = [PlanRow("load", "load", REUSED), PlanRow("fit", "fit", RUNS, "it was not finished")]
    rows += [PlanRow(f"score-{n}", "score", MAY_RUN, "it uses what fit gives") for n in range(3)]
    assert Plan(rows, ["a note"]).text(most=2).splitlines() == [
        "1 reused, 1 to run, 3 may run",
        "  fit      runs: it was not finished",
        "  score-0  may run: it uses what fit gives",
        "  ... and 2 more",
        "  a note",
    ]
    assert Plan([]).text() == "nothing was recorded yet: it starts from the top"
