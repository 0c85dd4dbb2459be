"""What docs/artifacts.md says is true: its code runs, and every method that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.services.artifacts import Artifacts
from tests import pages

PAGE = pages.text("artifacts")


def test_the_code_of_the_page_runs(runtime: Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = pages.run(PAGE, tmp_path)
    assert names["best"].name == "model-0.4" and names["names"] == ["model-0.4", "model-0.2"]
    run = names["study"].last_run
    assert [one.pinned for one in run.artifacts if one.kind == "model"] == [False, False, True]
    assert [one.node_id for one in names["lineage"]] == [
        "train",
        "train-2",
        "train-3",
    ]  # each came after the one before
    assert {one.run_id for one in names["lineage"].used_by} == {run.run_id, names["report"].last_run.run_id}
    assert "used by report" in capsys.readouterr().out


def test_every_method_is_named_and_every_name_is_a_method() -> None:
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    named = {name for name in re.findall(r"`(\w+)`", rows) if name not in ("w",)}
    methods = {name for name in dir(Artifacts) if not name.startswith("_")}
    assert named <= methods
    assert {name for name in methods if not name.endswith("_by_id")} - named == {"pin"}
