"""Identity, validity and replay: semantics 1 to 12. Each run is killed at its question and resumed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aethergraph.record import facts as f
from aethergraph.record.status import NodeStatus

from .lab import LIMIT_S, Lab

TOOLS = """
@tool(outputs=["y"])
async def double(x):
    ran(f"double {x}")
    return 2 * x
@tool(outputs=["y"])
async def add(x, y):
    ran(f"add {x} {y}")
    return x + y
@tool(outputs=["y"], pure=True)
async def negate(x):
    ran(f"negate {x}")
    return -x
"""


def killed_at_its_question(lab: Lab, agent: str, **inputs: object) -> object:
    run = lab.start(agent, **inputs)
    lab.asked(run, "go on?")
    lab.kill()
    return run


def finished(lab: Lab, run: object) -> object:
    lab.took()
    resumed = lab.resume(run)
    lab.answer(resumed, "go on?", "yes")
    return resumed.result(20)


# ---------------------------------------------------------------------- 1 lineage


def test_1_a_task_that_an_edit_inserts_does_not_shift_its_siblings(lab: Lab) -> None:
    body = """
async def branch(x, context):
    return (await double(x)).y
@graph_fn
async def agent(*, context):
    tasks = [asyncio.create_task(branch(x, context)) for x in {xs}]
    values = [await task for task in tasks]
    await context.channel().ask_text("go on?")
    return {{"ys": values}}
"""
    lab.cell(TOOLS + body.format(xs=[1, 2]))
    run = killed_at_its_question(lab, "agent")
    lab.cell(body.format(xs=[0, 1, 2]))
    assert finished(lab, run) == {"ys": [0, 2, 4]}
    assert lab.took() == ["double 0"]


def test_1_tasks_are_told_apart_in_whatever_order_as_completed_makes_them(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
async def branch(x):
    return (await double(x)).y
@graph_fn
async def agent(*, context):
    values = [await done for done in asyncio.as_completed([branch(x) for x in range(12)])]
    await context.channel().ask_text("go on?")
    return {"ys": values}
"""
    )
    run = killed_at_its_question(lab, "agent")
    assert sorted(finished(lab, run)["ys"]) == list(range(0, 24, 2))
    assert lab.took() == []


# ---------------------------------------------------------------------- 2 identity


def test_2_equal_calls_are_counted_at_the_call(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@graph_fn
async def agent(*, context):
    calls = [double(3) for _ in range(3)]
    values = [(await call).y for call in reversed(calls)]
    await context.channel().ask_text("go on?")
    return {"ys": values}
"""
    )
    run = killed_at_its_question(lab, "agent")
    assert lab.took() == ["double 3"] * 3
    assert finished(lab, run) == {"ys": [6, 6, 6]}
    assert lab.took() == []
    assert [node.node_id for node in lab.runtime.load(run.run_id).nodes][:3] == ["double", "double-2", "double-3"]


def test_2_an_id_finds_its_call_again_wherever_an_edit_moves_it(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@graph_fn
async def agent(*, context):
    y = (await double(1, _id="mine")).y
    await context.channel().ask_text("go on?")
    return {"y": y}
"""
    )
    run = killed_at_its_question(lab, "agent")
    lab.cell("""
async def moved():
    return (await double(1, _id="mine")).y
@graph_fn
async def agent(*, context):
    y = await asyncio.create_task(moved())
    await context.channel().ask_text("go on?")
    return {"y": y}
""")
    assert finished(lab, run) == {"y": 2}
    assert lab.took() == []
    assert lab.runtime.load(run.run_id).nodes[0].node_id == "mine"


