"""Questions: semantics 20 to 22 and 26."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aethergraph.errors import AlreadyAnswered, BadAnswer, NoOneToAsk, UnknownWait, WaitTimeout
from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus, RunStatus
from aethergraph.testing import FakeClock, ScriptedChannel

from .lab import LIMIT_S, Lab, laboratory

ASKING = """
@tool(outputs=["y"])
async def double(x):
    ran(f"double {x}")
    return 2 * x
@graph_fn
async def agent(*, context):
    choice = await context.channel().ask_choice("which?", ["a", "b"], name="pick")
    y = (await double(2)).y
    return {"choice": choice, "y": y}
"""


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lab, FakeClock]]:
    """A lab whose clock stands still."""
    monkeypatch.setenv("AETHERGRAPH_CHANNEL", "inbox")
    clock = FakeClock()
    with laboratory(tmp_path / "store", clock) as made:
        yield made, clock


def test_20_a_question_keeps_its_token_over_kills(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    lab.kill()
    resumed = lab.resume(run)
    lab.until(resumed, lambda facts: sum(isinstance(fact, f.RunOpened) for fact in facts) == 2)
    assert lab.asked(resumed, "which?") == token
    lab.runtime.answer(token, "a")
    assert resumed.result(LIMIT_S).choice == "a"
    assert sum(isinstance(fact, f.WaitOpened) for fact in lab.facts(run)) == 1


def test_20_tokens_cannot_be_guessed_from_another_run(lab: Lab) -> None:
    lab.cell(ASKING)
    tokens = {lab.asked(lab.start("agent", run_id=run_id), "which?") for run_id in ("one", "two")}
    assert len(tokens) == 2
    for run in list(lab.runtime.live.values()):
        lab.answer(run, "which?", "a")
        run.result(LIMIT_S)


def test_21_an_answer_given_while_nobody_runs_the_run_is_taken_on_resume(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    lab.kill()
    lab.runtime.answer(token, "b")
    assert lab.resume(run).result(LIMIT_S) == {"choice": "b", "y": 4}


def test_21_an_answer_outside_the_choices_is_refused_and_the_question_stays(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    with pytest.raises(BadAnswer, match="'c' is none of 'a', 'b'; the question is still open"):
        lab.runtime.answer(token, "c")
    assert [wait.token for wait in lab.runtime.waits()] == [token]
    lab.runtime.answer(token, "a")
    assert run.result(LIMIT_S).choice == "a"


def test_21_of_many_answers_at_once_one_wins_and_the_others_are_told(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    ready, told = threading.Barrier(8), list[str]()

    def answer(number: int) -> None:
        ready.wait()
        try:
            lab.runtime.answer(token, "ab"[number % 2], f"id-{number}")
            told.append("ab"[number % 2])
        except AlreadyAnswered:
            told.append("late")

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [one for one in told if one != "late"]
    assert run.result(LIMIT_S).choice == winner


def test_21_the_same_answer_again_is_acknowledged(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    for _ in range(2):
        lab.runtime.answer(token, "a", "click-1")
    with pytest.raises(AlreadyAnswered, match="your answer was not used"):
        lab.runtime.answer(token, "a", "click-2")
    run.result(LIMIT_S)


def test_21_an_unknown_token_is_an_error(lab: Lab) -> None:
    with pytest.raises(UnknownWait, match="no question 'nonsense'"):
        lab.runtime.answer("nonsense", "a")


def test_21_answering_from_a_view_tells_it_what_came_of_it(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    told: list[str] = []
    for value, id_ in (("c", "1"), ("a", "2"), ("b", "3")):
        done = threading.Event()
        lab.runtime.answer_soon(token, value, id_, lambda why, done=done: (told.append(why), done.set()))
        assert done.wait(LIMIT_S)
    assert "is none of" in told[0]
    assert told[1] == ""
    assert "already answered" in told[2]
    run.result(LIMIT_S)


def test_21_a_run_answers_its_question_by_name(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.asked(run, "which?")
    with pytest.raises(UnknownWait, match=r"open: ask \('which\?'\)"):
        run.answer("a", wait="name")
    run.answer("a", wait="pick")
    assert run.result(LIMIT_S).choice == "a"


TWO = """
@graph_fn
async def two(*, context: NodeContext):
    ask = context.channel().ask_text
    return await asyncio.gather(ask("one?", name="one"), ask("two?", name="two"), ask("two?"))
