"""Values that are typed: inputs, answers, and values as JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

from aethergraph import graph_fn
from aethergraph.cli import values
from aethergraph.cli.codes import Wrong
from aethergraph.record.schema import Question

ROOT = Path(__file__).resolve().parents[2]


@graph_fn
async def agent(n: int = 1, label: str = "", free: Any = None, plain="x") -> None:  # type: ignore[no-untyped-def]
    return None


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("n=3", {"n": 3}),
        ("label=3", {"label": "3"}),  # it is annotated as a text
        ("plain=3", {"plain": "3"}),  # its default is a text
        ("free=[1, 2]", {"free": [1, 2]}),
        ("free=a=b", {"free": "a=b"}),
        ("free=null", {"free": None}),
        ("free=", {"free": ""}),
    ],
)
def test_inputs_are_json_or_texts(word: str, meant: dict[str, Any]) -> None:
    assert values.inputs(agent, [word], None) == meant


@pytest.mark.parametrize("word", ["n", "=3", ""])
def test_an_input_without_a_name_or_value_is_refused(word: str) -> None:
    with pytest.raises(Wrong, match="write --input KEY=VALUE"):
        values.inputs(agent, [word], None)


def test_words_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "in.json"
    file.write_text('{"n": 1, "label": "a"}')
    assert values.inputs(agent, ["n=2"], file) == {"n": 2, "label": "a"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("piped", [False, True])
def test_json_is_read_in_its_own_encoding_whatever_the_locale_is(tmp_path: Path, encoding: str, piped: bool) -> None:
    file = tmp_path / "in.json"
    file.write_bytes('{"label": "Zürich →"}'.encode(encoding))
    code = "import sys; from pathlib import Path; from aethergraph.cli import values; print(ascii(values.from_file("
    code += "Path(sys.argv[1]))))"
    shown = subprocess.run(
        [sys.executable, "-c", code, "-" if piped else str(file)], input=file.read_bytes(), check=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert shown.stdout.decode().strip() == ascii({"label": "Zürich →"})


@pytest.mark.parametrize(("text", "said"), [("[1]", "holds list"), ("{", "is not JSON")])
def test_a_file_that_holds_no_object_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "in.json"
    file.write_text(text)
    with pytest.raises(Wrong, match=said):
        values.from_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="in.json cannot be read: No such file"):
        values.from_file(tmp_path / "in.json")


CHOICE = Question("choice", "Which?", options=["a", "b"])


@pytest.mark.parametrize(
    ("question", "text", "meant"),
    [
        (Question("text", "Name?"), "[1]", "[1]"),
        (Question("text", "Name?"), '{"a": 1}', '{"a": 1}'),
        (CHOICE, "2", "b"),
        (CHOICE, "b", "b"),
        (Question("choice", "Which?", options=["a", "b"], multiple=True), '["a"]', ["a"]),
        (Question("choice", "Which?", options=["a", "b"], multiple=True), "1, b", ["a", "b"]),
        (Question("number", "How many?"), "3", "3"),
    ],
)
def test_answers_as_they_are_typed(question: Question, text: str, meant: Any) -> None:
    assert values.answer(question, text) == meant


@dataclass
class Point:
    x: int


def test_values_as_json() -> None:
    assert values.plain({"a": numpy.arange(2), "b": Point(1), "c": 1j}) == {"a": [0, 1], "b": {"x": 1}, "c": "1j"}