def test_2_the_same_id_twice_in_a_body_is_an_error(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@graph_fn
async def agent():
    await double(1, _id="mine")
    await double(2, _id="mine")
"""
    )
    with pytest.raises(ValueError, match="_id='mine' was used twice"):
        lab.run("agent")


def test_2_an_id_is_a_text(lab: Lab) -> None:
    lab.cell(TOOLS + "@graph_fn\nasync def agent():\n    await double(1, _id=7)")
    with pytest.raises(TypeError, match="_id= takes a text, got 7"):
        lab.run("agent")


# ---------------------------------------------------------------------- 3 validity

ASKING = """
@graph_fn
async def agent(*, context):
    y = (await double(5)).y
    answer = await context.channel().ask_text("first?")
    z = (await add(y, 1)).y
    await context.channel().ask_text("go on?")
    return {"y": y, "z": z, "answer": answer}
"""


def killed_at_its_second_question(lab: Lab) -> object:
    run = lab.start("agent")
    lab.answer(run, "first?", "Ada")
    lab.asked(run, "go on?")
    lab.kill()
    return run


def test_3_nothing_changed_so_nothing_runs_again(lab: Lab) -> None:
    lab.cell(TOOLS + ASKING)
    run = killed_at_its_second_question(lab)
    assert finished(lab, run) == {"y": 10, "z": 11, "answer": "Ada"}
    assert lab.took() == []


def test_3_comments_and_formatting_are_no_change(lab: Lab) -> None:
    lab.cell(TOOLS + ASKING)
    run = killed_at_its_second_question(lab)
    lab.cell(TOOLS.replace("return 2 * x", "return (2 *\n        x)  # twice"))
    assert finished(lab, run)["y"] == 10
    assert lab.took() == []


def test_3_an_edited_tool_runs_again_and_answers_are_kept(lab: Lab) -> None:
    lab.cell(TOOLS + ASKING)
    run = killed_at_its_second_question(lab)
    lab.cell(TOOLS.replace("2 * x", "3 * x"))
    assert finished(lab, run) == {"y": 15, "z": 16, "answer": "Ada"}
    assert lab.took() == ["double 5", "add 15 1"]


def test_3_an_edited_helper_or_constant_counts_as_the_tool(lab: Lab) -> None:
    tools = """
FACTOR = {factor}
def times(x):
    return FACTOR * x
@tool(outputs=["y"])
async def scale(x):
    ran(f"scale {{x}}")
    return times(x)
@tool(outputs=["y"])
async def other(x):
    ran(f"other {{x}}")
    return x
"""
    lab.cell(
        tools.format(factor=2)
        + """
@graph_fn
async def agent(*, context):
    z = (await other(1)).y
    y = (await scale(5)).y
    await context.channel().ask_text("go on?")
    return {"y": y, "z": z}
"""
    )
    run = killed_at_its_question(lab, "agent")
    lab.cell("FACTOR = 7")
    assert finished(lab, run) == {"y": 35, "z": 1}
    assert lab.took() == ["scale 5"]


def test_3_same_at_a_call_ignores_an_edit(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@graph_fn
async def agent(*, context):
    y = (await double(5, _same=True)).y
    await context.channel().ask_text("go on?")
    return {"y": y}
"""
    )
    run = killed_at_its_question(lab, "agent")
    lab.cell(TOOLS.replace("2 * x", "3 * x"))
    assert finished(lab, run) == {"y": 10}
    assert lab.took() == []


def test_3_an_edited_nested_body_is_entered_again_and_finds_what_it_did(lab: Lab) -> None:
    inner = """
@graph_fn
async def inner(x, *, context):
    y = (await double(x)).y
    answer = await context.channel().ask_text("first?")
    return {{"y": y + {more}, "answer": answer}}
"""
    lab.cell(
        TOOLS
        + inner.format(more=0)
        + """
@graph_fn
async def agent(*, context):
    made = await inner(4)
    await context.channel().ask_text("go on?")
    return {"y": made.y, "answer": made.answer}
"""
    )
    run = killed_at_its_second_question(lab)
    lab.cell(inner.format(more=100))
    assert finished(lab, run) == {"y": 108, "answer": "Ada"}
    assert lab.took() == []


