"""Static graphs as runs: scheduling, skipping, failing, nesting, and going on after a kill or an edit."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aethergraph import NodeStatus, RunStatus, run
from aethergraph.errors import GraphBuildError, MissingInput, NodeFailed, RunExists
from aethergraph.record import facts as f

from .lab import LIMIT_S, Lab

TOOLS = """
from aethergraph import graphify
import threading

@tool(outputs=["y"])
async def inc(x, by=1):
    ran(f"inc {x}")
    return {"y": x + by}

@tool(outputs=["a", "b"])
def pair(x):
    ran(f"pair {x}")
    return x, [x, {"k": x * 10}]

@tool
async def keep(v):
    ran(f"keep {v}")
    return v

@tool
async def bad(x):
    ran(f"bad {x}")
    if flag("BAD"):
        raise ValueError(x)
    return x

@tool
async def ask(prompt, *, context):
    ran(f"ask {prompt}")
    return await context.channel().ask_text(prompt)
"""


@pytest.fixture
def static(lab: Lab) -> Lab:
    """A lab with the tools of this file."""
    lab.cell(TOOLS)
    return lab


def _graph(lab: Lab, body: str, head: str = "x", decorator: str = "@graphify") -> None:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    lab.cell(f"{decorator}\ndef g({head}):\n{lines}")


def _ids(run_: Any) -> dict[str, list[str]]:
    """The nodes of the graph itself, each with those that it depends on."""
    nodes = run_.nodes
    return {n.node_id: [nodes[d - 1].node_id for d in (*n.deps, *n.after)] for n in nodes if not n.scope}


# ---------------------------------------------------------------------- running


def test_values_flow_along_references_of_every_kind(static: Lab) -> None:
    _graph(
        static,
        """
h = inc(x)
p = pair(h)
q = keep({"whole": [p.a, h["y"]], "part": p.b[1]["k"], "input": n, "plain": 7})
return {"q": q, "last": p["b"][0], "both": [p.a, n], "plain": 3}
""",
        "x, n=2",
    )
    expected = {"whole": [6, 6], "part": 60, "input": 2, "plain": 7}
    assert static.run("g", x=5) == {"q": expected, "last": 6, "both": [6, 2], "plain": 3}


def test_run_takes_the_agent_and_its_graph(static: Lab) -> None:
    _graph(static, "return inc(x, by=n)", "x, n=2")
    g = static.cells["g"]
    assert run(g, x=1) == run(g(), {"x": 1}) == {"y": 3}
    assert run(g.build(), x=1, n=5) == {"y": 6}
    with pytest.raises(MissingInput):
        run(g)
    with pytest.raises(TypeError, match="its inputs are: x, n"):
        run(g, x=1, z=2)


def test_a_graph_that_cannot_be_built_makes_no_run(static: Lab) -> None:
    _graph(static, "return inc(x).y + 1")
    with pytest.raises(GraphBuildError):
        run(static.cells["g"], x=1)
    assert not static.runtime.runs()


def test_edges_are_those_that_are_written(static: Lab) -> None:
    _graph(
        static,
        """
a = inc(x)
b = inc(2, _id="b")
c = keep(5, _after=[a, "b"])
d = keep(a.y, _after=c)
return [b, d]
""",
    )
    run_ = static.start("g", x=1)
    run_.result(LIMIT_S)
    assert _ids(run_) == {"inc": [], "b": [], "keep": ["inc", "b"], "keep-2": ["inc", "keep"]}


def test_ready_nodes_run_at_once(static: Lab) -> None:
    static.cell("""
barrier = threading.Barrier(3, timeout=10)
@tool
def meet(x):
    return barrier.wait() >= 0
