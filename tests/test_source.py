"""The text of what a user wrote, from cells and files alike."""

from __future__ import annotations

import collections
import functools
import inspect
import json
import os
import sys
import sysconfig
import types
import unittest.mock
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aethergraph.storage.store
from aethergraph import graph_fn, tool
from aethergraph.code import source
from tests.cells import notebook


def text(thing: Any) -> str:
    code = source.code_of(source.unwrap(thing))
    assert code is not None
    return code.text


class _Own:
    """Has what it has in itself, over a default of its class."""

    fn: Any = None
    name: Any = None
    __wrapped__: Any = None

    def __init__(self, **own: Any) -> None:
        vars(self).update(own)


class _Slots:
    __slots__ = ("fn", "name")


class _Claims:
    def __getattr__(self, name: str) -> Any:
        return 1


class _Property:
    @property
    def fn(self) -> Any:
        raise AssertionError("it is not to be asked")


_THINGS = [_Own(), _Own(fn=len), _Own(fn=None, name="x"), _Own(__wrapped__=len), _Slots(), _Claims(), _Property()]
_THINGS += [
    functools.partial(len),
    functools.lru_cache(len),
    unittest.mock.Mock(fn=1),
    1,
    "x",
    len,
    [].append,
    tool(len),
]


@pytest.mark.parametrize("thing", _THINGS, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize("name", ["fn", "name", "__wrapped__"])
def test_whether_something_has_an_attribute_is_known_without_asking_it(thing: Any, name: str) -> None:
    assert source._has(thing, name) == (inspect.getattr_static(thing, name, None) is not None)


def test_a_decorator_of_the_users_is_looked_into_though_its_class_has_defaults() -> None:
    cell = "@Step\ndef step(x):\n    return x + 1\n"
    with notebook("class Step:\n    fn = name = None\n") as book:
        book.run("def made(self, fn):\n    self.fn, self.name = fn, fn.__name__\nStep.__init__ = made\n")
        book.run("Step.__call__ = lambda self, x: self.fn(x)\n")
        book.run(cell)
        assert text(book["step"]) == cell


def test_a_function_of_a_cell_with_its_decorators() -> None:
    cell = "import functools\n\n@functools.cache\ndef f(x):\n    # why\n    return x\n\ny = 1\n"
    with notebook(cell) as book:
        assert text(book["f"]) == "@functools.cache\ndef f(x):\n    # why\n    return x\n"


def test_lambdas_of_one_line_are_told_apart() -> None:
    with notebook("a, b = (lambda x: x + 1), (lambda x: x * 2)\n") as book:
        assert (text(book["a"]), text(book["b"])) == ("lambda x: x + 1", "lambda x: x * 2")


def test_an_edited_cell_gives_each_function_its_own_text() -> None:
    with notebook("def f(): return 1\n") as book:
        old = book["f"]
        book.run("def f(): return 2\n")
        assert (text(old), text(book["f"])) == ("def f(): return 1\n", "def f(): return 2\n")


def test_a_class_with_methods_knows_its_cell() -> None:
    with notebook("class A:\n    def m(self): return 1\n") as book:
        old = book["A"]
        book.run("class A:\n    def m(self): return 2\n")
        assert "return 1" in text(old)
        assert "return 2" in text(book["A"])


@pytest.mark.parametrize("edited", ["a: int = 2", "a: int = 1\n    b: int = 1", "a: str = 'x'"])
def test_a_class_without_methods_is_found_among_the_cells(edited: str) -> None:
    cell = "import dataclasses\n@dataclasses.dataclass\nclass A:\n    {}\n"
    with notebook(cell.format("a: int = 1")) as book:
        old = book["A"]
        book.run(cell.format(edited))
        if "str" not in edited:
            assert text(old).endswith("a: int = 1\n")
        assert text(book["A"]).endswith(f"{edited}\n")


def test_nested_functions_are_moved_to_the_margin() -> None:
    with notebook("def outer():\n    @staticmethod\n    def inner(x):\n        return x\n    return inner\n") as book:
        assert text(book["outer"]()) == "@staticmethod\ndef inner(x):\n    return x\n"


def test_closures_are_resolved_before_globals() -> None:
    with notebook("k = 1\ndef outer(k):\n    def inner(): return k, len, j\n    return inner\n") as book:
        resolve = source.lookup(book["outer"](5))
        assert (resolve("k"), resolve("len")) == (5, len)
        with pytest.raises(LookupError):
            resolve("j")


def test_code_without_source_has_no_text() -> None:
    names: dict[str, Any] = {}
    exec("def f(): pass", names)
    assert source.code_of(names["f"]) is None
    assert source.code_of(len) is None


def plain(x: int) -> int:
    return x


def wrapped(fn: Any) -> Any:
    @functools.wraps(fn)
    def inner(*args: Any) -> Any:
        return fn(*args)

    return inner


class Box:
    fn = None

    def method(self) -> None: ...


@pytest.mark.parametrize(
    "thing",
    [
        plain,
        tool(outputs=["y"])(plain),
        graph_fn(plain),
        functools.partial(plain, 1),
        functools.lru_cache(plain),
        wrapped(wrapped(plain)),
        staticmethod(plain),
        tool(wrapped(plain)),
    ],
    ids=["function", "tool", "agent", "partial", "cached", "wrapped", "static", "wrapped tool"],
)
def test_the_users_function_is_found_inside(thing: Any) -> None:
    assert source.unwrap(thing) is plain


def test_a_method_gives_its_function() -> None:
    assert source.unwrap(Box().method) is Box.method


def test_objects_that_claim_to_have_every_attribute_are_left_alone() -> None:
    class Claims:
        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self) -> None: ...

    thing = Claims()
    assert source.unwrap(thing) is thing