def test_3_an_edited_tool_does_not_ask_again_what_was_answered(lab: Lab) -> None:
    tool_ = """
@tool(outputs=["y"])
async def consult(x, *, context):
    ran("consult")
    return {more} + await context.channel().ask_number("first?")
"""
    lab.cell(
        tool_.format(more=0)
        + """
@graph_fn
async def agent(*, context):
    y = (await consult(4)).y
    await context.channel().ask_text("go on?")
    return {"y": y}
"""
    )
    run = lab.start("agent")
    lab.answer(run, "first?", 8)
    lab.asked(run, "go on?")
    lab.kill()
    lab.cell(tool_.format(more=100))
    assert finished(lab, run) == {"y": 108}
    assert lab.took() == ["consult"]


def test_3_an_edited_question_is_asked_again(lab: Lab) -> None:
    lab.cell(TOOLS + ASKING)
    run = killed_at_its_second_question(lab)
    lab.cell(ASKING.replace('"first?"', '"your name?"'))
    resumed = lab.resume(run)
    lab.until(resumed, lambda facts: any(isinstance(fact, f.WaitWithdrawn) for fact in facts))
    lab.answer(resumed, "your name?", "Grace")
    lab.answer(resumed, "go on?", "yes")
    assert resumed.result(20)["answer"] == "Grace"


# ---------------------------------------------------------------------- 4 the mailbox


def test_4_a_race_ends_as_it_did(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@tool(outputs=["y"])
async def slow(x):
    if not flag("QUICK"):
        await asyncio.Event().wait()
    return x
async def one(): return (await double(1)).y
async def two(): return (await slow(2)).y
@graph_fn
async def agent(*, context):
    done, left = await asyncio.wait([asyncio.create_task(one()), asyncio.create_task(two())],
                                    return_when=asyncio.FIRST_COMPLETED)
    winner = [task.result() for task in done]
    await context.channel().ask_text("go on?")
    return {"winner": winner, "left": len(left)}
"""
    )
    run = killed_at_its_question(lab, "agent")
    os.environ["QUICK"] = "1"  # what lost the race is done at once now
    try:
        assert finished(lab, run) == {"winner": [2], "left": 1}
    finally:
        del os.environ["QUICK"]


def test_4_a_timeout_that_struck_strikes_again_and_at_once(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["y"])
async def endless():
    ran("endless")
    await asyncio.Event().wait()
@graph_fn
async def agent(*, context):
    try:
        async with asyncio.timeout(0.05):
            await endless()
        said = "done"
    except TimeoutError:
        said = "too late"
    await context.channel().ask_text("go on?")
    return {"said": said}
""")
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run) == {"said": "too late"}
    assert lab.took() == []


def test_4_a_recorded_timer_is_not_waited_for(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@graph_fn
async def agent(*, context):
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.05)
    before = time.perf_counter()
    await asyncio.sleep(0.3)
    took = time.perf_counter() - before
    await context.channel().ask_text("go on?")
    return {"took": took}
"""
    )
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run)["took"] < 0.25


def test_4_time_stands_still_between_deliveries(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@graph_fn
async def agent():
    loop = asyncio.get_running_loop()
    first = loop.time()
    time.sleep(0.01)
    same = loop.time() == first
    await double(1)
    return {"same": same, "later": loop.time() > first}
"""
    )
    assert lab.run("agent") == {"same": True, "later": True}


# ---------------------------------------------------------------------- 6 arguments


def test_6_a_tuple_is_no_list_and_a_number_no_text(lab: Lab) -> None:
    body = """
@graph_fn
async def agent(*, context):
    y = (await show({value})).y
    await context.channel().ask_text("go on?")
    return {{"y": y}}
"""
    lab.cell(
        "@tool(outputs=['y'])\nasync def show(x):\n    ran('show')\n    return repr(x)" + body.format(value="[1, 2]")
    )
    run = killed_at_its_question(lab, "agent")
    lab.cell(body.format(value="(1, 2)"))
    assert finished(lab, run) == {"y": "(1, 2)"}
    assert lab.took() == ["show"]


