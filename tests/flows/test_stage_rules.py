"""Dual-stage tools: semantics 3, 17, 19, 20, 21, 22 and 26."""

from __future__ import annotations

from pathlib import Path

import pytest

from aethergraph import WaitSpec
from aethergraph.errors import AlreadyAnswered, BadAnswer, NoOneToAsk, UnknownWait, WaitTimeout
from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.testing import ScriptedChannel

from .lab import LIMIT_S, Lab, laboratory

IMPORTS = "from aethergraph import DualStageTool, WaitSpec, graphify\n"
JOB = (
    IMPORTS
    + """
@tool(outputs=["model", "size"], retries=2, backoff_s=0.001)
class Train(DualStageTool):
    async def setup(self, n, *, context):
        ran(f"setup {n} {context.continuation_token}")
        return WaitSpec("the job", timeout_s=3600)
    async def on_resume(self, payload, *, n, context):
        ran(f"resumed {n} {payload}")
        return {"model": payload["model"], "size": 10 * n}
@graph_fn
async def agent(*, context):
    out = await Train(4)
    return {"model": out.model, "size": out.size}
"""
)


def started(lab: Lab, agent: str = "agent") -> tuple[str, object]:
    """The token that setup was given, once the wait is open, and the run."""
    run = lab.start(agent)
    return lab.asked(run, "the job"), run


def kinds(facts: list[f.AnyFact], *wanted: type) -> list[str]:
    return [type(fact).__name__ for fact in facts if isinstance(fact, wanted)]


def test_a_class_waits_between_its_stages_and_gets_its_inputs_back(lab: Lab) -> None:
    """Rule 20: the token that setup has is the one that is answered."""
    lab.cell(JOB)
    token, run = started(lab)
    assert lab.took() == [f"setup 4 {token}"]
    assert lab.runtime.waits()[0].kind == "external"
    lab.runtime.answer(token, {"model": "svm"})
    assert run.result(LIMIT_S) == {"model": "svm", "size": 40}
    assert lab.took() == ["resumed 4 {'model': 'svm'}"]
    assert [node.node_id for node in run.nodes] == ["Train", "wait", "Train.setup", "Train.on_resume"]


def test_20_the_token_is_on_disk_before_setup_runs(lab: Lab) -> None:
    lab.cell(JOB)
    token, run = started(lab)
    facts = lab.facts(run)
    reserved = next(i for i, fact in enumerate(facts) if isinstance(fact, f.WaitReserved))
    setup = next(i for i, fact in enumerate(facts) if isinstance(fact, f.NodeStarted) and fact.callee == "Train.setup")
    assert reserved < setup and facts[reserved].token == token
    lab.runtime.answer(token, {"model": "svm"})
    run.result(LIMIT_S)


def test_20_a_kill_does_not_run_setup_again(lab: Lab) -> None:
    lab.cell(JOB)
    token, run = started(lab)
    for _ in range(2):
        lab.kill()
        run = lab.resume(run)
        assert lab.asked(run, "the job") == token
    lab.runtime.answer(token, {"model": "svm"})
    assert run.result(LIMIT_S).model == "svm"
    assert [line.split()[0] for line in lab.took()] == ["setup", "resumed"]


def test_20_an_answer_that_comes_before_the_wait_opens_is_kept_for_it(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
from aethergraph import answer
@tool(outputs=["y"])
async def submit(*, context) -> WaitSpec:
    answer(context.continuation_token, {"y": 5}, answer_id="callback")
    answer(context.continuation_token, {"y": 6}, answer_id="callback")
    return WaitSpec("the job")
@graph_fn
async def agent(*, context):
    return {"y": (await submit()).y}
"""
    )
    assert lab.run("agent") == {"y": 5}


def test_20_a_kept_answer_that_does_not_fit_the_question_is_refused_when_that_opens(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
from aethergraph import answer
@tool(outputs=["y"])
async def submit(*, context) -> WaitSpec:
    answer(context.continuation_token, "many")
    return WaitSpec("how many?", "number", min=0)
@graph_fn
async def agent(*, context):
    return {"y": (await submit()).y}
"""
    )
    run = lab.start("agent")
    token = lab.asked(run, "how many?")
    (refused,) = [
        fact
        for fact in lab.until(run, lambda facts: bool(kinds(facts, f.WaitRefused)))
        if isinstance(fact, f.WaitRefused)
    ]
    assert refused.why == "'many' is not a number"
    lab.runtime.answer(token, 3)
    assert run.result(LIMIT_S) == {"y": 3}


