"""Exporting by hand: `Run.export`, a notebook file, the proof that something differs, and `%aether export`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from aethergraph import Runtime, load_run, run
from aethergraph.errors import ExportError
from aethergraph.exporting import export, export_notebook, verify
from aethergraph.testing import ScriptedChannel
from tests.cells import notebook

CELLS = (
    "from aethergraph import graph_fn, tool\nRATE = 2",
    "@tool(outputs=['y'])\ndef grown(x):\n    return x * RATE",
    "@graph_fn(outputs=['y', 'name'])\nasync def agent(x: int = 3, *, context):\n"
    "    out = await grown(x)\n    name = await context.channel().ask_text('Name?')\n"
    "    return {'y': out.y, 'name': name}",
)


def written(path: Path, *cells: str) -> Path:
    found = [{"cell_type": "markdown", "source": ["# title"]}]
    found += [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def test_a_run_writes_its_agent_and_proves_it(tmp_path: Path) -> None:
    with notebook(*CELLS) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
        path = load_run("first").export(tmp_path / "made.py", verify=True)
    text = path.read_text()
    assert "as of run first by `%aether export agent`" in text.replace("\n", " ")
    assert "RATE = 2" in text


def test_a_run_whose_calls_say_something_of_themselves_is_proved_as_any_other(tmp_path: Path) -> None:
    said = CELLS[2].replace("grown(x)", "grown(x, _alias='best', _labels=['slow'])")
    with notebook(*CELLS[:2], said) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
        assert load_run("first").graph.get_by_alias("best") == "best"
        proof = verify(load_run("first").export(tmp_path / "made.py"), "agent", load_run("first"))
    assert proof.equal and "best" in [row.run for row in proof.rows]


def test_a_run_writes_the_agent_that_it_was_started_with_also_after_an_edit(tmp_path: Path) -> None:
    with notebook(*CELLS) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
        cells.run("RATE = 3")
        cells.run(CELLS[1])
        cells.run(CELLS[2])
        path = load_run("first").export(tmp_path / "made.py", verify=True)
    assert "RATE = 2" in path.read_text()


def test_a_run_of_a_process_that_is_gone_writes_its_agent(tmp_path: Path) -> None:
    with notebook(*CELLS) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
    code = "import sys, aethergraph; print(aethergraph.load_run('first').export(sys.argv[1], verify=True))"
    path = tmp_path / "made.py"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=tmp_path)
    assert "RATE = 2" in path.read_text()


def test_what_differs_is_found_and_told_node_by_node(tmp_path: Path) -> None:
    with notebook(*CELLS) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
        path = export(cells["agent"], tmp_path / "made.py")
        path.write_text(path.read_text().replace("x * RATE", "x * RATE + 1"))
        proof = verify(path, "agent", load_run("first"))
    assert not proof.equal
    assert [row.run for row in proof.rows if row.differs] == ["output y", "grown"]
    with pytest.raises(ExportError, match=r"(?s)made.py does not do what run first did.*10 and 11.*2 of 4 differ"):
        proof.check()


SAVES = (
    "from aethergraph import graph_fn, tool\nclass Model:\n    def __init__(self, kind):\n        self.kind = kind",
    "@tool(outputs=['model'])\ndef fitted(kind):\n    return Model(kind)",
    "@tool(outputs=['uri'])\nasync def kept(model, *, context):\n"
    "    return (await context.artifacts().save_object(model, name='model')).uri",
    "@graph_fn(outputs=['uri'])\nasync def agent(kind: str = 'kind'):\n"
    "    return {'uri': (await kept((await fitted(kind)).model)).uri}",
)


def test_an_object_that_was_saved_is_compared_by_what_it_holds(tmp_path: Path) -> None:
    # Strict hands on what was stored and loaded, as after a kill: the text that was both key and value is two then.
    runtime = Runtime(tmp_path / "strict", strict=True)
    with contextlib.closing(runtime), runtime.use(), notebook(*SAVES) as cells:
        uri = run(cells["agent"], run_id="first").uri
        proof = verify(export(cells["agent"], tmp_path / "made.py"), "agent", load_run("first"))
        assert proof.equal, proof
        plain = Runtime(tmp_path / "plain")
        with contextlib.closing(plain), plain.use():
            assert run(cells["agent"]).uri != uri  # other bytes, of the same object
        path = tmp_path / "made.py"
        path.write_text(path.read_text().replace("Model(kind)", "Model(kind * 2)"))
        proof = verify(path, "agent", load_run("first"))
    assert [row.run for row in proof.rows if row.differs] == ["output uri", "fitted", "kept"]
    assert "kindkind" in proof.rows[0].differs


def test_a_question_that_the_run_did_not_ask_ends_the_proof(tmp_path: Path) -> None:
    with notebook(*CELLS) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
        path = export(cells["agent"], tmp_path / "made.py")
        path.write_text(path.read_text().replace('"Name?"', '"Surname?"').replace("'Name?'", "'Surname?'"))
        with pytest.raises(ExportError, match=r"(?s)did not run as first did.*Surname"):
            verify(path, "agent", load_run("first"))


def test_only_a_run_that_is_done_proves_anything(tmp_path: Path) -> None:
    cells = (CELLS[0], "@graph_fn\nasync def agent():\n    raise KeyError('x')")
    with notebook(*cells) as opened:
        with pytest.raises(KeyError):
            run(opened["agent"], run_id="broken")
        with pytest.raises(ExportError, match="run broken is failed"):
            verify(tmp_path / "made.py", "agent", load_run("broken"))


def test_a_notebook_file_is_exported_without_running_its_cells(tmp_path: Path) -> None:
    path = written(
        tmp_path / "study.ipynb",
        "%load_ext aethergraph\n" + CELLS[0],
        "open('touched', 'w').write('x')\nbig = [n for n in open('nothing')]",
        CELLS[1] + "\n!ls",
        "%%time\nawait agent()",
        CELLS[2],
        "await agent()",
    )
    made = export_notebook(path, "agent")
    assert made == tmp_path / "agent.py"
    assert "from study.ipynb" in made.read_text()
    assert not (tmp_path / "touched").exists()
    answers = {**__import__("os").environ, "AETHERGRAPH_ANSWERS": '{"Name?": "Ada"}'}
    done = subprocess.run(
        [sys.executable, str(made), '{"x": 4}'], check=True, capture_output=True, text=True, cwd=tmp_path, env=answers
    )
    assert done.stdout.strip().endswith("Outputs({'y': 8, 'name': 'Ada'})")


def test_a_cell_magic_of_ours_in_a_notebook_file_is_a_definition(tmp_path: Path) -> None:
    path = written(
        tmp_path / "study.ipynb",
        "%load_ext aethergraph",
        "%%tool grown(x) -> y\ny = 2 * x",
        "%%graph_fn agent(x: int = 3) -> y\nout = await grown(x)\ny = out.y + 1",
    )
    text = export_notebook(path, "agent").read_text()
    assert '@tool(outputs=["y"])\ndef grown(x):' in text
    assert '@graphify(outputs=["y"])\ndef agent(x: int = 3):' in text


def test_what_a_cell_of_a_notebook_file_computes_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "study.ipynb", CELLS[0], "RATE = len(open('x').read())", *CELLS[1:])
    with pytest.raises(ExportError, match="study.ipynb, cell 2:1: `RATE` cannot be written into a module"):
        export_notebook(path, "agent")


@pytest.mark.parametrize("name", ["nothing", "RATE"])
def test_what_is_no_agent_of_a_notebook_file_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "study.ipynb", *CELLS)
    with pytest.raises(ExportError, match=r"no cell of study.ipynb defines 'nothing'.*agent|2 is no agent"):
        export_notebook(path, name)
    assert not (tmp_path / f"{name}.py").exists()


def test_an_agent_that_is_static_already_is_written_as_it_is(tmp_path: Path) -> None:
    cells = (
        CELLS[0], CELLS[1],
        "from aethergraph import graphify\n\n# grows twice\n@graphify\ndef agent(x: int = 3):\n"
        "    return {'y': grown(grown(x))}",
    )  # fmt: skip
    with notebook(*cells) as opened:
        run(opened["agent"], x=5, run_id="first")
        path = load_run("first").export(tmp_path / "made.py", verify=True)
    assert "# grows twice\n@graphify\ndef agent(x: int = 3):" in path.read_text()


def test_nothing_is_written_where_the_export_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "made.py"
    kept.write_text("mine")
    with notebook(CELLS[0].replace("2", "len(str(id(tool)))"), *CELLS[1:]) as cells, pytest.raises(ExportError):
        export(cells["agent"], kept)
    assert kept.read_text() == "mine"


def test_an_export_leaves_the_agents_of_this_process_as_they_are(tmp_path: Path) -> None:
    from aethergraph.lifecycle import resuming

    with notebook(*CELLS) as cells:
        export(cells["agent"], tmp_path / "made.py")
        assert resuming.named("agent", {}) is cells["agent"]


def test_the_store_of_the_run_is_only_read(tmp_path: Path) -> None:
    with Runtime(store=tmp_path / "store").use(), notebook(*CELLS) as cells, ScriptedChannel({"Name?": "Ada"}):
        run(cells["agent"], x=5, run_id="first")
        path = export(cells["agent"], tmp_path / "made.py")
        verify(path, "agent", load_run("first")).check()
        from aethergraph import runs

        assert [info.run_id for info in runs()] == ["first"]