"""


def test_21_a_run_that_asks_several_says_how_to_name_one(lab: Lab) -> None:
    lab.cell(TWO)
    run = lab.start("two")
    lab.until(run, lambda _: len(run.waits) == 3)
    with pytest.raises(UnknownWait, match=rf"run {run.run_id} asks 3 questions: .*`run.answer\(value, 'ask-3'\)`"):
        run.answer("a")
    with pytest.raises(
        UnknownWait, match=rf"run {run.run_id} asks 2 questions that fit 'two\?': say which by its node"
    ):
        run.answer("a", "two?")
    for node in ("ask", "two", "ask-3"):
        run.answer(node, node)
    assert run.result(LIMIT_S).result == ["ask", "two", "ask-3"]
    with pytest.raises(UnknownWait, match=rf"run {run.run_id} has no open question: it is done"):
        run.answer("a")


def test_21_what_is_no_token_is_refused_and_told_how_to_get_one(lab: Lab) -> None:
    lab.cell(TWO)
    run = lab.start("two")
    lab.asked(run, "one?")
    with pytest.raises(TypeError, match=r"a text, got WaitInfo; it has one: write `answer\(it.token, value\)`"):
        lab.runtime.answer(lab.runtime.waits()[0], "a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a text, got int$"):
        lab.runtime.answer(5, "a")  # type: ignore[arg-type]


# ---------------------------------------------------------------------- 22 deadlines

WITH_DEADLINE = """
@graph_fn
async def agent(*, context):
    try:
        name = await context.channel().ask_text("name?", timeout_s={timeout_s}, default={default!r})
    except TimeoutError as error:
        name = type(error).__name__
    more = await context.channel().ask_text("go on?")
    return {{"name": name}}
"""


def test_22_a_deadline_takes_the_default(lab: Lab) -> None:
    lab.cell(WITH_DEADLINE.format(timeout_s=0.05, default="nobody"))
    run = lab.start("agent")
    lab.answer(run, "go on?", "yes")
    assert run.result(LIMIT_S) == {"name": "nobody"}


def test_22_without_a_default_a_deadline_is_an_error_that_replays(lab: Lab) -> None:
    lab.cell(WITH_DEADLINE.format(timeout_s=0.05, default=None))
    run = lab.start("agent")
    lab.asked(run, "go on?")
    lab.kill()
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S) == {"name": "WaitTimeout"}


def test_22_a_deadline_that_passed_while_nobody_ran_the_run_holds(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(WITH_DEADLINE.format(timeout_s=60, default="nobody"))
    run = lab.start("agent")
    lab.asked(run, "name?")
    lab.kill()
    clock.advance(61)
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(LIMIT_S) == {"name": "nobody"}


def test_22_who_reads_the_inbox_closes_what_ran_out_while_nobody_ran_the_run(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(WITH_DEADLINE.format(timeout_s=60, default="nobody"))
    run = lab.start("agent")
    lab.asked(run, "name?")
    lab.kill()
    clock.advance(61)
    assert lab.runtime.waits() == [] and lab.runtime.load(run.run_id).waits == []
    again = lab.resume(run)
    lab.answer(again, "go on?", "yes")
    assert again.result(LIMIT_S).name == "nobody"


def test_22_resuming_gains_no_time(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(WITH_DEADLINE.format(timeout_s=60, default="nobody"))
    run = lab.start("agent")
    lab.asked(run, "name?")
    (before,) = lab.runtime.waits()
    clock.advance(30)
    lab.kill()
    resumed = lab.resume(run)
    lab.until(resumed, lambda facts: sum(isinstance(fact, f.RunOpened) for fact in facts) == 2)
    (after,) = lab.runtime.waits()
    assert after.deadline == before.deadline == clock.now() + 30


def test_22_who_answers_too_late_is_told_and_the_default_is_taken(timed: tuple[Lab, FakeClock]) -> None:
    lab, clock = timed
    lab.cell(WITH_DEADLINE.format(timeout_s=3600, default="nobody"))
    run = lab.start("agent")
    token = lab.asked(run, "name?")
    clock.advance(3601)
    with pytest.raises(AlreadyAnswered, match="already timed out"):
        lab.runtime.answer(token, "Ada")
    lab.answer(run, "go on?", "yes")
    assert run.result(LIMIT_S) == {"name": "nobody"}


def test_22_an_error_of_a_deadline_says_what_was_asked(lab: Lab) -> None:
    lab.cell("@graph_fn\nasync def agent(*, context):\n    await context.channel().ask_text('name?', timeout_s=0.02)")
    with pytest.raises(WaitTimeout, match=r"no answer within 0.02 s to: 'name\?'"):
        lab.run("agent")


# ---------------------------------------------------------------------- 18 nobody to ask


def test_18_where_nobody_can_be_asked_the_question_stays_open(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    lab.answer(run, "which?", "a")
    run.result(LIMIT_S)
    with ScriptedChannel({}):
        run = lab.start("agent")
        with pytest.raises(NoOneToAsk, match=r"(?s)nobody can be asked pick: 'which\?'.*AETHERGRAPH_ANSWERS") as told:
            run.result(LIMIT_S)
    assert lab.runtime.load(run.run_id).status is RunStatus.PAUSED
    assert [wait.token for wait in lab.runtime.waits()] == [told.value.token]
    assert not any(isinstance(fact, f.NodeDone | f.RunFailed) for fact in lab.facts(run))
    lab.runtime.answer(told.value.token, "b")
    assert lab.resume(run).result(LIMIT_S) == {"choice": "b", "y": 4}


def test_18_a_tool_that_can_ask_nobody_is_recorded_as_nothing(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["y"], retries=3)
def consult(*, context):
    ran("consult")
    return context.channel().ask_number("how many?")
@graph_fn
async def agent(*, context):
    return {"y": (await consult()).y}
""")
    with ScriptedChannel({}):
        run = lab.start("agent")
        with pytest.raises(NoOneToAsk):
            run.result(LIMIT_S)
    assert lab.took() == ["consult"]
    assert not any(isinstance(fact, f.NodeDone | f.AttemptFailed | f.RunFailed) for fact in lab.facts(run))
    lab.answer(run, "how many?", 3)
    assert lab.resume(run).result(LIMIT_S) == {"y": 3}


