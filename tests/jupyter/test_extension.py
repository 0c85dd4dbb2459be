"""`%load_ext aethergraph` in real kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kernels import Kernel, kernel, older

TOOL = """
%%tool double(x: int) -> y
import sys, matplotlib.pyplot as plt
from IPython.display import HTML, display
print("doubling", x)
print("careful", file=sys.stderr)
plt.plot([1, x])
display(HTML("<b>bold</b>"))
y = 2 * x
"""
AGENT = """
%%graph_fn study(x: int = 3) -> z, name
out = await double(x)
print("in the body")
z = out.y
name = await context.channel().ask_text("What name?", name="what")
"""
NOTED = """
import msgspec
from aethergraph.lifecycle import hub
from aethergraph.record import facts
from aethergraph.storage import journal
rows = [fact for batch in journal.read(hub.current().store, study.last_run.run_id) for fact in batch]
for fact in rows:
    if isinstance(fact, facts.Noted):
        data = msgspec.msgpack.decode(fact.data)
        print(fact.no, fact.kind, data.get("s") or sorted(data), end=" | ")
"""


@pytest.fixture(scope="module", params=[None, *older()], ids=lambda folder: folder.name if folder else "installed")
def running(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """One kernel with the extension loaded, a tool and an agent defined by cells."""
    with kernel(tmp_path_factory.mktemp("notebook"), request.param) as running:
        running.run("import os, tempfile; os.environ['AETHERGRAPH_KEY_FILE'] = os.path.abspath('key')")
        said = running.run("%load_ext aethergraph")
        assert said.text.startswith("aethergraph keeps its runs in ")
        running.run(TOOL.lstrip())
        running.run(AGENT.lstrip())
        yield running


ASKS = """
from aethergraph import graph_fn
@graph_fn
async def asks(*, context):
    return await context.channel().ask_text("What name?")
await asks()
"""


def test_a_notebook_that_has_not_loaded_it_is_told_to(tmp_path: Path) -> None:
    with kernel(tmp_path) as fresh:
        ran = fresh.run(ASKS, fails=True)
        assert (
            "nobody can be asked 'What name?' (this notebook shows questions once `%load_ext aethergraph`" in ran.text
        )


def test_loading_again_does_nothing(running: Kernel) -> None:
    assert running.run("%load_ext jupyter_ext\n%reload_ext jupyter_ext").text == ""


def test_what_nodes_print_draw_and_show_belongs_to_them(running: Kernel) -> None:
    ran = running.run("answers = {'what': 'Ada'}\nawait study(5)")
    assert "Outputs({'z': 10, 'name': 'Ada'})" in ran.text
    assert "doubling" not in ran.text and "careful" not in ran.text and "in the body" not in ran.text
    assert not any("image/png" in bundle or bundle.get("text/html") == "<b>bold</b>" for bundle in ran.shown)
    noted = running.run(NOTED).text
    for part in ("1 out doubling 5\n | 1 out careful\n | ", "1 show ['text/html', 'text/plain']", "1 figure ['png']"):
        assert part in noted
    assert "0 out in the body\n" in noted


def test_a_graph_that_cannot_be_built_names_the_cell_and_the_line_whoever_builds_it(running: Kernel) -> None:
    running.run("from aethergraph import graphify, run\n@graphify\ndef bad(x):\n    return double(x).y + 1")
    told = running.run("run(bad, x=1)", fails=True).text
    found = re.search(r"GraphBuildError: (Cell In\[\d+\], line 4): <double.y> has no value while the graph is", told)
    assert found and f"{found[1]}, in bad(x)" in told, told


def test_a_mistake_is_named_by_its_cell(running: Kernel) -> None:
    ran = running.run(
        "from aethergraph import graph_fn, tool\n@tool(outputs=['items'])\ndef bad(): return 1", fails=True
    )
    assert re.search(r"GraphBuildError: Cell In\[\d+\], line 2: 'items' cannot be an output name", ran.text)
    cell = "@graph_fn\nasync def mute(*, context):\n    context.channel().send_text('x')\nawait mute()"
    ran = running.run(cell, fails=True)
    assert re.search(r"GraphBuildError: Cell In\[\d+\], line 3: `context.channel\(\).send_text\(...\)` was", ran.text)
    # what follows resumes the only run that is left
    running.run("import aethergraph\naethergraph.gc(runs=[mute.last_run.run_id], dry_run=False)")


def test_without_anyone_to_ask_the_cell_fails_and_the_run_stays(running: Kernel) -> None:
    ran = running.run("answers = {}\nawait study(6)", fails=True)
    assert "NoOneToAsk: nobody can be asked what: 'What name?'" in ran.text
    ran = running.run("answers = {'what': 'Eve'}\n%aether resume")
    assert "1 reused, 1 runs" in ran.text and "double" not in ran.text
    assert running.run("study.last_run.outputs['z'], study.last_run.outputs['name']").text == "(12, 'Eve')\n"


def test_a_blocking_run_asks_in_the_input_line(running: Kernel) -> None:
    prompts: list[str] = []

    def person(prompt: str) -> str:
        prompts.append(prompt)
        return "Grace"

    ran = running.run("from aethergraph import run\nanswers = {}\nrun(study, x=1)", person)
    assert prompts == ["> "] and "What name?" in ran.text
    assert "'name': 'Grace'" in ran.text


def test_running_the_cell_of_a_live_run_again_pauses_it(running: Kernel) -> None:
    start = "from aethergraph import start\nfirst = start(study, x=8)"
    meta = {"cellId": "c1"}
    for _ in range(2):
        message = running.client.session.msg("execute_request", {"code": start, "silent": False, "allow_stdin": True})
        message["metadata"] = meta
        running.client.shell_channel.send(message)
        assert running.client.get_shell_msg(timeout=30)["content"]["status"] == "ok"
    said = running.run("from aethergraph import runs\n[info.status.value for info in runs(limit=2)]", lambda _: "").text
    assert "'paused'" in said


def test_unloading_leaves_a_plain_shell(running: Kernel) -> None:
    running.run("%unload_ext aethergraph")
    assert "UsageError: Line magic function `%aether` not found" in running.run("%aether", fails=True).text
    said = running.run(
        "import sys; print(type(sys.stdout).__mro__[1].__name__, 'publish' in vars(get_ipython().display_pub))"
    )
    assert said.text == "TextIOBase False\n"
    assert running.run("def f(): pass\nprint('fine')").text == "fine\n"
    running.run("%load_ext aethergraph")
    assert "store: " in running.run("%aether").text  # the tests of this file need not all run in one process


def test_a_cells_agent_goes_on_in_a_kernel_where_no_cell_was_run(tmp_path: Path) -> None:
    key = f"import os; os.environ['AETHERGRAPH_KEY_FILE'] = {str(tmp_path / 'key')!r}"
    with kernel(tmp_path) as first:
        for cell in (key, "%load_ext aethergraph", TOOL.lstrip(), AGENT.lstrip()):
            first.run(cell)
        first.run("await study(4)", fails=True)
        run_id = first.run("print(study.last_run.run_id)").text.strip()
    with kernel(tmp_path) as second:
        for cell in (key, "%load_ext aethergraph", "answers = {'what': 'Ada'}"):
            second.run(cell)
        assert "1 reused, 1 runs" in second.run(f"%aether resume {run_id}").text
        assert second.run(f"%aether load {run_id}\nprint(z, name)").text.endswith("8 Ada\n")