def test_6_the_order_of_a_set_or_dict_does_not_count(lab: Lab) -> None:
    body = """
@graph_fn
async def agent(*, context):
    y = (await size({value})).y
    await context.channel().ask_text("go on?")
    return {{"y": y}}
"""
    lab.cell(
        "@tool(outputs=['y'])\nasync def size(x):\n    ran('size')\n    return len(x)\n"
        + body.format(value="{'a': {1, 2}, 'b': 2}")
    )
    run = killed_at_its_question(lab, "agent")
    lab.cell(body.format(value="{'b': 2, 'a': {2, 1}}"))
    assert finished(lab, run) == {"y": 2}
    assert lab.took() == []


def test_6_a_changed_file_makes_the_tool_that_was_given_it_run_again(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("1,2")
    lab.cell("""
@tool(outputs=["text"])
async def load(path):
    ran("load")
    with open(path) as file:
        return file.read()
@graph_fn
async def agent(path, *, context):
    text = (await load(path)).text
    await context.channel().ask_text("go on?")
    return {"text": text}
""")
    run = killed_at_its_question(lab, "agent", path=str(path))
    path.write_text("1,2,3")
    assert finished(lab, run) == {"text": "1,2,3"}
    assert lab.took() == ["load"]


# ---------------------------------------------------------------------- 7 reads are effects


def test_7_time_and_random_numbers_read_the_same_after_a_kill(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(*, context):
    before = [await context.clock().now(), context.random().random(), context.random("b").random()]
    ran(repr(before))
    await context.channel().ask_text("go on?")
    return {"read": before}
""")
    run = killed_at_its_question(lab, "agent")
    (before,) = lab.took()
    assert repr(finished(lab, run)["read"]) == before
    assert lab.took() == [before]


def test_7_a_read_sees_what_its_scope_wrote_before(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["names"])
def keep(name, *, context):
    context.artifacts().save_text("x", name=name)
    return [one.name for one in context.artifacts().list()]
@graph_fn
async def agent(*, context):
    await context.artifacts().save_text("x", name="mine.txt")
    own = [one.name for one in await context.artifacts().list()]
    return {"own": own, "all": sorted((await keep("theirs.txt")).names)}
""")
    assert lab.run("agent") == {"own": ["mine.txt"], "all": ["mine.txt", "theirs.txt"]}


# ---------------------------------------------------------------------- 8 mutation, 9 volatile values


def test_8_a_tool_that_changed_its_argument_runs_again_on_the_loaded_one(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["model"])
async def make():
    ran("make")
    return {"model": {"weights": [0]}}
@tool(outputs=["loss"])
async def train(model):
    ran("train")
    model["weights"][0] += 5
    return 1.0
@graph_fn
async def agent(*, context):
    model = (await make()).model
    await train(model)
    await context.channel().ask_text("go on?")
    return {"weights": model["weights"]}
""")
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run) == {"weights": [5]}
    assert lab.took() == ["train"]


def test_8_a_tool_that_promises_to_change_nothing_is_believed(lab: Lab) -> None:
    lab.cell("""
class Handle:
    def __reduce__(self): raise TypeError("not this one")
@tool(outputs=["y"], mutates=())
async def use(handle):
    ran("use")
    return 1
@graph_fn
async def agent(*, context):
    y = (await use(Handle())).y
    await context.channel().ask_text("go on?")
    return {"y": y}
""")
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run) == {"y": 1}
    assert lab.took() == []


def test_8_what_cannot_be_compared_counts_as_changed(lab: Lab) -> None:
    lab.cell("""
class Handle:
    def __reduce__(self): raise TypeError("not this one")
@tool(outputs=["y"])
async def use(handle):
    ran("use")
    return 1
@graph_fn
async def agent(*, context):
    y = (await use(Handle())).y
    await context.channel().ask_text("go on?")
    return {"y": y}
""")
    run = killed_at_its_question(lab, "agent")
    assert [row.why for row in lab.plan(run).rows][0].startswith("it was given a value that cannot be compared")
    assert finished(lab, run) == {"y": 1}
    assert lab.took() == ["use"]


CONNECTION = """
class Connection:
    def __init__(self): self.rows = []
    def __reduce__(self): raise TypeError("a connection stays where it is")
@tool(outputs=["connection", "port"])
async def connect():
    ran("connect")
    return {"connection": Connection(), "port": 5432}
@tool(outputs=["n"])
async def insert(connection, row):
    ran(f"insert {row}")
    connection.rows.append(row)
    return len(connection.rows)
"""


def test_9_a_value_that_cannot_be_stored_makes_its_node_run_again(lab: Lab) -> None:
    lab.cell(
        CONNECTION
        + """
@graph_fn
async def agent(*, context):
    made = await connect()
    await context.channel().ask_text("go on?")
    return {"rows": made.connection.rows, "port": made.port}
"""
    )
    run = killed_at_its_question(lab, "agent")
    (row, _) = lab.plan(run).rows
    assert row.verdict == "runs"
    assert "connect" in row.why or "connection" in row.why
    assert "Connection" in row.why
    assert finished(lab, run) == {"rows": [], "port": 5432}
    assert lab.took() == ["connect"]


def test_9_earlier_calls_with_a_value_that_was_made_again_run_again_too(lab: Lab) -> None:
    lab.cell(
        CONNECTION
        + """
@graph_fn
async def agent(*, context):
    connection = (await connect()).connection
    await insert(connection, "a")
    await context.channel().ask_text("go on?")
    return {"n": (await insert(connection, "b")).n}
"""
    )
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run) == {"n": 2}
    assert lab.took() == ["connect", "insert a", "insert b"]


def test_9_a_tool_can_keep_its_outputs_out_of_the_store(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["secret"], store=False)
async def login():
    ran("login")
    return "hunter2"
@graph_fn
async def agent(*, context):
    secret = (await login()).secret
    await context.channel().ask_text("go on?")
    return {"n": len(secret)}
""")
    run = killed_at_its_question(lab, "agent")
    assert not any(b"hunter2" in row for _, row in lab.store.scan("j:"))
    assert finished(lab, run) == {"n": 7}
    assert lab.took() == ["login"]


