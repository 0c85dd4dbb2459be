"""What a cell's statements do as the body of a function."""

import ast
from textwrap import dedent

import pytest

from jupyter_ext.body import assigned, awaits, ends, first_yield, returns, uses


def body(text: str) -> ast.Module:
    return ast.parse(dedent(text))


@pytest.mark.parametrize(
    "text",
    [
        "await f()",
        "async with a: pass",
        "async for a in b: pass",
        "x = [a async for a in b]",
        "x = [await a for a in b]",
    ],
)
def test_await_at_the_own_level_counts(text: str) -> None:
    assert awaits(body(text))


@pytest.mark.parametrize("text", ["async def f():\n    await g()", "f = lambda: 1", "class A:\n    x = 1", "f()"])
def test_await_in_a_nested_function_does_not(text: str) -> None:
    assert not awaits(body(text))


def test_assigned_finds_every_way_to_bind_a_name() -> None:
    text = """
        a, (b, *c) = 1, (2, 3)
        import d.dd, e as f
        from g import h
        def i(): inner = 1
        class j: pass
        for k in []: pass
        with x as l: pass
        if (m := 1): pass
        n: int = 1
        o += 1
        match x:
            case [p, *q]: pass
            case {"k": r, **s}: pass
            case t: pass
        [u for u in []]
    """
    assert assigned(body(text)) == set("abcdfhijklmnopqrst")


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("return 1", True),
        ("raise E", True),
        ("if a: return 1\nelse: raise E", True),
        ("if a: return 1", False),
        ("try: return 1\nexcept E: return 2", True),
        ("try: return 1\nexcept E: pass", False),
        ("try: x = 1\nexcept E: return 1\nelse: return 2", True),
        ("try: x = 1\nfinally: return 2", True),
        ("while True: f()", True),
        ("while True:\n  if a: break", False),
        ("while a: return 1", False),
        ("with a: return 1", False),
        ("match a:\n  case 1: return 1\n  case _: return 2", True),
        ("match a:\n  case 1: return 1", False),
        ("x = 1", False),
        ("", False),
    ],
)
def test_ends(text: str, sure: bool) -> None:
    assert ends(body(text).body) is sure


def test_returns_yields_and_uses() -> None:
    assert returns(body("if a: return 1"))
    assert not returns(body("def f(): return 1\nif a: return"))
    assert first_yield(body("x = 1\ny = yield x\nyield")) == 2
    assert first_yield(body("def f(): yield")) == 0
    assert uses(body("def f(): return context.run_id"), "context")
    assert not uses(body("f(x.context)"), "context")
