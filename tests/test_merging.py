"""Going on with some cells of a notebook run again, and others not."""

from __future__ import annotations

import pytest

from aethergraph import Runtime
from aethergraph.errors import NoOneToAsk
from aethergraph.testing import ScriptedChannel

from .cells import Notebook, notebook

SETUP = "import math\nfrom aethergraph import graph_fn, tool\nSCALE = 10"
HELPER = "def scaled(x):\n    return math.floor(x * SCALE)"
TOOL = "@tool(outputs=['y'])\ndef grow(x):\n    return scaled(x) + {}"
AGENT = """
@graph_fn
async def study(x: float, *, context):
    grown = await grow(x)
    name = await context.channel().ask_text("{}")
    return {{"y": grown.y, "name": name}}
"""


@pytest.fixture
def paused(runtime: Runtime) -> str:
    """A run that stands at its question; the notebook that started it is gone."""
    with notebook(SETUP, HELPER, TOOL.format(1), AGENT.format("Name?")) as book, ScriptedChannel({}):
        with pytest.raises(NoOneToAsk):
            book["study"].sync(1.57)
        run = book["study"].last_run
        assert run is not None
        return str(run.run_id)


def go_on(runtime: Runtime, run_id: str, book: Notebook) -> dict[str, object]:
    with ScriptedChannel({"Name?": "Ada", "What name?": "Eve"}):
        return dict(runtime.resume(run_id, namespace=book.names).result(20))


def test_no_cell_was_run(runtime: Runtime, paused: str) -> None:
    with notebook() as book:
        assert go_on(runtime, paused, book) == {"y": 16, "name": "Ada"}


def test_only_the_edited_tool_was_run_and_its_helper_comes_from_the_store(runtime: Runtime, paused: str) -> None:
    with notebook("from aethergraph import tool", TOOL.format(2)) as book:
        plan = runtime.plan(paused, book.names)
        assert [(row.node_id, row.verdict) for row in plan.rows] == [("grow", "runs"), ("ask", "runs")]
        assert go_on(runtime, paused, book) == {"y": 17, "name": "Ada"}
        assert "scaled" not in book.names  # the user's namespace is never written


def test_only_the_edited_agent_was_run(runtime: Runtime, paused: str) -> None:
    with notebook("from aethergraph import graph_fn", AGENT.format("What name?")) as book:
        assert go_on(runtime, paused, book) == {"y": 16, "name": "Eve"}


def test_an_edited_constant_wins(runtime: Runtime, paused: str) -> None:
    with notebook("SCALE = 100") as book:
        assert go_on(runtime, paused, book) == {"y": 158, "name": "Ada"}


def test_an_edited_helper_wins(runtime: Runtime, paused: str) -> None:
    with notebook("import math\ndef scaled(x):\n    return math.ceil(x * SCALE)") as book:
        assert go_on(runtime, paused, book) == {"y": 17, "name": "Ada"}


def test_with_all_cells_run_the_notebooks_own_agent_goes_on(runtime: Runtime, paused: str) -> None:
    with notebook(SETUP, HELPER, TOOL.format(1), AGENT.format("Name?")) as book:
        assert go_on(runtime, paused, book) == {"y": 16, "name": "Ada"}
        assert book["study"].last_run is not None