def test_a_function_with_a_second_stage(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
def submit(x, scale=2) -> WaitSpec:
    ran(f"submit {x}")
    return WaitSpec("which?", kind="choice", options=["a", "b"], name="pick")
@submit.on_resume
def submit(payload, scale, x):
    return f"{payload} {x} {scale}"
@graph_fn
async def agent(*, context):
    return {"y": (await submit(3)).y}
"""
    )
    with ScriptedChannel({"pick": "b"}):
        assert lab.run("agent") == {"y": "b 3 2"}
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    with pytest.raises(BadAnswer, match="'c' is none of"):
        lab.runtime.answer(token, "c")
    lab.runtime.answer(token, "a")
    assert run.result(LIMIT_S) == {"y": "a 3 2"}
    assert not kinds(lab.facts(run), f.WaitReserved)  # without a context, setup can tell nobody of the token


def test_without_a_second_stage_the_answer_is_the_output(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["answer"])
def ask(x) -> WaitSpec:
    return WaitSpec("how many?", "number")
@graph_fn
async def agent(*, context):
    return {"y": (await ask(1)).answer}
"""
    )
    with ScriptedChannel([7]):
        assert lab.run("agent") == {"y": 7}


def test_setup_may_end_it_at_once(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
async def cached(x, *, context) -> WaitSpec | dict:
    return {"y": x + 1}
@graph_fn
async def agent(*, context):
    return {"y": (await cached(1)).y}
"""
    )
    run = lab.start("agent")
    assert run.result(LIMIT_S) == {"y": 2}
    (withdrawn,) = [fact for fact in lab.facts(run) if isinstance(fact, f.WaitWithdrawn)]
    token = next(fact.token for fact in lab.facts(run) if isinstance(fact, f.WaitReserved))
    with pytest.raises(AlreadyAnswered, match="already withdrawn"):
        lab.runtime.answer(token, 1)
    assert run.flow().nodes[withdrawn.no - 1].status is NodeStatus.CANCELLED


def test_a_second_stage_may_wait_again(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
class Review(DualStageTool):
    def setup(self, x):
        ran("setup")
        return WaitSpec("first?", "text")
    async def on_resume(self, payload, *, context):
        ran(f"resumed {payload}")
        if payload == "again":
            token = (await context.create_continuation()).token
            ran(token)
            return WaitSpec("once more?")
        return {"y": payload}
@graph_fn
async def agent(*, context):
    return {"y": (await Review(1)).y}
"""
    )
    run = lab.start("agent")
    lab.answer(run, "first?", "again")
    token = lab.asked(run, "once more?")
    assert lab.took() == ["setup", "resumed again", token]
    lab.kill()
    run = lab.resume(run)
    assert lab.asked(run, "once more?") == token
    lab.runtime.answer(token, "again")
    lab.until(run, lambda facts: len(kinds(facts, f.WaitOpened)) == 3)
    lab.answer(run, "once more?", "enough")
    assert run.result(LIMIT_S) == {"y": "enough"}


def test_while_it_waits_it_holds_no_slot_no_task_and_no_coroutine(lab: Lab) -> None:
    lab.cell(
        JOB
        + """
@graph_fn(max_concurrency=1)
async def many(*, context):
    jobs = [Train(n) for n in range(3)]
    return {"sizes": [(await job).size for job in jobs]}
"""
    )
    run = lab.start("many")
    lab.until(run, lambda facts: len(kinds(facts, f.WaitOpened)) == 3)
    assert run.status is RunStatus.WAITING
    assert run.execution is not None and not run.execution.attempts.busy
    tasks = [handle.task for handle in run.execution.live if handle.callee == "Train"]
    assert len(tasks) == 3 and not any(hasattr(task, "get_coro") for task in tasks)
    for wait in run.waits:
        lab.runtime.answer(wait.token, {"model": wait.node_id})
    assert run.result(LIMIT_S) == {"sizes": [0, 10, 20]}