def test_what_is_the_users() -> None:
    with notebook("def f(): pass\nclass A: pass\n") as book:
        mine = [book["f"], book["A"], plain, Box, sys.modules[__name__]]
        assert [source.is_users(thing) for thing in mine] == [True] * 5
    others = [json.dumps, collections.OrderedDict, np.mean, np, json, len, tool, aethergraph.storage.store, int, sys]
    assert [source.is_users(thing) for thing in others] == [False] * len(others)


def test_all_folders_of_the_installation_are_foreign() -> None:
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    assert not any(source.is_users_file(os.path.join(folder, "module.py")) for folder in folders)
    assert source.is_users_file(os.path.join(os.path.dirname(sys.prefix), "module.py"))


def test_a_function_of_a_file_is_read_without_the_rest_of_it(tmp_path: Path) -> None:
    file = tmp_path / "helpers.py"
    file.write_text("@str\ndef f():\n    return 1\n\n\ndef g():\n    return 2\n")
    names: dict[str, Any] = {}
    exec(compile(file.read_text().replace("@str", ""), str(file), "exec", dont_inherit=True), names)
    file.write_text(file.read_text() + "what was not finished yet (\n")
    assert text(names["g"]) == "def g():\n    return 2\n"
    assert source.code_of(names["f"]) is None  # it is another one now: a decorator stands before it


def test_a_file_that_was_edited_and_loaded_again_gives_the_new_text(tmp_path: Path) -> None:
    def load(body: str) -> types.ModuleType:
        file = tmp_path / "helpers.py"
        file.write_text(body)
        module = types.ModuleType("helpers")
        exec(compile(body, str(file), "exec", dont_inherit=True), vars(module))
        return module

    assert text(load("def f(): return 1\n").f) == "def f(): return 1\n"
    assert text(load("# one line more\ndef f(): return 22\n").f) == "def f(): return 22\n"


def test_imports_inside_a_body_are_listed() -> None:
    with notebook("def f():\n    import os.path\n    from json import dumps as d\n") as book:
        code = source.code_of(book["f"])
        assert code is not None
        assert set(code.imports) == {("os.path", "", 0), ("json", "dumps", 0)}