@pytest.mark.parametrize("how", ["def", "async def"])
def test_9_what_is_kept_out_of_the_store_is_known_by_who_made_it_also_where_it_comes_out_otherwise(
    lab: Lab, how: str
) -> None:
    lab.cell(
        f"""
import random
class Door:
    pass
@tool(outputs=["key", "door"], store=False)
{how} login():
    ran("login")
    return {{"key": {{"key", random.random()}}, "door": Door()}}
@tool(outputs=["n"])
async def use(keys):
    ran("use")
    return len(keys)
@tool(outputs=["n"])
async def count(door):
    ran("count")
    return 1
@graph_fn
async def agent(*, context):
    opened = await login()
    n = (await use(opened.key)).n + (await count(opened.door)).n
    await context.channel().ask_text("go on?")
    return {{"n": n}}
""".replace('"keys"]', '"keys_"]')
    )
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run) == {"n": 3}
    assert lab.took() == ["login"], "what was made with it is on record"


# ---------------------------------------------------------------------- 10 values


def test_10_what_a_body_does_to_its_inputs_is_not_kept(lab: Lab) -> None:
    lab.cell("""
@graph_fn
async def agent(xs, *, context):
    xs.append(3)
    await context.channel().ask_text("go on?")
    return {"n": len(xs)}
""")
    run = killed_at_its_question(lab, "agent", xs=[1, 2])
    assert lab.runtime.load(run.run_id).inputs == {"xs": [1, 2]}
    assert finished(lab, run) == {"n": 3}


def test_10_what_a_body_does_to_a_result_is_not_kept(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["xs"])
async def make():
    ran("make")
    return [1, 2]
@graph_fn
async def agent(*, context):
    out = await make()
    seen = list(out.xs)
    out.xs.append(3)
    await context.channel().ask_text("go on?")
    return {"seen": seen, "n": len(out.xs)}
