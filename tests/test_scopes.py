"""Which names a definition loads from outside."""

from __future__ import annotations

import ast

import pytest

from aethergraph.record.scopes import free, needed_now


def names(text: str) -> set[str]:
    return set(free(ast.parse(text).body[0])[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(x): return x + y", {"y"}),
        ("def f(x=a, *, k=b) -> c: pass", {"a", "b", "c"}),
        ("@deco(arg)\ndef f(x: T): pass", {"deco", "arg", "T"}),
        ("def f():\n    y = 1\n    return y", set()),
        ("def f():\n    global y\n    y = 1\n    return y", {"y"}),
        ("def f(n): return f(n - 1)", {"f"}),
        ("def f():\n    def g(z): return z + w\n    return g", {"w"}),
        ("def f():\n    import numpy as np\n    return np.sum", set()),
        ("def f(xs): return [x * k for x in xs if x]", {"k"}),
        ("def f(): return [x for x in xs]", {"xs"}),
        ("def f(): return {k: v for k, v in items}", {"items"}),
        ("def f():\n    x = [x for x in x0]\n    return x", {"x0"}),
        ("def f(): return (lambda a, b=d: a + b + c)", {"c", "d"}),
        ("def f():\n    try: go()\n    except E as e: return e", {"go", "E"}),
        ("def f():\n    with a() as b, c: return b", {"a", "c"}),
        (
            "def f(p):\n    match p:\n        case {'a': q, **r}: return q, r\n        case C(x=[s, *t]): return s, t",
            {"C"},
        ),
        ("def f():\n    for i in r: pass\n    return i", {"r"}),
        ("def f():\n    if (n := g()): return n", {"g"}),
        ("def f():\n    [last := i for i in r]\n    return last", {"r"}),
        ("class A(B, metaclass=M):\n    x = k\n    def m(self): return self.x + x", {"B", "M", "k", "x"}),
        ("class A:\n    x: T = 1\n    y = x", {"T"}),
        ("async def f():\n    async for a in b: await c(a)\n    return [d async for d in e]", {"b", "c", "e"}),
        ("def f(): return f'{x:{w}} {y!r}'", {"x", "w", "y"}),
        ("def f(*args, **kw): return args, kw", set()),
        ("def f():\n    del x\n", set()),
    ],
)
def test_names_loaded_from_outside(text: str, expected: set[str]) -> None:
    assert names(text) == expected


def test_dotted_reads_are_whole() -> None:
    chains = free(ast.parse("def f(x): return np.linalg.norm(x.a) + g(y).b + z").body[0])[1]
    assert chains == {("np", "linalg", "norm"), ("g",), ("y",), ("z",)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@deco\ndef f(x: T = d) -> R: return body", {"deco", "T", "d", "R"}),
        ("class A(B):\n    x = k", {"B", "k"}),
    ],
)
def test_names_needed_when_the_definition_is_executed(text: str, expected: set[str]) -> None:
    node = ast.parse(text).body[0]
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    assert needed_now(node) == expected
