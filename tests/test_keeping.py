"""A static graph is built once, and again as soon as anything that its function reads may be other than it was."""

from __future__ import annotations

import random
import textwrap
from typing import Any

import pytest

from aethergraph import TaskGraph, graphify, tool
from aethergraph.authoring.static import StaticGraph
from tests.cells import Notebook, notebook

TOOLS = """
from aethergraph import branch, graphify, tool

@tool(outputs=["y"])
def inc(x):
    return {"y": x + 1}

@tool(outputs=["y"])
def dec(x):
    return {"y": x - 1}
"""


def told(graph: TaskGraph) -> Any:
    return graph.spec_json()


def opened(cells: Notebook, setting: str, body: str) -> StaticGraph:
    cells.run(TOOLS)
    cells.run(textwrap.dedent(setting))
    cells.run("@graphify\ndef g(x):\n" + textwrap.indent(textwrap.dedent(body), "    "))
    found = cells["g"]
    assert isinstance(found, StaticGraph)
    return found


# Each: what a cell sets, the body of the graph, and what a later cell does, which must give another graph.
CHANGES = {
    "a constant": ("N = 2", "return [inc(x) for _ in range(N)]", "N = 3"),
    "a constant of another type": ("N = 1", "return inc(N)", "N = True"),
    "the sign of zero": ("N = 0.0", "return inc(N)", "N = -0.0"),
    "a list that grows": ("N = [1, 2]", "return [inc(n) for n in N]", "N.append(3)"),
    "a list that becomes a tuple": ("N = [1, 2]", "return inc(N)", "N = (1, 2)"),
    "deep in a dict": ("C = {'a': {'b': [1]}}", "return inc(C['a']['b'])", "C['a']['b'][0] = 2"),
    "the order of a dict": ("C = {'a': 1, 'b': 2}", "return [inc(v) for v in C.values()]", "C['a'] = C.pop('a')"),
    "a tool of the same name": ("", "return inc(x)", TOOLS),
    "a tool under a name": ("step = inc", "return step(x)", "step = dec"),
    "a list of tools": ("STEPS = [inc]", "for s in STEPS:\n    x = s(x).y\nreturn x", "STEPS.append(dec)"),
    "a helper": ("def h(x):\n    return inc(x)", "return h(x)", "def h(x):\n    return dec(x)"),
    "the code of a helper": (
        "def h(x):\n    return inc(x)\ndef other(x):\n    return dec(x)", "return h(x)", "h.__code__ = other.__code__",
    ),
    "a constant of a helper's helper": (
        "N = 1\ndef deep(x):\n    return inc(N)\ndef h(x):\n    return deep(x)", "return h(x)", "N = 2",
    ),
    "a helper named in an inner function": (
        "def h(x):\n    return inc(x)", "return [(lambda v: h(v))(x)]", "def h(x):\n    return dec(x)",
    ),
    "a default of a helper": ("def h(x, n=1):\n    return inc(n)", "return h(x)", "h.__defaults__ = (2,)"),
    "a keyword default": ("def h(x, *, n=1):\n    return inc(n)", "return h(x)", "h.__kwdefaults__['n'] = 2"),
    "a builtin that is shadowed": ("", "return [inc(n) for n in range(2)]", "def range(n):\n    return [7]"),
    "a closure": (
        "def make():\n    n = 1\n    def h(x):\n        return inc(n)\n    def to(v):\n        nonlocal n\n        "
        "n = v\n    return h, to\nh, to = make()", "return h(x)", "to(2)",
    ),
    "its own code": ("def other(x):\n    return dec(x)", "return inc(x)", "g.function.__code__ = other.__code__"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_anything_that_it_reads_gives_another_graph(name: str) -> None:
    setting, body, change = CHANGES[name]
    with notebook() as cells:
        graph = opened(cells, setting, body)
        first = graph.built()
        assert graph.built() is first, "nothing changed, so it is not built again"
        cells.run(change)
        second = graph.built()
        assert second is not first
        assert told(second) == told(graph.build())
        targets = [[node.target for node in made.nodes] for made in (second, graph.build())]
        assert all(one is other for one, other in zip(*targets, strict=True))
        assert graph.built() is second


# What may be other the next time without a change that can be seen: such a graph is built anew each time.
UNSURE = {
    "the clock": ("import time", "return inc(time.time())"),
    "chance": ("import random", "return inc(random.random())"),
    "chance by name": ("from random import random", "return inc(random())"),
    "a folder": ("import os", "return [inc(name) for name in os.listdir('.')]"),
    "a file": ("import os\n__file__ = os.devnull", "with open(__file__) as f:\n    return inc(f.read())"),
    "something imported inside": ("", "import time\nreturn inc(time.time())"),
    "something printed": ("", "print('building')\nreturn inc(x)"),
    "a global that it sets": ("N = 0", "global N\nN = 1\nreturn inc(x)"),
    "a global that it counts up": ("N = 0", "global N\nN += 1\nreturn inc(N)"),
    "a list that it fills": ("SEEN = []", "SEEN.append(1)\nreturn inc(len(SEEN))"),
    "an iterator": ("IT = iter(range(9))", "return inc(next(IT))"),
    "a generator": ("IT = (n for n in range(9))", "return [inc(n) for n in IT]"),
    "an object": ("class C:\n    n = 1\nc = C()", "return inc(c.n)"),
    "a class": ("class C:\n    n = 1", "return inc(C.n)"),
    "an attribute of a function": ("def h():\n    pass\nh.n = 1", "return inc(h.n)"),
    "a function that is called inside a tool": ("def f(x):\n    return 1\nt = tool(f)", "s = t\nreturn inc(s.fn(1))"),
    "a decorated helper": ("import functools\n@functools.lru_cache\ndef h(x):\n    return inc(x)", "return h(x)"),
    "an attribute by a text": ("", "return inc(getattr(x, 'y'))"),
    "a state of itself": ("", "s = g\nreturn inc(s.description)"),
    "names of its own": ("N = 1", "return inc(globals()['N'])"),
    "a counter in a closure": (
        "def make():\n    n = 0\n    def h(x):\n        nonlocal n\n        n += 1\n        return inc(n)"
        "\n    return h\nh = make()", "return h(x)",
    ),
    "a set, which a tool could change": ("", "return inc({1, 2})"),
    "a set that is shared": ("S = {1, 2}", "return inc(S)"),
    "a function as an argument": ("def h():\n    pass", "return inc(h)"),
    "an identity": ("", "return inc(id(x))"),
    "a class made inside": ("", "class C:\n    pass\nreturn inc(x)"),
    "an attribute that it sets": ("", "inc.seen = 1\nreturn inc(x)"),
    "a list that contains itself": ("L = []\nL.append(L)", "return inc(len(L))"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSURE)
def test_what_may_differ_unseen_is_built_anew(name: str) -> None:
    with notebook() as cells:
        graph = opened(cells, *UNSURE[name])
        assert graph.built() is not graph.built()


SURE = {
    "loops over plain values": ("", "for n in range(3):\n    x = inc(x).y\nreturn x"),
    "comprehensions and lambdas": ("", "return sorted([inc(x) for _ in [1]], key=lambda one: 1)"),
    "a branch": ("", "return branch(x > 1, lambda: inc(x), lambda: dec(x))"),
    "outputs called as attributes of a graph are": ("", "return {'name': x.name, 'version': x.version}"),
    "a map": ("", "return inc.map([1, 2]).y"),
    "a module of mathematics": ("import math", "return inc(math.ceil(math.pi))"),
    "combinations": ("import itertools", "return [inc(a + b) for a, b in itertools.combinations([1, 2, 3], 2)]"),
    "a recursive helper": ("def h(x, n):\n    return h(inc(x).y, n - 1) if n else x", "return h(x, 3)"),
    "a text that is filled in": ("P = 'of {}'", "return inc(P.format(3) + f'{4:03d}')"),
    "an error that is caught": ("", "try:\n    raise ValueError\nexcept ValueError:\n    return inc(x)"),
    "an agent": ("@graphify(outputs=['y'])\ndef part(x):\n    return inc(x)", "return part(x).y"),
    "a graph whose outputs are read from it": (
        "@graphify\ndef part(x):\n    return {'a': inc(x).y}",
        "return part(x).a",
    ),
}


@pytest.mark.parametrize("name", SURE)
def test_what_only_reads_plain_values_is_built_once(name: str) -> None:
    with notebook() as cells:
        graph = opened(cells, *SURE[name])
        first = graph.built()
        assert graph.built() is first
        assert told(first) == told(graph.build())


def test_a_change_inside_a_graph_whose_outputs_were_read_counts() -> None:
    with notebook() as cells:
        graph = opened(cells, "N = 'a'\n@graphify\ndef part(x):\n    return {N: inc(x).y}", "return part(x)")
        assert list(graph.built().outputs) == ["a"]
        cells.run("N = 'b'")
        assert list(graph.built().outputs) == ["b"]


def test_what_is_called_in_a_module_counts_by_itself() -> None:
    with notebook() as cells:
        cells.run("import types\nops = types.ModuleType('ops')")
        graph = opened(cells, "ops.step = inc", "return ops.step(x)")
        assert graph.built() is graph.built()
        cells.run("ops.step = dec")
        assert graph.built().nodes[0].logic == "dec"


def test_a_closure_over_what_a_function_was_given_counts() -> None:
    with notebook() as cells:
        cells.run(TOOLS + "def made(n):\n    @graphify\n    def g(x):\n        return [inc(x)] * n\n    return g")
        two, three = cells["made"](2), cells["made"](3)
        assert [len(each.built().outputs["result"]) for each in (two, three, two)] == [2, 3, 2]
        assert two.built() is two.built()


def test_a_build_that_fails_is_not_kept() -> None:
    with notebook() as cells:
        graph = opened(cells, "N = 0", "return inc(1 // N)")
        with pytest.raises(ZeroDivisionError):
            graph.built()
        cells.run("N = 1")
        assert graph.built() is graph.built()


def test_what_a_body_does_to_what_it_reads_is_done_each_time() -> None:
    with notebook() as cells:
        graph = opened(cells, "SEEN = []", "SEEN.append(1)\nreturn inc(x)")
        for _ in range(2):
            graph.built()
            assert cells["SEEN"] == [1]
            cells.run("SEEN.clear()")


def test_the_kept_graph_stays_in_its_process() -> None:
    """A tool may use a static graph, and go to another process with it."""
    with notebook() as cells:
        graph = opened(cells, "", "return inc(x)")
        graph.built()
        kept = graph._kept.__reduce__()
        assert kept == (type(graph._kept), ())


def test_building_and_calling_give_a_graph_of_ones_own() -> None:
    @tool
    def step(x: Any) -> Any: ...

    made = graphify(lambda x: step(x))
    assert made.built() is made.built()
    assert made.build() is not made.built() and made() is not made.built()


def test_random_bodies_give_what_a_new_build_gives() -> None:
    """Constants, helpers and tools change at random; what is kept is always what building anew would give."""
    rng = random.Random(5)
    with notebook() as cells:
        body = "for n in range(N):\n    x = h(x).y\nreturn [s(x) for s in STEPS] + [inc(C['k'])]"
        graph = opened(cells, "N, STEPS, C = 1, [inc], {'k': 1}\ndef h(x):\n    return inc(x)", body)
        reused = 0
        for _ in range(300):
            before = graph.built()
            cells.run(
                rng.choice(
                    [
                        "pass",
                        f"N = {rng.randrange(4)}",
                        f"C['k'] = {rng.randrange(3)}",
                        "STEPS.reverse()",
                        "STEPS.append(dec)",
                        "STEPS = STEPS[-2:]",
                        "def h(x):\n    return dec(x)",
                    ]
                )  # fmt: skip
            )
            reused += graph.built() is before
            assert told(graph.built()) == told(graph.build())
        assert 30 < reused < 270