""")
    run = killed_at_its_question(lab, "agent")
    assert finished(lab, run) == {"seen": [1, 2], "n": 3}
    assert lab.took() == []


def test_10_replayed_outputs_are_a_whole_dict(lab: Lab) -> None:
    lab.cell("""
@tool(outputs=["a", "b"])
async def make():
    return {"a": (1, 2), "b": {3}}
@graph_fn
async def agent(*, context):
    out = await make()
    await context.channel().ask_text("go on?")
    return {"all": [dict(out), {**out}, out.copy(), list(out.values()), out == {"a": (1, 2), "b": {3}}]}
""")
    run = killed_at_its_question(lab, "agent")
    whole = {"a": (1, 2), "b": {3}}
    assert finished(lab, run) == {"all": [whole, whole, whole, [(1, 2), {3}], True]}


def test_10_an_output_cannot_bear_the_name_of_a_dict_method(lab: Lab) -> None:
    from aethergraph.errors import GraphBuildError

    with pytest.raises(GraphBuildError, match="'items' cannot be an output name"):
        lab.cell("@tool(outputs=['items'])\ndef bad():\n    return 1")


# ---------------------------------------------------------------------- 11 early cut-off

CHAIN = """
@tool(outputs=["y"])
async def first(x):
    ran("first")
    return {first}
@tool(outputs=["y"])
async def uses(x):
    ran("uses")
    return x + 1
@tool(outputs=["y"])
async def unrelated(x):
    ran("unrelated")
    return x
@tool(outputs=["y"], pure=True)
async def clean(x):
    ran("clean")
    return x
"""
CHAIN_BODY = """
@graph_fn
async def agent(*, context):
    a = (await first(10)).y
    b = (await uses(a)).y
    c = (await unrelated(77)).y
    d = (await clean(88)).y
    await context.channel().ask_text("go on?")
    return {"ys": [a, b, c, d]}
"""


def test_11_after_an_edit_that_changes_a_value_all_that_uses_it_runs_again(lab: Lab) -> None:
    lab.cell(CHAIN.format(first="x") + CHAIN_BODY)
    run = killed_at_its_question(lab, "agent")
    lab.cell(CHAIN.format(first="x + 1"))
    assert finished(lab, run) == {"ys": [11, 12, 77, 88]}
    assert lab.took() == ["first", "uses", "unrelated"]  # `unrelated` may read what `first` wrote; `clean` is pure


def test_11_after_an_edit_that_changes_no_value_what_uses_it_is_reused(lab: Lab) -> None:
    lab.cell(CHAIN.format(first="x") + CHAIN_BODY)
    run = killed_at_its_question(lab, "agent")
    lab.cell(CHAIN.format(first="x + 0"))
    assert finished(lab, run) == {"ys": [10, 11, 77, 88]}
    assert lab.took() == ["first", "unrelated"]
    started = [fact for fact in lab.facts(run) if isinstance(fact, f.NodeStarted) and fact.execution == 2]
    assert [fact.why.partition(",")[0] for fact in started] == ["the code of first changed", "it follows first"]


def test_11_a_sibling_branch_is_not_touched_by_an_edit(lab: Lab) -> None:
    lab.cell(
        CHAIN.format(first="x")
        + """
async def left(): return (await uses((await first(10)).y)).y
async def right(): return (await unrelated(77)).y
@graph_fn
async def agent(*, context):
    values = await asyncio.gather(left(), right())
    await context.channel().ask_text("go on?")
    return {"ys": values}
"""
    )
    run = killed_at_its_question(lab, "agent")
    lab.cell(CHAIN.format(first="x + 1"))
    assert finished(lab, run) == {"ys": [12, 77]}
    assert lab.took() == ["first", "uses"]


def test_11_after_is_an_edge(lab: Lab) -> None:
    lab.cell(
        CHAIN.format(first="x")
        + """
@graph_fn
async def agent(*, context):
    a = first(10)
    b = (await unrelated(77, _after=a)).y
    await context.channel().ask_text("go on?")
    return {"ys": [(await a).y, b]}
