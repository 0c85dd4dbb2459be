"""What a resume finds again after an edit, and what its plan says before: semantics 3, 11, 12, 26."""

from __future__ import annotations

import pytest

from aethergraph.errors import AlreadyAnswered, RunExists
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab

HELPER = "LIMIT = 10\n\ndef clip(x):\n    return min(x, LIMIT)\n"
AGENT = """
@tool(outputs=["n"])
async def load():
    ran("load")
    return 25

@tool(outputs=["n"])
async def shrink(n):
    ran("shrink")
    return clip(n)

@tool(outputs=["n"])
async def show(n):
    ran("show")
    return n

@graph_fn
async def agent(*, context: NodeContext):
    n = (await load()).n
    n = (await shrink(n)).n
    n = (await show(n)).n
    good = await context.channel().ask_approval(f"Is {n} good?")
    return {"n": n, "good": good["approved"]}
"""


def _waiting(lab: Lab, text: str = AGENT) -> tuple[object, str]:
    lab.cell(HELPER)
    lab.cell(text)
    run = lab.start("agent")
    token = lab.asked(run, "Is 10 good?")
    assert lab.took() == ["load", "shrink", "show"]
    lab.kill()
    return run, token


@pytest.mark.parametrize(
    ("helper", "again"),
    [
        (HELPER.replace("min(x, LIMIT)", "min(LIMIT, x)"), ["shrink"]),  # the same value: what follows is cut off
        (HELPER.replace("10", "5 + 5"), []),  # the same constant
        (HELPER + "\n# nothing\n", []),
    ],
)
def test_11_an_edit_of_a_helper_or_constant_that_changes_no_value_keeps_the_question(
    lab: Lab, helper: str, again: list[str]
) -> None:
    run, token = _waiting(lab)
    lab.cell(helper)
    resumed = lab.resume(run)  # type: ignore[arg-type]
    assert lab.asked(resumed, "Is 10 good?") == token
    lab.runtime.answer(token, "Approve")
    assert resumed.result(LIMIT_S) == {"n": 10, "good": True}
    assert lab.took() == again


def test_26_a_constant_that_changes_the_prompt_withdraws_the_question_and_says_so(lab: Lab) -> None:
    run, token = _waiting(lab)
    lab.cell(HELPER.replace("10", "7"))
    plan = {row.node_id: (row.verdict, row.why) for row in lab.plan(run).rows}  # type: ignore[arg-type]
    assert plan["shrink"] == ("runs", "the code of shrink, or of something that it uses, changed")
    assert plan["show"] == ("may run", "it uses what shrink gives")
    assert plan["ask"][1].endswith("its code changed: it stays if the same is asked, else it is withdrawn")
    resumed = lab.resume(run)  # type: ignore[arg-type]
    new = lab.asked(resumed, "Is 7 good?")
    lab.until(resumed, lambda facts: any(isinstance(fact, f.WaitWithdrawn) for fact in facts))
    with pytest.raises(AlreadyAnswered, match="was already withdrawn"):
        lab.runtime.answer(token, "Approve")
    assert "withdrawn, since the code that asked is gone: Is 10 good?" in resumed.transcript()
    lab.runtime.answer(new, "Reject")
    assert resumed.result(LIMIT_S) == {"n": 7, "good": False}
    assert lab.took() == ["shrink", "show"]


def test_3_an_answer_given_while_the_edited_run_was_asleep_is_taken_if_the_same_is_asked(lab: Lab) -> None:
    run, token = _waiting(lab)
    lab.cell(AGENT.replace("async def show(n):", "async def show(n, times=1):"))
    lab.runtime.answer(token, "Approve")
    resumed = lab.resume(run)  # type: ignore[arg-type]
    assert resumed.result(LIMIT_S) == {"n": 10, "good": True}
    assert lab.took() == ["show"]


def test_12_the_plan_of_an_unchanged_run_says_only_that_its_question_is_open(lab: Lab) -> None:
    run, _ = _waiting(lab)
    rows = lab.plan(run).rows  # type: ignore[arg-type]
    assert [(row.node_id, row.verdict) for row in rows if row.verdict != "reused"] == [("ask", "runs")]
    assert rows[-1].why == "the question is open"


def test_12_the_plan_of_a_fork_takes_given_outputs_as_they_are(lab: Lab) -> None:
    run, _ = _waiting(lab)
    fork = lab.runtime.fork(run.run_id, at="shrink", outputs={"n": 10})  # type: ignore[attr-defined]
    lab.asked(fork, "Is 10 good?")
    lab.kill()
    lab.cell(HELPER.replace("10", "3"))
    assert lab.verdicts(fork)["shrink"] == "reused"
    lab.asked(lab.resume(fork), "Is 10 good?")
    assert lab.took() == []


def test_a_run_of_a_known_id_goes_on_with_the_same_inputs_and_is_refused_with_others(lab: Lab) -> None:
    lab.cell("@tool(outputs=['n'])\nasync def double(x):\n    ran('double')\n    return 2 * x\n")
    lab.cell(
        "@graph_fn\nasync def agent(x=1):\n    return (await double(x)).n\n\n@graph_fn\nasync def other(x=1):\n    pass"
    )
    first = lab.start("agent", run_id="mine", x=2)
    assert first.result(LIMIT_S) == {"result": 4}
    assert lab.start("agent", run_id="mine", x=2).result(LIMIT_S) == {"result": 4}
    assert lab.took() == ["double"]
    with pytest.raises(RunExists, match="run 'mine' exists already and has other inputs"):
        lab.start("agent", run_id="mine", x=3)
    with pytest.raises(RunExists, match="is a run of 'agent', not of 'other'"):
        lab.start("other", run_id="mine", x=2)
    with pytest.raises(ValueError, match="no : / or"):
        lab.start("agent", run_id="a/b")