def test_24_a_run_whose_stages_wait_leaves_memory_and_writes_nothing_when_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    with laboratory(tmp_path / "store", park_after_s=0.0) as lab:
        lab.cell(
            JOB
            + """
@graph_fn
async def whole(*, context):
    a, b = await asyncio.gather(Train(1), Train(2))
    return {"sizes": [a.size, b.size]}
"""
        )
        run = lab.start("whole")
        lab.until(run, lambda facts: len(kinds(facts, f.WaitOpened)) == 2)
        lab.parked(run)
        first, second = run.waits
        before = len(lab.facts(run))
        lab.runtime.answer(first.token, {"model": "svm"})
        lab.until(
            run, lambda facts: sum(x.callee == "Train.on_resume" for x in facts if isinstance(x, f.NodeStarted)) == 1
        )
        lab.until(run, lambda facts: len(kinds(facts, f.NodeDone)) == 5)
        lab.parked(run)
        new = kinds(lab.facts(run)[before:], *[type(fact) for fact in lab.facts(run)])
        assert new == ["NodeDone", "NodeStarted", "NodeDone", "NodeDone"]  # answer, second stage, its end, the node's
        lab.runtime.answer(second.token, {"model": "svm"})
        assert run.result(LIMIT_S) == {"sizes": [10, 20]}
        assert sum(line.startswith("setup") for line in lab.took()) == 2


def test_24_a_run_that_polls_stays_in_memory_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with laboratory(tmp_path / "store", park_after_s=0.0) as lab:
        lab.cell(POLLING)
        run = lab.start("agent")
        lab.asked(run, "the job")
        assert lab.stays(run) == "somebody is out asking 'the job' for it"
        monkeypatch.setenv("READY", "1")
        assert run.result(LIMIT_S) == {"y": 2}


# ---------------------------------------------------------------------- retries and failures


def test_19_a_retry_of_the_second_stage_gets_the_same_answer(lab: Lab) -> None:
    lab.cell(
        JOB.replace(
            'ran(f"resumed {n} {payload}")',
            'ran(f"attempt {context.attempt}")\n        if context.attempt < 3: raise OSError("busy")',
        )
    )
    token, run = started(lab)
    lab.took()
    lab.runtime.answer(token, {"model": "svm"})
    assert run.result(LIMIT_S).model == "svm"
    assert lab.took() == ["attempt 1", "attempt 2", "attempt 3"]


def test_17_after_a_failure_only_the_second_stage_is_tried_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "1")
    lab.cell(
        JOB.replace(
            'ran(f"resumed {n} {payload}")',
            'ran("resumed")\n        if flag("BROKEN"): raise ValueError("bad payload")',
        )
    )
    token, run = started(lab)
    lab.runtime.answer(token, {"model": "svm"})
    with pytest.raises(ValueError, match="bad payload"):
        run.result(LIMIT_S)
    lab.took()
    monkeypatch.delenv("BROKEN")
    assert lab.resume(run).result(LIMIT_S).model == "svm"
    assert lab.took() == ["resumed"]


def test_a_setup_that_fails_is_tried_again_with_the_same_token(lab: Lab) -> None:
    lab.cell(
        JOB.replace(
            'return WaitSpec("the job"', 'if context.attempt < 3: raise OSError\n        return WaitSpec("the job"'
        )
    )
    token, run = started(lab)
    assert lab.took() == [f"setup 4 {token}"] * 3
    lab.runtime.answer(token, {"model": "svm"})
    run.result(LIMIT_S)


