"""The agent of the first notebook, as the module that lies beside it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aethergraph import Runtime, load_run
from aethergraph.cli.codes import Exit
from aethergraph.exporting import notebook
from aethergraph.exporting.module import module

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MODULE = NOTEBOOKS / "exported" / "first_agent.py"


def without_docstring(text: str) -> str:
    tree = ast.parse(text)
    return "\n".join(text.splitlines()[tree.body[0].end_lineno :])


def test_the_module_beside_the_first_notebook_is_what_is_exported_from_it() -> None:
    with notebook.defined(NOTEBOOKS / "01_first_agent.ipynb", "study") as study:
        text = module(study, MODULE)
    assert without_docstring(text) == without_docstring(MODULE.read_text(encoding="utf-8"))


def test_it_is_taken_apart_and_not_kept_as_one_node() -> None:
    assert "# Stays as it is" not in MODULE.read_text(encoding="utf-8")


@pytest.mark.timeout(240)
def test_a_terminal_runs_it_in_a_new_process(tmp_path: Path, clean_env: dict[str, str]) -> None:
    answers = {"keep": "mlp", "model name": "digits-v1"}
    command = [sys.executable, "-m", "aethergraph.cli", "run", f"{MODULE}:study", "-i", "rounds=4", "--json"]
    ran = subprocess.run(
        [*command, "--answers", json.dumps(answers)],
        env=clean_env | {"AETHERGRAPH_HOME": str(tmp_path / "store")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == Exit.DONE, ran.stderr
    told = json.loads(ran.stdout)
    outputs = told["outputs"]
    assert (told["status"], outputs["name"], outputs["kept"]) == ("done", "digits-v1", "mlp")
    assert 0.5 < outputs["accuracy"] < 1
    with closing(Runtime(tmp_path / "store", durability="process")) as runtime, runtime.use():
        kept = {artifact.name for artifact in load_run(told["run_id"]).artifacts}
    assert kept == {"first digits.png", "digits-v1", "digits-v1 confusion.png", "digits-v1 report"}