""")
    _graph(static, "return [meet(inc(x)), meet(inc(1)), meet(inc(2))]")
    assert static.run("g", x=0) == {"result": [True, True, True]}


def test_order_without_values_is_kept(static: Lab) -> None:
    _graph(static, "last = keep('last', _after='first')\nkeep('first', _id='first')\nreturn last")
    static.run("g", x=0)
    assert static.took() == ["keep first", "keep last"]


def test_a_graph_without_nodes_gives_its_inputs(static: Lab) -> None:
    _graph(static, 'return {"x": x, "n": 1}')
    assert static.run("g", x=4) == {"x": 4, "n": 1}


# ---------------------------------------------------------------------- skipping


@pytest.mark.parametrize(("x", "told"), [(1, ["inc 1", "keep low"]), (5, ["inc 5", "keep high"])])
def test_a_condition_decides_which_branch_runs(static: Lab, x: int, told: list[str]) -> None:
    _graph(
        static,
        """
h = inc(x)
low = keep("low", _condition=(h.y < 3) & (x != 9))
high = keep("high", _condition=~(h < 3))
beyond = keep(high)
return {"low": low, "high": high, "beyond": beyond, "either": [low, high], "part": low.result[0]}
""",
    )
    outputs = static.run("g", x=x)
    low, high = ("low", None) if x == 1 else (None, "high")
    assert (outputs["low"], outputs["high"], outputs["beyond"]) == (low, high, high)
    assert outputs["either"] == [low, high] and outputs["part"] == (low and "l")
    assert static.took() == [*told, *(["keep high"] if high else [])]


def test_a_node_that_only_follows_a_skipped_one_runs_and_lists_hold_none(static: Lab) -> None:
    _graph(
        static,
        """
off = keep("off", _condition=False)
after = keep("after", _after=off)
join = keep([off, x])
return {"off": off, "after": after, "join": join}
""",
    )
    assert static.run("g", x=1) == {"off": None, "after": "after", "join": [None, 1]}


@pytest.mark.parametrize(("x", "told"), [(1, ["inc 1", "keep low"]), (5, ["inc 5", "inc 6", "keep 7"])])
def test_a_branch_runs_one_of_its_sides_and_gives_what_that_gives(static: Lab, x: int, told: list[str]) -> None:
    static.cell("from aethergraph import branch")
    _graph(
        static,
        """
h = inc(x)
return {
    "one": branch(h < 3, lambda: keep("low"), lambda: keep(inc(h))),
    "plain": branch(h < 3, h, [x, "high"]),
    "none": branch(h > 9, lambda: keep("never")),
}
""",
    )
    one, plain = ("low", 2) if x == 1 else (7, [5, "high"])
    assert static.run("g", x=x) == {"one": one, "plain": plain, "none": None}
    assert static.took() == told


def test_a_node_that_is_given_a_branch_is_skipped_with_the_side_that_is_taken(static: Lab) -> None:
    static.cell("from aethergraph import branch")
    _graph(
        static,
        """