def test_22_a_deadline_takes_the_default_or_fails_the_node(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
def ask(spare) -> WaitSpec:
    return WaitSpec("name?", "text", timeout_s=0.05, default=spare)
@graph_fn
async def agent(spare, *, context):
    return {"y": (await ask(spare)).y}
"""
    )
    assert lab.run("agent", spare="nobody") == {"y": "nobody"}
    run = lab.start("agent", spare=None)
    with pytest.raises(WaitTimeout, match=r"no answer within 0.05 s to: 'name\?'"):
        run.result(LIMIT_S)
    assert run.nodes[0].status is NodeStatus.FAILED


def test_18_where_nobody_can_be_asked_the_question_stays_open(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"], retries=3)
def ask() -> WaitSpec:
    ran("setup")
    return WaitSpec("name?", "text")
@graph_fn
async def agent(*, context):
    return {"y": (await ask()).y}
"""
    )
    with ScriptedChannel({}):
        run = lab.start("agent")
        with pytest.raises(NoOneToAsk):
            run.result(LIMIT_S)
    assert lab.runtime.load(run.run_id).status is RunStatus.PAUSED
    lab.answer(run, "name?", "Ada")
    assert lab.resume(run).result(LIMIT_S) == {"y": "Ada"}
    assert lab.took() == ["setup"]


# ---------------------------------------------------------------------- edits


def test_3_an_edit_of_the_second_stage_keeps_the_wait(lab: Lab) -> None:
    lab.cell(JOB)
    token, run = started(lab)
    lab.kill()
    lab.cell(JOB.replace("10 * n", "1000 * n"))
    run = lab.resume(run)
    assert lab.asked(run, "the job") == token
    lab.runtime.answer(token, {"model": "svm"})
    assert run.result(LIMIT_S).size == 4000
    assert [line.split()[0] for line in lab.took()] == ["setup", "resumed"]


def test_20_an_edit_of_setup_while_it_waits_runs_nothing_and_says_so(lab: Lab) -> None:
    lab.cell(JOB)
    token, run = started(lab)
    lab.kill()
    lab.cell(JOB.replace('WaitSpec("the job"', 'WaitSpec("another job"'))
    run = lab.resume(run)
    said = [
        fact
        for fact in lab.until(run, lambda facts: bool(kinds(facts, f.Noted)))
        if isinstance(fact, f.Noted) and b"setup is not run again" in fact.data
    ]
    assert said
    assert lab.asked(run, "the job") == token
    lab.runtime.answer(token, {"model": "svm"})
    run.result(LIMIT_S)
    assert [line.split()[0] for line in lab.took()] == ["setup", "resumed"]


ENDS = """
@graph_fn
async def agent(*, context):
    y = (await ask(2)).y
    await context.channel().ask_text("go on?")
    return {"y": y}
"""
ASK = """
@tool(outputs=["y"])
class ask(DualStageTool):
    def setup(self, x, *, context):
        ran("setup")
        return WaitSpec("name?", "text")
    def on_resume(self, payload, x):
        ran("resumed")
        return {"y": payload * x}
"""


@pytest.mark.parametrize(
    ("edit", "runs", "y"),
    [
        (("payload * x", "payload + str(x)"), ["resumed"], "Ada2"),
        (('ran("setup")', 'ran("set up")'), ["set up", "resumed"], "AdaAda"),
        (('"name?"', '"your name?"'), ["setup", "resumed"], "BobBob"),
    ],
)
def test_3_a_finished_node_does_again_what_was_edited_and_keeps_an_answer_to_the_same_question(
    lab: Lab, edit: tuple[str, str], runs: list[str], y: str
) -> None:
    lab.cell(IMPORTS + ASK + ENDS)
    run = lab.start("agent")
    lab.answer(run, "name?", "Ada")
    lab.asked(run, "go on?")
    lab.took()
    lab.kill()
    lab.cell(ASK.replace(*edit))
    run = lab.resume(run)
    if y == "BobBob":
        lab.answer(run, "your name?", "Bob")
    lab.answer(run, "go on?", "yes")
    assert run.result(LIMIT_S) == {"y": y}
    assert lab.took() == runs
    lab.kill()
    assert dict(lab.runtime.load(run.run_id).outputs) == {"y": y}


