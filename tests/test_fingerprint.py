"""Code fingerprints: what a person would call a change changes them, and nothing else does."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aethergraph.code import fingerprint
from aethergraph.code.fingerprint import changed, code
from tests.cells import Notebook, notebook

CELLS = """
import functools, math, dataclasses
import numpy as np

LIMIT = 3
TABLE = {{"a": (1, 2), "b": [3.5]}}
ARRAY = np.arange(4)
ONE = 1

@dataclasses.dataclass
class Config:
    depth: int = {depth}

CONFIG = Config()

def loud(fn):
    @functools.wraps(fn)
    def inner(*args):
        return {loud}
    return inner

def deep(x):
    return {deep}

def make(k):
    def times(x):
        return x * k
    return times

thrice = make({k})
square = lambda x: {square}

class Base:
    def value(self):
        return {value}

class Model(Base):
    pass

@loud
def helper(x, y={default}, *, z=None):
    return deep(x) + LIMIT + TABLE["a"][0] + Model().value() + thrice(y) + square(x)

handlers = {{"h": lambda x: {handler}}}

async def study(n):
    await helper(n)
    return math.floor(ARRAY.sum()), CONFIG.depth, handlers
"""
BASE = {
    "depth": "1",
    "loud": "fn(*args)",
    "deep": "x + 1",
    "k": "3",
    "square": "x ** 2",
    "value": "7",
    "default": "5",
    "handler": "x",
}


def book_of(**edits: str) -> Any:
    return notebook(CELLS.format(**(BASE | edits)))


def digest(text: str, name: str = "f") -> bytes:
    with notebook(text) as book:
        return code(book[name]).digest


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        ({"depth": "2"}, "Config"),
        ({"loud": "[fn(*args)]"}, "helper (2)"),
        ({"deep": "x + 2"}, "deep"),
        ({"k": "4"}, "k in times"),
        ({"square": "x ** 3"}, "<lambda>"),
        ({"value": "8"}, "Base"),
        ({"default": "6"}, "default 1 of helper"),
        ({"handler": "-x"}, "<lambda>"),
    ],
    ids=str,
)
def test_an_edit_anywhere_below_is_seen_and_named(edit: dict[str, str], part: str) -> None:
    with book_of() as book:
        before = code(book["study"])
    with book_of(**edit) as book:
        after = code(book["study"])
    assert before.digest != after.digest
    assert any(name.startswith(part.partition(" (")[0]) for name in changed(before.parts, after.parts))


@pytest.mark.parametrize("name", ["LIMIT", "TABLE", "ARRAY", "CONFIG", "deep", "thrice", "Model"])
def test_a_global_that_is_bound_anew_is_seen_at_once(name: str) -> None:
    with book_of() as book:
        before = code(book["study"])
        book.names[name] = 99
        assert code(book["study"]).digest != before.digest


def test_what_is_not_used_does_not_count() -> None:
    with book_of() as book:
        before = code(book["study"])
        book.names["ONE"] = 2
        book.run("def unrelated(): pass\n")
        assert code(book["study"]).digest == before.digest


def test_running_the_same_cells_again_changes_nothing() -> None:
    with book_of() as book:
        before = code(book["study"])
        book.run("# a comment on top\n\n\n" + CELLS.format(**BASE))
        assert code(book["study"]) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x): return x+1\n", "def f(x):\n    # why\n    return (x + 1)  # so\n"),
        ("def f(x):\n    return x\n", "def f(x):\n    'what it does'\n    return x\n"),
        ("def f(x):\n    'old'\n    return 'a'\n", 'def f(x):\n    """new"""\n    return "a"\n'),
        ("class A:\n    pass\ndef f(): return A\n", "class A:\n    'doc'\ndef f():\n\n    return A\n"),
        ("def f(x): return 'ab' f'{x}'\n", "def f(x): return f'ab{x}'\n"),
        ("def f(x, y): return g(\n  x,\n  y)\ndef g(*a): pass", "def g(*a): pass\ndef f(x, y):\n\n    return g(x, y)"),
        ("def f():\n    return 1_000\n", "def f():\n    return 1000\n"),
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(one: str, other: str) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x): return x + 1", "def f(x): return x + 2"),
        ("def f(x): return x + 1", "def f(x): return x - 1"),
        ("def f(x): return 1", "def f(x): return 1.0"),
        ("def f(x): return 1", "def f(x): return True"),
        ("def f(x): return 'a'", "def f(x): return b'a'"),
        ("def f(x): return 'a'", "def f(x):\n    'a'\n    return None"),
        ("def f(x): pass", "async def f(x): pass"),
        ("def f(x): pass", "def f(x, y=None): pass"),
        ("def f(x): return f'{x}'", "def f(x): return f'{x!r}'"),
        ("def f(x): return f'{x:>3}'", "def f(x): return f'{x:>4}'"),
        ("def f(x: int): pass", "def f(x: str): pass"),
        ("import math as m\ndef f(): return m.pi", "import cmath as m\ndef f(): return m.pi"),
        ("from math import sin as g\ndef f(): return g", "from math import cos as g\ndef f(): return g"),
        ("import functools\ng = functools.partial(max, 1)\ndef f(): return g",
         "import functools\ng = functools.partial(max, 2)\ndef f(): return g"),
    ],
)  # fmt: skip
def test_every_change_of_meaning_counts(one: str, other: str) -> None:
    assert digest(one) != digest(other)


numbers = st.integers(-5, 5)
expressions = st.recursive(
    st.sampled_from(["x", "K", "h(x)", "'s'"]) | numbers.map(lambda n: f"({n})"),
    lambda inner: st.builds(lambda a, b, op: f"({a} {op} {b})", inner, inner, st.sampled_from("+-*")),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(expressions, expressions, numbers, numbers)
def test_two_programs_have_one_fingerprint_only_if_they_are_one_program(a: str, b: str, k: int, j: int) -> None:
    def program(body: str, constant: int) -> str:
        return f"K = {constant}\ndef h(v): return v\ndef f(x): return {body}\n"

    uses = "K" in a
    one, other = digest(program(a, k)), digest(program(b, j))
    assert (one == other) == (ast.dump(ast.parse(a)) == ast.dump(ast.parse(b)) and (k == j or not uses))


def test_a_large_global_counts_by_shape_and_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "TOO_LARGE", 1000)
    with notebook("import numpy as np\nBIG = np.zeros(1000)\ndef f(): return BIG\n") as book:
        before = code(book["f"])
        assert before.unchecked == ["BIG (ndarray of 0 MB)"]
        book["BIG"][0] = 1
        assert code(book["f"]).digest == before.digest
        book.run("BIG = np.zeros(1001)\n")
        assert code(book["f"]).digest != before.digest


def test_what_cannot_be_compared_is_listed() -> None:
    with notebook("import threading\nlock = threading.Lock()\ndef f(): return lock\n") as book:
        assert code(book["f"]).unchecked == ["lock (lock)"]


def test_an_object_of_a_users_class_counts_by_its_attributes_and_its_class() -> None:
    cell = "class A:\n    def __init__(self, x): self.x = x\n    def m(self): return {}\n"
    cell += "a = A({})\ndef f(): return a.m()\n"
    seen = {digest(cell.format(body, value)) for body in (1, 2) for value in (3, 4)}
    assert len(seen) == 4


def test_recursion_and_mutual_recursion_end() -> None:
    with notebook("def f(n): return n and g(n - 1)\ndef g(n): return n and f(n - 1)\n") as book:
        assert set(code(book["f"]).parts) == {"f", "g"}


def test_code_without_source_counts_by_its_bytecode() -> None:
    def made(text: str) -> Any:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, "<generated>", "exec"), names)
        return names["f"]

    assert code(made("K = 1\ndef f(): return K")).digest == code(made("K = 1\ndef f(): return K")).digest
    assert code(made("K = 1\ndef f(): return K")).digest != code(made("K = 2\ndef f(): return K")).digest
    assert code(made("def f(): return 1")).digest != code(made("def f(): return 2")).digest


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A local module that the notebook imports; call it with a text to write and load it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # that of a text as long, of the same second, would be taken

    def write(text: str) -> None:
        (tmp_path / "my_helpers.py").write_text(text)
        sys.modules.pop("my_helpers", None)
        importlib.invalidate_caches()
        importlib.import_module("my_helpers")

    yield write
    sys.modules.pop("my_helpers", None)


@pytest.mark.parametrize(
    "cell",
    [
        "import my_helpers\ndef f(): return my_helpers.clean(1)\n",
        "import my_helpers as h\ndef f(): return h.clean(1)\n",
        "from my_helpers import clean\ndef f(): return clean(1)\n",
        "def f():\n    from my_helpers import clean\n    return clean(1)\n",
        "import my_helpers\ndef f(): return getattr(my_helpers, 'clean')(1)\n",
    ],
)
def test_local_modules_are_followed(helpers: Any, cell: str) -> None:
    def write(constant: int) -> bytes:
        helpers(f"K = {constant}\ndef clean(x): return x + K\n")
        return digest(cell)

    assert write(1) != write(2)
    assert write(1) == write(1)


def test_only_what_is_used_of_a_local_module_counts(helpers: Any) -> None:
    cell = "import my_helpers\ndef f(): return my_helpers.clean(1)\n"
    helpers("def clean(x): return x\n")
    before = digest(cell)
    helpers("def other(): pass\n\n\ndef clean(x): return x\n")
    assert digest(cell) == before


def test_the_fingerprint_is_the_same_in_each_process() -> None:
    cell = CELLS.format(**BASE)
    script = f"from tests.cells import notebook\nfrom aethergraph.code.fingerprint import code\n" \
             f"with notebook({cell!r}) as book: print(code(book['study']).digest.hex())"  # fmt: skip
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_our_dump_is_fixed() -> None:
    """A change of this digest would make every stored result invalid: it must be the same on each Python version."""
    text = (
        "async def f(x: int = 1, *a, k=f'{1:>{2}}' 's'):\n    'doc'\n    return [y async for y in x if y.z[1:]], {**x}"
    )
    assert fingerprint.dump_digest(ast.parse(text)).hex() == DUMP


DUMP = "a1c84a8f88003c988cde18177a258b6b"


def used(book: Notebook, name: str) -> set[str]:
    return set(code(book[name]).parts)


def test_the_parts_are_named_as_a_person_would() -> None:
    with book_of() as book:
        assert {"study", "helper", "LIMIT", "TABLE", "Model", "Base", "Config", "CONFIG", "k in times"} <= used(
            book, "study"
        )