"""
    )
    run = killed_at_its_question(lab, "agent")
    nodes = {node.node_id: node for node in lab.runtime.load(run.run_id).nodes}
    assert nodes["unrelated"].deps == (nodes["first"].no,)
    lab.cell(CHAIN.format(first="x + 0"))
    assert finished(lab, run) == {"ys": [10, 77]}
    assert lab.took() == ["first"]


def test_11_a_file_that_a_node_returned_is_checked(lab: Lab, tmp_path: Path) -> None:
    lab.cell("""
@tool(outputs=["path"])
async def write(path):
    ran("write")
    with open(path + "/out.txt", "w") as file:
        file.write("text")
    return path + "/out.txt"
@graph_fn
async def agent(folder, *, context):
    path = (await write(folder)).path
    await context.channel().ask_text("go on?")
    return {"there": os.path.exists(path)}
""")
    run = killed_at_its_question(lab, "agent", folder=str(tmp_path))
    assert finished(lab, run) == {"there": True}
    assert lab.took() == []
    run = killed_at_its_question(lab, "agent", folder=str(tmp_path))
    (tmp_path / "out.txt").unlink()
    assert lab.verdicts(run) == {"write": "runs", "ask": "runs"}
    assert finished(lab, run) == {"there": True}
    assert lab.took() == ["write"]


# ---------------------------------------------------------------------- 12 the plan


def test_12_the_plan_says_what_is_reused_what_runs_and_what_may_run(lab: Lab) -> None:
    lab.cell(CHAIN.format(first="x") + CHAIN_BODY)
    run = killed_at_its_question(lab, "agent")
    assert lab.plan(run).text().splitlines()[0] == "4 reused, 1 to run, 0 may run"
    lab.cell(CHAIN.format(first="x + 1"))
    lab.took()
    assert lab.verdicts(run) == {
        "first": "runs", "uses": "may run", "unrelated": "may run", "clean": "reused", "ask": "runs",
    }  # fmt: skip
    text = lab.plan(run).text()
    assert "first      runs: the code of first, or of something that it uses, changed" in text
    assert "uses       may run: it uses what first gives" in text
    assert "unrelated  may run: it follows" in text
    assert lab.took() == []


def test_12_the_plan_of_an_edited_body_says_so(lab: Lab) -> None:
    lab.cell(CHAIN.format(first="x") + CHAIN_BODY)
    run = killed_at_its_question(lab, "agent")
    lab.cell(CHAIN_BODY.replace("88", "89"))
    assert "the code of agent, or of something that it uses, changed" in lab.plan(run).text()


def test_12_the_plan_of_a_failed_run_names_what_failed(lab: Lab) -> None:
    lab.cell(
        TOOLS
        + """
@tool
async def breaks():
    raise RuntimeError("no")
@graph_fn
async def agent():
    await double(1)
    await breaks()
"""
    )
    run = lab.start("agent")
    with pytest.raises(RuntimeError, match="no"):
        run.result(20)
    assert lab.verdicts(run) == {"double": "reused", "breaks": "runs"}
    assert lab.runtime.load(run.run_id).nodes[1].status is NodeStatus.FAILED


def test_05_tools_that_a_body_makes_and_drops_are_each_pinned_by_their_own_code(lab: Lab) -> None:
    """An id is given to another object when its own is gone: it says nothing about code."""
    lab.cell("""
def made(n):
    @tool(name="made")
    async def inner(x):
        return x + n
    return inner

@graph_fn
async def agent(*, context):
    total = 0
    for n in range(60):
        total = (await made(n)(total)).result
    await context.channel().ask_text("go?")
    return total
""")
    run = lab.start("agent")
    lab.asked(run, "go?")
    pins = [node.validity for node in run.nodes if node.callee == "made"]
    assert len(set(pins)) == len(pins) == 60
    lab.kill()
    resumed = lab.resume(run)
    lab.answer(resumed, "go?", "yes")
    assert resumed.result(LIMIT_S) == {"result": sum(range(60))}
    assert [node.execution for node in resumed.nodes if node.callee == "made"] == [1] * 60