off, on = keep("off", _condition=False), keep("on")
return {"off": keep(branch(x, off, on)), "nested": branch(x, lambda: branch(x == 2, lambda: keep(2), 3), 4)}
""",
    )
    assert static.run("g", x=0) == {"off": "on", "nested": 4}
    assert static.run("g", x=1) == {"off": None, "nested": 3}
    assert static.run("g", x=2) == {"off": None, "nested": 2}


def test_a_condition_may_be_an_input(static: Lab) -> None:
    _graph(static, "return keep(x, _condition=x)")
    assert static.run("g", x=0) == {"result": None}
    assert static.run("g", x=2) == {"result": 2}


# ---------------------------------------------------------------------- failing


FAILS = """
a = bad(x)
b = keep(a)
slow = ask("go on?")
rest = keep(inc(slow, by="!"))
return {"b": b, "rest": rest}
"""


def test_what_depends_on_a_failure_stops_and_the_rest_finishes(static: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD", "1")
    _graph(static, FAILS)
    run_ = static.start("g", x=1)
    static.answer(run_, "go on?", "yes")
    with pytest.raises(NodeFailed) as raised:
        run_.result(LIMIT_S)
    assert (raised.value.node_id, raised.value.run_id) == ("bad", run_.run_id)
    assert isinstance(raised.value.__cause__, ValueError) and raised.value.__cause__.args == (1,)
    assert "ValueError: 1" in "".join(traceback.format_exception(raised.value))
    assert static.took() == ["bad 1", "ask go on?", "inc yes", "keep yes!"]
    assert run_.status is RunStatus.FAILED
    # the failed node is tried again; what finished, before or after it, is not
    monkeypatch.delenv("BAD")
    static.kill()
    assert dict(static.resume(run_).result(LIMIT_S)) == {"b": 1, "rest": "yes!"}
    assert static.took() == ["bad 1", "keep 1"]


def test_all_failures_are_tried_again(static: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD", "1")
    _graph(static, "return [bad(x), bad(2), inc(bad(3)), keep(4)]")
    run_ = static.start("g", x=1)
    with pytest.raises(NodeFailed, match="node 'bad'") as raised:
        run_.result(LIMIT_S)
    assert raised.value.__notes__ == ["also failed: bad-2, bad-3"]
    assert sorted(static.took()) == ["bad 1", "bad 2", "bad 3", "keep 4"]
    monkeypatch.delenv("BAD")
    static.kill()
    assert dict(static.resume(run_).result(LIMIT_S)) == {"result": [1, 2, 4, 4]}
    assert sorted(static.took()) == ["bad 1", "bad 2", "bad 3", "inc 3"]


def test_on_error_stop_cancels_the_rest(static: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD", "1")
    _graph(static, "w = ask('go on?')\nb = bad(inc(x))\nreturn [w, b, keep(w)]", decorator="@graphify(on_error='stop')")
    run_ = static.start("g", x=1)
    with pytest.raises(NodeFailed, match="node 'bad'"):
        run_.result(LIMIT_S)
    assert not static.runtime.waits()
    monkeypatch.delenv("BAD")
    static.kill()
    static.took()
    again = static.resume(run_)
    static.answer(again, "go on?", "yes")
    assert dict(again.result(LIMIT_S)) == {"result": ["yes", 2, "yes"]}
    assert sorted(static.took()) == ["ask go on?", "bad 2", "keep yes"]


def test_a_part_that_is_not_there_fails_its_node_and_says_where(static: Lab) -> None:
    _graph(static, "return {'k': keep(pair(x).b[7]), 'other': keep(3)}")
    run_ = static.start("g", x=1)
    with pytest.raises(NodeFailed, match=r"node 'keep' .*<pair.b\[7\]> is not there: IndexError") as raised:
        run_.result(LIMIT_S)
    assert raised.value.__cause__ is not None
    assert raised.value.__cause__.__notes__[0].endswith(".py:3")
    assert "keep 3" in static.took()


def test_a_part_that_is_not_there_in_the_outputs_says_whose_they_are(static: Lab) -> None:
    """No node is to blame: what is written at the graph's own line is."""
    _graph(static, "return {'k': pair(x).b[7], 'none': keep({'a': x}).b}")
    with pytest.raises(GraphBuildError, match=r"<pair.b\[7\]> is not there: IndexError") as raised:
        static.run("g", x=1)
    (note,) = [note for note in raised.value.__notes__ if "outputs" in note]
    assert note.startswith("for the outputs of g, written at ") and note.endswith(".py:1")


def test_a_value_of_the_wrong_type_fails_its_node(static: Lab) -> None:
    static.cell("@tool\nasync def number(n: int):\n    return n")
    _graph(static, "return number(keep(x))")
    assert static.run("g", x=1) == {"result": 1}
    with pytest.raises(NodeFailed, match=r"node 'number' .*number\(n=...\) takes int, got str: 'one'"):
        static.run("g", x="one")


def test_retries_hold_in_a_static_graph(static: Lab) -> None:
    static.cell("""
@tool(retries=2, backoff_s=0.0)
async def flaky(x, *, context):
    ran(f"flaky {context.attempt}")
    if context.attempt < 3:
        raise OSError("again")
    return x
""")
    _graph(static, "return flaky(x)")
    assert static.run("g", x=3) == {"result": 3}
    assert static.took() == ["flaky 1", "flaky 2", "flaky 3"]


def test_cancel_ends_the_run(static: Lab) -> None:
    _graph(static, "return ask('never?')")
    run_ = static.start("g", x=1)
    static.asked(run_, "never?")
    run_.cancel()
    with pytest.raises(Exception, match="was cancelled"):
        run_.result(LIMIT_S)
    assert run_.status is RunStatus.CANCELLED and not static.runtime.waits()