# ---------------------------------------------------------------------- 26 orphans


def test_26_a_question_that_the_edited_code_does_not_ask_is_withdrawn(lab: Lab) -> None:
    lab.cell(ASKING)
    run = lab.start("agent")
    token = lab.asked(run, "which?")
    lab.kill()
    lab.cell("""
@graph_fn
async def agent(*, context):
    return {"name": await context.channel().ask_text("your name?")}
""")
    resumed = lab.resume(run)
    facts = lab.until(resumed, lambda facts: any(isinstance(fact, f.WaitWithdrawn) for fact in facts))
    (withdrawn,) = [fact for fact in facts if isinstance(fact, f.WaitWithdrawn)]
    assert withdrawn.why == "the code that asked is gone"
    with pytest.raises(AlreadyAnswered, match="already withdrawn"):
        lab.runtime.answer(token, "a")
    lab.answer(resumed, "your name?", "Ada")
    assert resumed.result(LIMIT_S) == {"name": "Ada"}
    assert resumed.nodes[0].status is NodeStatus.CANCELLED


def test_26_a_question_that_the_body_gives_up_is_withdrawn(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    try:
        async with asyncio.timeout(0.02):
            await context.channel().ask_text("name?")
    except TimeoutError:
        pass
    await context.channel().ask_text("go on?")
""")
    run = lab.start("agent")
    lab.asked(run, "go on?")
    assert [wait.prompt for wait in lab.runtime.waits()] == ["go on?"]
    lab.kill()
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    resumed.result(LIMIT_S)
    assert lab.runtime.waits() == []


def test_26_open_questions_end_with_their_run(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    asyncio.create_task(context.channel().ask_text("name?"))
    await context.channel().ask_text("go on?")
    if flag("NEVER"):
        raise ValueError
""")
    run = lab.start("agent")
    lab.answer(run, "go on?", "yes")
    run.result(LIMIT_S)
    assert lab.runtime.waits() == []