def test_3_the_answer_of_another_system_is_not_taken_for_a_job_that_is_submitted_anew(lab: Lab) -> None:
    lab.cell(IMPORTS + ASK.replace('"name?", "text"', '"the job"') + ENDS)
    run = lab.start("agent")
    first = lab.asked(run, "the job")
    lab.runtime.answer(first, "Ada")
    lab.asked(run, "go on?")
    lab.kill()
    lab.cell(ASK.replace('"name?", "text"', '"the job"').replace('ran("setup")', 'ran("set up")'))
    run = lab.resume(run)
    second = lab.asked(run, "the job")
    assert second != first
    with pytest.raises(AlreadyAnswered):
        lab.runtime.answer(first, "late")
    lab.runtime.answer(second, "Bob")
    lab.answer(run, "go on?", "yes")
    assert run.result(LIMIT_S) == {"y": "BobBob"}


def test_26_a_tool_that_was_renamed_leaves_no_open_wait_behind(lab: Lab) -> None:
    """Fault 2 of LangGraph: the wait was gone without a message."""
    lab.cell(JOB)
    token, run = started(lab)
    lab.kill()
    lab.cell(JOB.replace("Train", "Learn"))
    run = lab.resume(run)
    lab.until(run, lambda facts: any(isinstance(x, f.WaitWithdrawn) and "gone" in x.why for x in facts))
    with pytest.raises(AlreadyAnswered, match="already withdrawn"):
        lab.runtime.answer(token, {"model": "old"})
    lab.answer(run, "the job", {"model": "new"})
    assert run.result(LIMIT_S).model == "new"


# ---------------------------------------------------------------------- where it is called


def test_it_works_in_static_graphs_maps_and_nested_agents(lab: Lab) -> None:
    lab.cell(
        JOB
        + """
@graphify
def pipeline(n):
    out = Train(n=n)
    return {"model": out.model}
@graph_fn
async def whole(*, context):
    mapped = Train.map([1, 2])
    nested = await pipeline(3)
    return {"sizes": (await mapped).size, "model": nested.model}
"""
    )
    run = lab.start("whole")
    lab.until(run, lambda facts: len(kinds(facts, f.WaitOpened)) == 3)
    lab.kill()
    run = lab.resume(run)
    lab.until(run, lambda facts: len(kinds(facts, f.RunOpened)) == 2)
    assert len(run.waits) == 3
    for wait in run.waits:
        lab.runtime.answer(wait.token, {"model": "svm"})
    assert run.result(LIMIT_S) == {"sizes": [10, 20], "model": "svm"}
    assert sum(line.startswith("setup") for line in lab.took()) == 3


def test_26_a_body_that_gives_it_up_withdraws_its_wait(lab: Lab) -> None:
    lab.cell(
        JOB
        + """
@graph_fn
async def hasty(*, context):
    try:
        async with asyncio.timeout(0.05):
            await Train(1)
    except TimeoutError:
        pass
    await context.channel().ask_text("go on?")
"""
    )
    run = lab.start("hasty")
    lab.asked(run, "go on?")
    assert [wait.prompt for wait in lab.runtime.waits()] == ["go on?"]
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, "go on?", "yes")
    run.result(LIMIT_S)
    assert [line.split()[0] for line in lab.took()] == ["setup"]


def test_outside_a_body_it_says_where_it_can_wait(lab: Lab) -> None:
    lab.cell(JOB)
    with pytest.raises(TypeError, match="Train is a dual-stage tool and can wait only as a node: call it in the body"):
        lab.cells["Train"](1)