# ---------------------------------------------------------------------- nesting

NESTED = """
@graphify
def inner(p, q=1):
    h = inc(p, by=q)
    return {"s": inc(h).y, "w": keep(h)}

@graph_fn
async def agent(x):
    out = await inc(x)
    deeper = await inner(out.y)
    return {"z": deeper.s * 10}
"""


def test_graphs_nest_both_ways(static: Lab) -> None:
    static.cell(NESTED)
    _graph(static, "i = inner(x, q=2)\na = agent(i.s)\nreturn {'s': i.s, 'w': i.w, 'z': a.z}")
    run_ = static.start("g", x=1)
    assert dict(run_.result(LIMIT_S)) == {"s": 4, "w": 3, "z": 70}
    nodes = run_.nodes
    assert _ids(run_) == {"inner": [], "agent": ["inner"]}
    assert len({node.node_id for node in nodes}) == len(nodes)
    inside = {nodes[n.scope - 1].node_id for n in nodes if n.scope}
    assert inside == {"inner", "agent", "inner-2"}


def test_a_static_graph_is_a_node_of_a_reactive_one(static: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    static.cell(NESTED)
    static.cell("""
@graph_fn
async def outer(x):
    try:
        return {"s": (await failing(x)).b}
    except NodeFailed as error:
        return {"told": [error.node_id, (await inner(x)).s]}
from aethergraph.errors import NodeFailed
@graphify(outputs=["b"])
def failing(x):
    return bad(x)
""")
    assert static.run("outer", x=3) == {"s": 3}
    monkeypatch.setenv("BAD", "1")
    assert static.run("outer", x=3) == {"told": ["bad", 5]}


# ---------------------------------------------------------------------- kills and edits

LONG = """
a = inc(x)
b = pair(a)
w = ask("go?")
c = keep([b.b, w])
return {"c": c, "w": w}
"""


def _stored_only(lab: Lab) -> None:
    """Forget the cells: a new kernel in which nothing was run."""
    for name in ("g", "inc", "pair", "keep", "ask", "bad", "inner", "agent", "graphify"):
        lab.cells.names.pop(name, None)


def test_a_killed_run_goes_on_with_nothing_but_the_store(static: Lab) -> None:
    static.cell("SUFFIX = '!'\ndef helper(v):\n    return keep([v.b, SUFFIX])")
    _graph(static, LONG.replace("keep([b.b, w])", "helper(b)"))
    run_ = static.start("g", x=1)
    static.asked(run_, "go?")
    static.until(run_, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 3)
    static.took()
    static.kill()
    _stored_only(static)
    again = static.runtime.resume(run_.run_id, namespace={"ran": static.cells["ran"]})
    static.answer(again, "go?", "yes")
    assert dict(again.result(LIMIT_S)) == {"c": [[2, {"k": 20}], "!"], "w": "yes"}
    assert static.took() == ["ask go?"]


def test_an_edited_tool_runs_again_with_what_depends_on_its_values(static: Lab) -> None:
    _graph(static, LONG)
    run_ = static.start("g", x=1)
    static.asked(run_, "go?")
    static.until(run_, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 2)
    static.took()
    static.kill()
    static.cell(TOOLS.replace('return {"y": x + by}', 'return {"y": x + by + 100}'))
    _graph(static, LONG)
    assert static.verdicts(run_) == {"inc": "runs", "pair": "may run", "ask": "runs", "ask-2": "runs"}
    again = static.resume(run_)
    static.answer(again, "go?", "yes")
    assert dict(again.result(LIMIT_S))["c"] == [[102, {"k": 1020}], "yes"]
    assert sorted(static.took()) == ["ask go?", "inc 1", "keep [[102, {'k': 1020}], 'yes']", "pair 102"]


def test_early_cut_off_where_values_stayed_the_same(static: Lab) -> None:
    _graph(static, LONG)
    run_ = static.start("g", x=1)
    static.asked(run_, "go?")
    static.until(run_, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 2)
    static.took()
    static.kill()
    static.cell(TOOLS.replace('return {"y": x + by}', 'return {"y": by + x}'))
    _graph(static, LONG)
    again = static.resume(run_)
    static.answer(again, "go?", "yes")
    assert dict(again.result(LIMIT_S))["w"] == "yes"
    told = static.took()
    assert "inc 1" in told and "pair 2" not in told


def test_what_only_follows_an_edited_node_runs_again(static: Lab) -> None:
    body = "a = inc(x)\nb = keep(5, _after=a)\nc = keep(6)\nreturn [b, c, ask('go?')]"
    _graph(static, body)
    run_ = static.start("g", x=1)
    static.asked(run_, "go?")
    static.until(run_, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 3)
    static.took()
    static.kill()
    static.cell(TOOLS.replace('return {"y": x + by}', 'return {"y": by + x}'))
    _graph(static, body)
    again = static.resume(run_)
    static.answer(again, "go?", "yes")
    again.result(LIMIT_S)
    told = static.took()
    assert "inc 1" in told and "keep 5" in told and "keep 6" not in told


def test_same_keeps_the_result_of_edited_code(static: Lab) -> None:
    body = "return [inc(x, _same=True), inc(2), ask('go?')]"
    _graph(static, body)
    run_ = static.start("g", x=1)
    static.asked(run_, "go?")
    static.until(run_, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 2)
    static.took()
    static.kill()
    static.cell(TOOLS.replace('return {"y": x + by}', 'return {"y": x + by + 100}'))
    _graph(static, body)
    again = static.resume(run_)
    static.answer(again, "go?", "yes")
    assert dict(again.result(LIMIT_S)) == {"result": [2, 103, "yes"]}
    assert sorted(static.took()) == ["ask go?", "inc 2"]


def test_calls_that_an_edit_adds_leave_the_others_alone(static: Lab) -> None:
    _graph(static, "a = keep(1)\nb = keep(2)\nreturn [a, b, ask('go?')]")
    run_ = static.start("g", x=1)
    static.asked(run_, "go?")
    static.until(run_, lambda facts: sum(isinstance(fact, f.NodeDone) for fact in facts) >= 2)
    static.took()
    static.kill()
    _graph(static, "z = keep(0)\na = keep(1)\nb = keep(2)\nreturn [z, a, b, ask('go?')]")
    again = static.resume(run_)
    static.answer(again, "go?", "yes")
    assert dict(again.result(LIMIT_S)) == {"result": [0, 1, 2, "yes"]}
    assert sorted(static.took()) == ["ask go?", "keep 0"]
    assert len(_ids(again)) == 4


def test_the_same_run_id_resumes_with_the_same_inputs_only(static: Lab) -> None:
    _graph(static, "return inc(x)")
    first = run(static.cells["g"], x=1, run_id="mine")
    assert run(static.cells["g"], x=1, run_id="mine") == first and static.took() == ["inc 1"]
    with pytest.raises(RunExists):
        run(static.cells["g"], x=2, run_id="mine")


def test_a_failure_inside_a_nested_graph_is_tried_again_alone(static: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    static.cell("@graphify\ndef inner(p):\n    return {'k': keep(p), 'b': [bad(p), bad(inc(p))]}")
    _graph(static, "i = inner(x)\nreturn {'b': i.b, 'other': keep(inc(7)), 'last': keep(i.k)}")
    monkeypatch.setenv("BAD", "1")
    run_ = static.start("g", x=1)
    with pytest.raises(NodeFailed, match="node 'inner'") as raised:
        run_.result(LIMIT_S)
    inside = raised.value.__cause__
    assert isinstance(inside, NodeFailed) and inside.node_id == "bad"
    assert isinstance(inside.__cause__, ValueError)
    assert sorted(static.took()) == ["bad 1", "bad 2", "inc 1", "inc 7", "keep 1", "keep 8"]
    monkeypatch.delenv("BAD")
    static.kill()
    assert dict(static.resume(run_).result(LIMIT_S)) == {"b": [1, 2], "other": 8, "last": 1}
    assert sorted(static.took()) == ["bad 1", "bad 2", "keep 1"]


def _random_graph(seed: int) -> str:
    """A body of 14 calls with values, parts, order, conditions and a nested graph; and what it returns."""
    random = Random(seed)
    lines, names = [], ["x"]
    for number in range(14):
        one, other, name = random.choice(names), random.choice(names), f"v{number}"
        after = f", _after=h{random.randrange(number)}" if number and random.random() < 0.3 else ""
        condition = f", _condition={other} != {random.randrange(6)}" if random.random() < 0.3 else ""
        call, value = random.choice(
            [
                (f"add({number}, {one}, {other}", ".y"),
                (f"add({number}, [{one}, {other}], 1", ".y"),
                (f"halves({number}, {one}", ".parts[1]"),
                (f"nest({number}, {other}", ".y"),
            ]
        )
        lines += [f"h{number} = {call}{after}{condition})", f"{name} = h{number}{value}"]
        names.append(name)
    return "\n".join([*lines, f"return {{'all': [{', '.join(names)}]}}"])


RANDOM = """
def total(v):
    return sum(map(total, v)) if isinstance(v, list) else v or 0
@tool(outputs=["y"])
async def add(n, a, b):
    ran(f"add {n}")
    return total(a) + total(b) + 1
@tool(outputs=["parts"])
def halves(n, a):
    ran(f"halves {n}")
    return [total(a) // 2, total(a) - 1]
@graphify
def nest(n, a):
    return add([n, "outer"], add([n, "inner"], a, 1), 2)
"""


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_killed_anywhere_give_what_they_give(lab: Lab, seed: int) -> None:
    lab.cell("from aethergraph import graphify")
    lab.cell(RANDOM)
    _graph(lab, _random_graph(seed))
    whole = lab.start("g", x=seed)
    expected = dict(whole.result(LIMIT_S))
    once = sorted(lab.took())
    assert len(once) == len(set(once))
    ends = sum(isinstance(fact, (f.NodeDone, f.NodeRan)) for fact in lab.facts(whole))
    for kept in range(1, ends, 3):
        run_ = lab.start("g", x=seed)
        lab.until(run_, lambda facts, kept=kept: sum(isinstance(x, f.NodeDone) for x in facts) >= kept)
        lab.kill()
        done = {n.node_id for n in lab.runtime.load(run_.run_id).nodes if n.outcome is not None and n.kind == f.TOOL}
        before = lab.took()
        again = lab.resume(run_)
        assert dict(again.result(LIMIT_S)) == expected
        after = lab.took()
        assert set(before) | set(after) == set(once)
        called = [n for n in again.nodes if n.kind == f.TOOL and n.status is not NodeStatus.SKIPPED]
        assert len(after) == len(called) - len(done)


SCRIPT = """
import os, sys
from aethergraph import graphify, tool, run

def log(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")

@tool
def step(x):
    log(f"step {x}")
    return x + 1

@tool
def die(x):
    log(f"die {x}")
    if not os.path.exists(sys.argv[1] + ".again"):
        os._exit(9)
    return x * 2

@graphify
def g(x):
    first = step(x)
    return {"dead": die(step(first)), "first": first}

run(g, x=1, run_id="killed")
"""

GOES_ON = """
import sys
from aethergraph import resume
print(dict(resume("killed", namespace={}).result(20)))
"""


def test_a_killed_process_is_followed_by_one_that_knows_only_the_store(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(log)]
    assert subprocess.run(command, timeout=60).returncode == 9
    (tmp_path / "script.py").unlink()
    (tmp_path / "log.again").touch()
    done = subprocess.run([sys.executable, "-c", GOES_ON, str(log)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "{'dead': 6, 'first': 2}", done.stderr
    assert log.read_text().split("\n")[:-1] == ["step 1", "step 2", "die 3", "die 3"]


def test_inputs_that_the_function_takes_with_a_double_star_are_inputs_as_any(static: Lab) -> None:
    static.cell("""
@graphify(inputs={"x": 1, "n": 2})
def spread(x, **others):
    return {"x": x, "n": others["n"], "names": sorted(others)}
""")
    assert static.run("spread", n=5) == {"x": 1, "n": 5, "names": ["n"]}
