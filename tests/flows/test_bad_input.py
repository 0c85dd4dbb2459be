"""What goes in wrongly is refused with what would be right, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aethergraph import Runtime, graph_fn, graphify, run, start, tool
from aethergraph.errors import (
    GraphBuildError,
    MissingInput,
    MissingOutput,
    NotStorable,
    RunCancelled,
    RunExists,
    RunIsLive,
    UnknownRun,
    Untrusted,
)
from aethergraph.lifecycle.resuming import agent_of
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow
from aethergraph.record.status import RunStatus
from aethergraph.storage.disk import DiskStore
from aethergraph.storage.keyring import Keyring

from .lab import LIMIT_S, Lab

# ---------------------------------------------------------------------- run ids

ADDING = """
@tool(outputs=["y"])
async def add(x, y):
    ran(f"add {x} {y}")
    return x + y
@graph_fn
async def agent(x, y=1, *, context):
    return {"y": (await add(x, y)).y}
@graph_fn
async def other(x, y=1):
    return {"y": 0}
"""


def test_a_known_run_id_with_the_same_inputs_is_that_run(lab: Lab) -> None:
    lab.cell(ADDING)
    for _ in range(2):
        assert lab.start("agent", run_id="mine", x=2).result(LIMIT_S) == {"y": 3}
    assert lab.took() == ["add 2 1"]


def test_a_known_run_id_with_other_inputs_is_refused(lab: Lab) -> None:
    lab.cell(ADDING)
    lab.start("agent", run_id="mine", x=2).result(LIMIT_S)
    with pytest.raises(RunExists, match="run 'mine' exists already and has other inputs; leave out run_id="):
        lab.start("agent", run_id="mine", x=3)
    with pytest.raises(RunExists, match="is a run of 'agent', not of 'other'"):
        lab.start("other", run_id="mine", x=2)


@pytest.mark.parametrize("run_id", [".", "..", "x" * 201, "\u00fc" * 101])
def test_a_run_id_that_cannot_name_a_folder_is_refused(lab: Lab, run_id: str) -> None:
    """The files that a run is working on lie in a folder of its name: those of `..` would lie in the store itself."""
    lab.cell(ADDING)
    with pytest.raises(ValueError, match="it names a folder: neither . nor .., at most 200 bytes"):
        lab.start("agent", run_id=run_id, x=2)
    assert not lab.runtime.runs()
    assert lab.start("agent", run_id="x" * 200, x=2).result(LIMIT_S)


def test_an_unknown_run_is_named_with_those_that_are_near(lab: Lab) -> None:
    lab.cell(ADDING)
    lab.start("agent", run_id="my-run", x=2).result(LIMIT_S)
    for look in (lab.runtime.load, lab.runtime.resume, lab.runtime.plan, lab.runtime.cancel):
        with pytest.raises(UnknownRun, match="no run 'my-rnu'; did you mean my-run"):
            look("my-rnu")


def test_there_may_be_nothing_to_resume(lab: Lab) -> None:
    lab.cell(ADDING)
    lab.run("agent", x=1)
    with pytest.raises(UnknownRun, match="^no run of this store is unfinished: each is done, or was cancelled$"):
        lab.runtime.resume()


def test_a_run_whose_agent_is_not_there_says_what_to_do(lab: Lab) -> None:
    lab.cell(ADDING)
    run = lab.start("agent", x=1)
    run.result(LIMIT_S)
    started = run.flow().started
    assert started is not None
    gone = Flow.of([msgspec.structs.replace(started, definition="")])
    with pytest.raises(UnknownRun, match=f"^{run.run_id}: the source of its agent 'agent' is not stored; run the cell"):
        agent_of(lab.runtime, run.run_id, gone, {})


@pytest.mark.parametrize("name", [3, None, b"study"])
def test_a_run_or_question_that_is_named_by_no_text_says_what_names_it(lab: Lab, name: object) -> None:
    for look in (lab.runtime.load, lab.runtime.plan, lab.runtime.cancel):
        with pytest.raises(TypeError, match="a run is named by its id, which is a text; got"):
            look(name)  # type: ignore[operator]
    with pytest.raises(TypeError, match="what is answered is named by its token, a text, got"):
        lab.runtime.answer(name, "yes")  # type: ignore[arg-type]


def test_a_run_that_is_given_instead_of_its_id_is_told_so(lab: Lab) -> None:
    lab.cell(ADDING)
    run = lab.start("agent", x=1)
    run.result(LIMIT_S)
    with pytest.raises(TypeError, match=r"got Run <.*: write `\.run_id`"):
        lab.runtime.resume(run)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"run_id": 3}, "run_id is a text, got int: 3"),
        ({"retry": 3}, r"retry=3: it is a RetryPolicy, as in retry=RetryPolicy\(max_attempts=3\)"),
        ({"tags": 3}, "tags=3: they are a text, or a list of texts"),
    ],
)
def test_an_option_of_a_run_that_is_of_another_type_starts_nothing(lab: Lab, option: Any, said: str) -> None:
    lab.cell(ADDING)
    with pytest.raises(TypeError, match=said):
        lab.runtime.start(lab.cells["agent"], {"x": 1, "y": 1}, **option)
    assert lab.runtime.runs() == []


@pytest.mark.parametrize("option", [{"keep": "all"}, {"older_than": "30d"}])
def test_what_gc_is_told_in_another_form_deletes_nothing(lab: Lab, option: Any) -> None:
    lab.cell(ADDING)
    lab.run("agent", x=1)
    with pytest.raises(TypeError, match="a number of runs; a timedelta, or seconds"):
        lab.runtime.gc(dry_run=False, **option)
    assert len(lab.runtime.runs()) == 1


def test_runs_are_listed_by_a_status_that_there_is(lab: Lab) -> None:
    with pytest.raises(ValueError, match="status='finished': a run is running, waiting, paused, done"):
        lab.runtime.runs("finished")
    with pytest.raises(ValueError, match="limit='all': how many runs at most, or None for all"):
        lab.runtime.runs(limit="all")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("decorator", "option", "said"),
    [
        (tool, {"retrys": 3}, "@tool has no option 'retrys'; did you mean 'retries'. It has: outputs, inputs"),
        (tool, {"colour": 3}, "@tool has no option 'colour'; It has: outputs, inputs"),
        (graph_fn, {"retries": 3}, "@graph_fn has no option 'retries'"),
        (graph_fn, {"max_concurency": 3}, "did you mean 'max_concurrency'"),
        (graphify, {"on_errors": "stop"}, "@graphify has no option 'on_errors'; did you mean 'on_error'"),
    ],
)
def test_an_option_that_a_decorator_does_not_have_is_refused(decorator: Any, option: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        decorator(**option)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"retries": "3"}, "retries='3': it is a whole number from 0"),
        ({"retries": -1}, "retries=-1: it is a whole number from 0"),
        ({"retries": True}, "retries=True: it is a whole number"),
        ({"backoff_s": -0.5}, "backoff_s=-0.5: it is a number from 0"),
        ({"timeout_s": 0}, "timeout_s=0: it is a number above 0"),
        ({"timeout_s": "1 s"}, "timeout_s='1 s': it is a number above 0"),
        ({"timeout_s": float("nan")}, "timeout_s=nan: it is a number above 0"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_refused(option: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tool(**option)(lambda: 1)


def test_outputs_that_are_no_list_of_names_are_refused() -> None:
    with pytest.raises(GraphBuildError, match="outputs=3: it is a list of names"):
        tool(3)(lambda: 1)  # type: ignore[call-overload]


def test_a_cancelled_run_cannot_be_resumed(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.channel().ask_text('go on?')")
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    lab.runtime.cancel(run.run_id)
    assert lab.runtime.load(run.run_id).status is RunStatus.CANCELLED
    assert lab.runtime.waits() == []
    with pytest.raises(RunCancelled, match="cancelled, which is final"):
        lab.resume(run)


def test_a_finished_run_gives_its_outputs_again(lab: Lab) -> None:
    lab.cell(ADDING)
    run = lab.start("agent", x=2)
    run.result(LIMIT_S)
    lab.kill()
    assert lab.resume(run).result(LIMIT_S) == {"y": 3}
    assert lab.took() == ["add 2 1"]


def test_30_a_run_that_another_owner_runs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")

    @graph_fn
    async def agent(*, context):
        return {"name": await context.channel().ask_text("name?")}

    first, second = (Runtime(DiskStore(tmp_path / "store"), keyring=Keyring(tmp_path / "key")) for _ in range(2))
    try:
        run = first.start(agent, {})
        first.journal.flush()
        with pytest.raises(RunIsLive, match=r"is being run by process \d+ on .*answer\(token, value\)"):
            second.resume(run.run_id)
        assert second.load(run.run_id).status in (RunStatus.RUNNING, RunStatus.WAITING)
        first.close()
        resumed = second.resume(run.run_id, agent=agent)
        resumed.cancel()
        with pytest.raises(RunCancelled):
            resumed.result(LIMIT_S)
    finally:
        first.close()
        second.close()


# ---------------------------------------------------------------------- inputs and outputs


def test_inputs_are_checked_before_anything_starts(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(x: int, names: list = ()):\n    return x")
    agent = lab.cells["agent"]
    with pytest.raises(MissingInput, match="'agent' needs x; its inputs are: x, names"):
        agent.bind((), {})
    with pytest.raises(TypeError, match="agent: .*'z'.*; its inputs are: x, names"):
        agent.bind((), {"x": 1, "z": 2})
    with pytest.raises(TypeError, match=r"agent\(x=...\) takes int, got str: 'three'"):
        agent.bind((), {"x": "three"})
    assert lab.runtime.runs() == []


@pytest.mark.parametrize("go", [run, start])
def test_an_input_that_is_given_twice_is_refused(lab: Lab, go: Any) -> None:
    """Either of the two would be dropped without a word."""
    lab.cell("@graph_fn\nasync def agent(x, y=0):\n    return x")
    with lab.runtime.use():
        with pytest.raises(TypeError, match="agent: x is given twice, in inputs= and by name"):
            go(lab.cells["agent"], {"x": 1}, x=2)
        assert lab.runtime.runs() == []
        assert go(lab.cells["agent"], {"x": 1}, y=2, run_id="both") is not None


def test_an_input_that_cannot_be_stored_starts_nothing(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(lines):\n    return 1")
    with pytest.raises(NotStorable, match="the inputs of agent"):
        lab.start("agent", lines=(line for line in ()))
    assert lab.runtime.runs() == []


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        ("{'a': 1}", "a dict with the keys a"),
        ("(1, 2, 3)", "a tuple of 3"),
        ("None", "None (is there a `return`?)"),
        ("'text'", "one str"),
    ],
)
def test_outputs_that_do_not_fit_name_tool_outputs_and_what_was_returned(lab: Lab, returned: str, got: str) -> None:
    missing = "b" if returned.startswith("{") else "a, b"
    text = f"'bad' declares the outputs a, b but did not give {missing}; it returned {got}"
    lab.cell(f"@tool(outputs=['a', 'b'])\ndef bad():\n    return {returned}\n")
    lab.cell("@graph_fn\nasync def agent():\n    await bad()")
    run = lab.start("agent")
    with pytest.raises(MissingOutput, match=re.escape(text)) as told:
        run.result(LIMIT_S)
    assert told.value.__notes__ == [f"in node bad of run {run.run_id}"]
    assert isinstance(told.value, ValueError)
    lab.cell(f"@graph_fn(outputs=['a', 'b'])\nasync def bad():\n    return {returned}")
    with pytest.raises(MissingOutput, match=re.escape(text)):
        lab.run("bad")


def test_what_a_generator_gives_is_not_outputs() -> None:
    with pytest.raises(GraphBuildError, match=r"test_bad_input.py:\d+: lines is a generator"):

        @tool
        def lines():
            yield 1

    with pytest.raises(GraphBuildError, match="agent is a generator"):

        @graph_fn
        async def agent():
            yield 1


def test_a_result_that_cannot_be_stored_is_named_and_the_run_goes_on(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["lines", "n"])
async def read():
    ran("read")
    return {"lines": (line for line in "abc"), "n": 3}
@graph_fn
async def agent(*, context):
    out = await read()
    await context.channel().ask_text("go on?")
    return {"text": "".join(out.lines), "n": out.n}
""")
    run = lab.start("agent")
    lab.asked(run, "go on?")
    (done,) = [fact for fact in lab.facts(run) if isinstance(fact, f.NodeDone)]
    assert done.ok
    assert all(word in done.volatile for word in ("read", "lines", "generator"))
    assert lab.verdicts(run)["read"] == "runs"
    lab.kill()
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S) == {"text": "abc", "n": 3}
    assert lab.took() == ["read", "read"]