def test_a_plain_tool_says_how_to_become_one(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + "@tool\ndef plain(x):\n    return WaitSpec('x')\n@graph_fn\nasync def agent(*, context):\n    await plain(1)"
    )
    with pytest.raises(TypeError, match=r"plain returned a WaitSpec: annotate it, `def plain\(\.\.\.\) -> WaitSpec`"):
        lab.run("agent")
    with pytest.raises(TypeError, match="plain is no dual-stage tool, so it has no on_resume: annotate its return"):
        lab.cells["plain"].on_resume(print)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (WaitSpec("which?", "choice"), "has no options"),
        (WaitSpec("which?", options=["a"]), "options of 'which\\?' are for kind=\"choice\""),
        (WaitSpec("", "text"), "needs a prompt"),
        (WaitSpec("n?", "number", min=2, max=1), "min=2 is above max=1"),
        (WaitSpec("n?", "nonsense"), "expected one of 'text'"),
        (WaitSpec("n?", default=object()), "does not fit"),
        (WaitSpec("n?", timeout_s=-1), "is not above 0"),
    ],
)
def test_a_spec_that_nothing_can_answer_is_refused(spec: WaitSpec, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        spec.question("fit")


def test_a_spec_fails_at_its_node(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
def ask() -> WaitSpec:
    return WaitSpec("which?", "choice")
@graph_fn
async def agent(*, context):
    await ask()
"""
    )
    run = lab.start("agent")
    with pytest.raises(ValueError, match="'which\\?' has no options to choose from"):
        run.result(LIMIT_S)
    assert [(n.node_id, n.status) for n in run.nodes] == [("ask", "failed"), ("ask.setup", "failed")]


FUNCTION = (
    IMPORTS
    + """
OFFSET = 100
def helper(x):
    return x + OFFSET
@tool(outputs=["y"])
async def submit(x, *, context) -> WaitSpec:
    return WaitSpec("the job")
@submit.on_resume
async def finish(payload, x):
    return {"y": helper(payload) + x}
@graph_fn
async def agent(*, context):
    return {"y": (await submit(1)).y, "size": 0}
"""
)


@pytest.mark.parametrize(("cell", "payload"), [(JOB, {"model": 2}), (FUNCTION, 2)])
def test_a_run_goes_on_from_its_stored_source(lab: Lab, cell: str, payload: object) -> None:
    lab.cell(cell.replace("ran(", "logging.getLogger('ran').info("))
    token, run = started(lab)
    lab.kill()
    resumed = lab.runtime.resume(run.run_id, namespace={})
    lab.until(resumed, lambda facts: len(kinds(facts, f.RunOpened)) == 2)
    assert [row.verdict for row in lab.runtime.plan(run.run_id, {}).rows][2] == "reused"
    lab.runtime.answer(token, payload)
    assert resumed.result(LIMIT_S) in ({"model": 2, "size": 40}, {"y": 103, "size": 0})
    assert sum(line.startswith("setup") for line in lab.took()) == (cell is JOB)


# ---------------------------------------------------------------------- polling


POLLING = (
    IMPORTS
    + """
@tool(outputs=["y"], retries=1)
def submit(x) -> WaitSpec:
    ran("setup")
    return WaitSpec("the job", poll_s=0.005)
@submit.poll
def submit(x, token):
    ran("poll")
    return {"y": x + 1} if flag("READY") else None
@graph_fn
async def agent(*, context):
    return {"y": (await submit(1)).y}
"""
)


def test_poll_collects_the_payload(lab: Lab) -> None:
    lab.cell(POLLING)
    run = lab.start("agent")
    lab.asked(run, "the job")
    lab.kill()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("READY", "1")
        assert lab.resume(run).result(LIMIT_S) == {"y": 2}
    assert lab.took().count("setup") == 1


def test_a_poll_that_keeps_failing_fails_the_node_and_leaves_the_wait(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"], retries=2)
class Job(DualStageTool):
    def setup(self):
        ran("setup")
        return WaitSpec("the job", poll_s=0.001)
    async def poll(self):
        ran("poll")
        raise OSError("no network")
@graph_fn
async def agent(*, context):
    return {"y": (await Job()).y}
"""
    )
    run = lab.start("agent")
    with pytest.raises(OSError, match="no network"):
        run.result(LIMIT_S)
    assert lab.took() == ["setup", "poll", "poll", "poll"]
    told = [fact.data for fact in lab.facts(run) if isinstance(fact, f.Noted) and b"OSError: no network" in fact.data]
    assert len(told) == 2  # the third failure is the node's own
    (wait,) = lab.runtime.waits()
    lab.runtime.answer(wait.token, {"y": 7})
    assert lab.resume(run).result(LIMIT_S) == {"y": 7}


# ---------------------------------------------------------------------- addresses


def test_an_address_that_a_body_takes_is_answered_before_or_after_it_waits(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
def tell(token):
    ran(token)
    return 1
@graph_fn
async def agent(*, context):
    call = await context.create_continuation()
    await tell(call.token)
    await context.channel().ask_text("go on?")
    return {"y": await context.wait_for_resume(call, prompt="the call")}
"""
    )
    run = lab.start("agent")
    lab.asked(run, "go on?")
    (token,) = lab.took()
    lab.runtime.answer(token, [1, 2])
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, "go on?", "yes")
    assert run.result(LIMIT_S) == {"y": [1, 2]}
    run = lab.start("agent")
    lab.answer(run, "go on?", "yes")
    lab.answer(run, "the call", "late")
    assert run.result(LIMIT_S) == {"y": "late"}


def test_a_tool_takes_an_address_too(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
@tool(outputs=["y"])
def job(*, context):
    call = context.create_continuation()
    ran(call.token)
    return context.wait_for_resume(call.token, prompt="the call")
@graph_fn
async def agent(*, context):
    return {"y": (await job()).y}
"""
    )
    run = lab.start("agent")
    token = lab.asked(run, "the call")
    lab.kill()
    run = lab.resume(run)
    lab.until(run, lambda facts: len(kinds(facts, f.RunOpened)) == 2)
    lab.runtime.answer(token, 3)
    assert run.result(LIMIT_S) == {"y": 3}
    assert set(lab.took()) == {token}


def test_an_address_of_somebody_else_is_refused(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.wait_for_resume('wait-nonsense')")
    with pytest.raises(ValueError, match="that is no token of `await context.create_continuation"):
        lab.run("agent")
    lab.cell("@graph_fn\nasync def agent(*, context):\n    context.continuation_token")
    with pytest.raises(TypeError, match="only `setup` of a dual-stage tool has one"):
        lab.run("agent")


def test_a_question_is_found_by_the_node_that_asks_it_in_a_static_graph(lab: Lab) -> None:
    """The node that the user wrote and named, not the stage inside it."""
    lab.cell(
        IMPORTS
        + """
from aethergraph.tools import ask_text
@graphify
def inner():
    return {"a": ask_text("colour?", _id="colour").text}
@graphify
def agent():
    who, what = ask_text("who?", _id="who"), ask_text("what?", _id="what")
    return {"who": who.text, "what": what.text, "colour": inner().a}
"""
    )
    run = lab.start("agent")
    for prompt in ("who?", "what?", "colour?"):
        lab.asked(run, prompt)
    with pytest.raises(UnknownWait, match="does not ask 'whom'"):
        run.answer("x", wait="whom")
    run.answer("bolt", wait="what")
    run.answer("ann", wait="who")
    run.answer("red", wait="inner")
    assert run.result(LIMIT_S) == {"who": "ann", "what": "bolt", "colour": "red"}


def test_a_node_around_several_questions_names_none_of_them(lab: Lab) -> None:
    lab.cell(
        IMPORTS
        + """
from aethergraph.tools import ask_text
@graphify
def inner():
    return {"a": ask_text("a?").text, "b": ask_text("b?").text}
@graphify
def agent():
    return {"a": inner().a}
"""
    )
    run = lab.start("agent")
    for prompt in ("a?", "b?"):
        lab.asked(run, prompt)
    with pytest.raises(UnknownWait, match="asks 2 questions that fit 'inner': say which by its node"):
        run.answer("x", wait="inner")
    run.answer("1", wait="a?")
    run.answer("2", wait="b?")
    assert run.result(LIMIT_S) == {"a": "1"}
