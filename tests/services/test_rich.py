"""What stands under a text: markdown, tables, JSON, by what was given."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from aethergraph.services import rich
from aethergraph.views import messages

ROWS = [{"model": "svm", "score": 0.5}, {"model": "forest", "n": 3}]


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ("# hi", "markdown", "# hi"),
        ({"markdown": "# hi"}, "markdown", "# hi"),
        ({"kind": "markdown", "payload": "# hi"}, "markdown", "# hi"),
        ({"type": "markdown", "text": "# hi"}, "markdown", "# hi"),
        ({"json": [1]}, "json", "[\n  1\n]"),
        ({"a": 1}, "json", '{\n  "a": 1\n}'),
        ({"kind": "plot", "payload": 1}, "json", '{\n  "kind": "plot",\n  "payload": 1\n}'),
        ([1, 2], "json", "[\n  1,\n  2\n]"),
        ({"json": {"at": datetime.date(2026, 3, 1), "x": np.float64(1.5)}}, "json", None),
    ],
)
def test_texts_and_json(given: Any, kind: str, text: str | None) -> None:
    made = rich.data(given)
    assert made["kind"] == kind
    assert text is None or made["text"] == text


@pytest.mark.parametrize(
    "given",
    [
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        {"table": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
        {"table": {"a": [1, 2], "b": ["x", "y"]}},
        {"table": {"columns": ["a", "b"], "rows": [[1, "x"], [2, "y"]]}},
        {"kind": "table", "payload": {"columns": ["a", "b"], "rows": [(1, "x"), (2, "y")]}},
    ],
)
def test_a_table_in_every_form_is_the_same(given: Any) -> None:
    assert rich.data(given) == {
        "kind": "table",
        "columns": ["a", "b"],
        "rows": [["1", "x"], ["2", "y"]],
        "numeric": [True, False],
        "more": [0, 0],
    }


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_is_a_table(library: str) -> None:
    frame = pytest.importorskip(library).DataFrame({"a": [1, 2], "b": ["x", None]})
    for given in (frame, {"table": frame}):
        made = rich.data(given)
        assert (made["columns"], made["rows"]) == (["a", "b"], [["1", "x"], ["2", ""]])


def test_an_index_that_says_something_is_a_column() -> None:
    pandas = pytest.importorskip("pandas")
    index = pandas.Index(["svm", "knn"], name="model")
    made = rich.table(pandas.DataFrame({"score": [0.123456789, float("nan")]}, index=index))
    assert made["columns"] == ["model", "score"]
    assert made["rows"] == [["svm", "0.123457"], ["knn", ""]]
    assert made["numeric"] == [False, True]


def test_rows_of_different_keys_and_lengths() -> None:
    assert rich.table(ROWS)["rows"] == [["svm", "0.5", ""], ["forest", "", "3"]]
    assert rich.table([[1, 2], [3]])["rows"] == [["1", "2"], ["3", ""]]
    assert rich.table(np.eye(2, dtype=int))["rows"] == [["1", "0"], ["0", "1"]]
    assert rich.table([])["rows"] == []


def test_a_large_table_is_cut_and_says_so() -> None:
    made = rich.data({"table": {"columns": list(range(60)), "rows": np.zeros((10_000, 60))}})
    assert (len(made["rows"]), len(made["columns"]), made["more"]) == (200, 50, [9_800, 10])
    assert messages.rich_text(made).endswith("and 9,800 more rows, 10 more columns")


def test_a_table_as_text_stands_in_columns() -> None:
    assert messages.rich_text(rich.data(ROWS)).splitlines() == [
        "model   score  n",
        "------  -----  -",
        "svm       0.5",
        "forest         3",
    ]
    assert messages.rich_text(rich.table([[1, "日本"], [22, "x"]])).splitlines() == [" 1  日本", "22  x"]


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(TypeError, match="a table is a data frame.*got int"):
        rich.data({"table": 3})
    with pytest.raises(TypeError, match="markdown is a text, got int"):
        rich.data({"markdown": 3})
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="no form in JSON"):
        rich.data(loop)
