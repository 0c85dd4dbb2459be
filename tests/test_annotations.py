"""Annotations that name what is not there: on Python 3.14 and later asking for one may raise, before that they are
texts."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pytest

import aethergraph
import jupyter_ext
from aethergraph import WaitSpec, graph_fn, graphify, tool
from aethergraph.authoring.staging import StagedTool
from aethergraph.code import fingerprint, source
from aethergraph.values.annotations import annotations_of, signature_of

LAZY = sys.version_info >= (3, 14)
PACKAGES = [Path(package.__file__).parent for package in (aethergraph, jupyter_ext)]
QUOTE = "" if LAZY else '"'


def quoted(text: str) -> str:
    """`text` as this Python takes it: names in `?` that are nowhere are quoted before 3.14, and plain from there on."""
    return text.replace("?", QUOTE)


def defined(text: str, **more: Any) -> dict[str, Any]:
    """The names that `text` defines, without any future of this module."""
    names: dict[str, Any] = {"tool": tool, "graph_fn": graph_fn, "graphify": graphify, "__name__": "__main__", **more}
    exec(compile(quoted(text), "<cell>", "exec", dont_inherit=True), names)
    return names


class Pair(NamedTuple):
    p: int
    q: int


def test_a_name_that_is_nowhere_is_a_text_in_a_signature() -> None:
    made = defined("def f(x: ?Frame?, n: int = 1) -> ?Table?: ...")["f"]
    signature = signature_of(made)
    assert [p.annotation for p in signature.parameters.values()] == ["Frame", int]
    assert signature.return_annotation == "Table"
    assert annotations_of(made) == {"x": "Frame", "n": int, "return": "Table"}


@pytest.mark.parametrize("kind", ["tool", "graph_fn"])
def test_a_function_may_be_annotated_with_what_only_type_checkers_see(kind: str) -> None:
    made = defined(f"@{kind}\ndef f(x: ?Frame?, n: int = 1) -> ?Table?:\n    return {{'x': x}}\n")["f"]
    assert made.inputs == ("x", "n")
    with pytest.raises(TypeError, match="takes int, got str"):  # what is known of it is still looked at
        made(None, "one")


@pytest.mark.parametrize("returns", ["?WaitSpec?", "Known", "Known | dict", "?WaitSpec | dict?"])
def test_a_tool_waits_whose_annotation_says_so(returns: str) -> None:
    """Whether the name is there or not, alone or beside another one."""
    made = defined(f"@tool\ndef submit(x: int) -> {returns}: ...", Known=WaitSpec)["submit"]
    assert isinstance(made, StagedTool)


def test_a_class_is_found_in_its_text_whatever_its_fields_are_annotated_with() -> None:
    text = quoted("class Row:\n    left: ?Frame?\n    right: int = 1\n    def sum(self):\n        return self.right\n")
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.ClassDef)
    kind = defined(text)["Row"]
    assert annotations_of(kind) == {"left": "Frame", "right": int}
    assert source._fits(kind, node)
    other = ast.parse(text.replace("left", "top")).body[0]
    assert isinstance(other, ast.ClassDef)
    assert not source._fits(kind, other)


def test_what_the_compiler_keeps_for_annotations_is_no_name_that_a_class_uses() -> None:
    body = "class Row:\n        n: int = 1\n        def sum(self):\n            return y\n    return Row"
    text = f"def outer(y):\n    {body}"
    assert source.closure(defined(text)["outer"](4)) == {"y": 4}


def test_code_whose_annotations_name_nothing_has_a_fingerprint() -> None:
    one, same, other = (
        defined(f"def f(x: ?Frame?) -> ?Table?:\n    return x + {number}\n")["f"] for number in (1, 1, 2)
    )
    digests = [fingerprint.code(made).digest for made in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_an_object_that_stands_for_a_function_has_its_annotations() -> None:
    @functools.cache
    def pair(x: int) -> Pair:
        return Pair(x, x)

    assert annotations_of(pair)["return"] in (Pair, "Pair")
    assert annotations_of(tool(outputs=["p"])(pair))["return"] in (Pair, "Pair")
    text = "@tool\n@functools.cache\ndef f(x: int) -> Pair: ..."
    assert defined(text, Pair=Pair, functools=functools)["f"].outputs == ("p", "q")


def test_a_typed_dict_gives_the_fields_of_its_bases_too() -> None:
    class Base(TypedDict):
        a: int

    class More(Base):
        b: int

    assert list(annotations_of(More)) == ["a", "b"]


@pytest.mark.parametrize("thing", [3, functools.partial(print), object(), int])
def test_what_has_no_annotations_has_none(thing: Any) -> None:
    assert annotations_of(thing) == {}


def test_a_callable_without_a_signature_is_told_as_ever() -> None:
    with pytest.raises((TypeError, ValueError)) as told:
        inspect.signature(3)  # type: ignore[arg-type]
    nothing: Callable[..., Any] = 3  # type: ignore[assignment]
    with pytest.raises(type(told.value)):
        signature_of(nothing)


def asking(path: Path) -> Iterator[int]:
    """Lines that ask for annotations in a way that may raise."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            whole = f"{getattr(node.value, 'id', '')}.{node.attr}"
            if whole in ("inspect.signature", "inspect.get_annotations") or node.attr == "__annotations__":
                yield node.lineno
        elif isinstance(node, ast.Constant) and node.value == "__annotations__":
            yield node.lineno


def test_nothing_else_asks_for_annotations() -> None:
    """Each of them would raise NameError on 3.14 for a function or class of the user's."""
    paths = [path for folder in PACKAGES for path in folder.rglob("*.py")]
    found = {path.name: list(asking(path)) for path in paths if list(asking(path))}
    assert list(found) == ["annotations.py"]