# ---------------------------------------------------------------------- trust

TRUSTING = """
class Point:
    def __init__(self, x): self.x = x
@tool(outputs=["point"])
async def make():
    return Point(3)
@graph_fn
async def agent(*, context):
    point = (await make()).point
    await context.channel().ask_text("go on?")
    return {"x": point.x}
"""


@pytest.fixture
def stranger(lab: Lab, tmp_path: Path) -> Iterator[tuple[Runtime, str]]:
    """Somebody with another key, and a run that is not theirs."""
    lab.cell(TRUSTING)
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    runtime = Runtime(lab.store, keyring=Keyring(tmp_path / "other-key"))
    yield runtime, run.run_id
    runtime.close()


def test_a_pickle_of_another_key_is_not_loaded(lab: Lab, stranger: tuple[Runtime, str]) -> None:
    runtime, run_id = stranger
    resumed = runtime.resume(run_id, agent=lab.cells["agent"])
    with pytest.raises(Untrusted, match="was not loaded: .*; `%aether trust` shows and accepts it"):
        resumed.result(LIMIT_S)


def test_source_of_another_key_is_not_run(stranger: tuple[Runtime, str]) -> None:
    runtime, run_id = stranger
    with pytest.raises(Untrusted, match="was not loaded"):
        runtime.resume(run_id, namespace={})
    assert runtime.load(run_id).status is RunStatus.PAUSED
