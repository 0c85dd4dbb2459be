"""What docs/plots.md says is true: its code runs, and its table names every method with its limit."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.services import plottable, viz
from tests import pages

PAGE = pages.text("plots")


def test_the_code_of_the_page_runs(runtime: Runtime, tmp_path: Path) -> None:
    names = pages.run(PAGE, tmp_path)
    assert len(names["columns"]["step"]) == 200
    titles = [axis.get_title(loc="left") for axis in names["first"].plot().axes]
    assert [title for title in titles if title] == [
        "loss", "weights, step 50", "spectrum, step 50", "result, step 0", "scores, step 0",
    ]  # fmt: skip
    assert len(names["figure"].axes[0].lines) == 4


def test_the_table_has_every_method_as_it_is_called() -> None:
    rows = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", PAGE, re.MULTILINE))
    methods = {name: call for name, call in vars(viz.Viz).items() if inspect.iscoroutinefunction(call)}
    assert rows.keys() == methods.keys()
    for name, call in methods.items():
        needed = [p.name for p in inspect.signature(call).parameters.values() if p.default is p.empty][1:]
        assert rows[name].split(", ") == needed


@pytest.mark.parametrize(
    "said", [f"{plottable.VECTOR:,} numbers", f"{plottable.MATRIX:,} cells", f"{plottable.ROWS:,} rows, 100 columns"]
)
def test_limits_are_those_of_the_code(said: str) -> None:
    assert said in PAGE and plottable.COLUMNS == 100 and viz.IMAGE == 16 << 20
