"""A service that is not there fails its node, and the run goes on once it is registered."""

from __future__ import annotations

import pytest

from aethergraph.errors import ServiceUnavailable

from .lab import LIMIT_S, Lab

AGENT = """
@tool
async def before():
    ran("before")

@tool
async def weigh(x, *, context: NodeContext) -> int:
    ran("weigh")
    return context.scales().weigh(x)

@graph_fn
async def agent(*, context: NodeContext):
    await before()
    return (await weigh(3)).result
"""


class Scales:
    """A service of the user's own."""

    def weigh(self, x: int) -> int:
        """Twice as much."""
        return 2 * x


def test_16_a_missing_service_fails_its_node_and_the_run_goes_on_once_it_is_there(lab: Lab) -> None:
    lab.cell(AGENT)
    run = lab.start("agent")
    with pytest.raises(ServiceUnavailable) as told:
        run.result(LIMIT_S)
    call = "`aethergraph.runtime.register_context_service('scales', ...)`"
    again = f"then go on with `%aether resume {run.run_id}` or `aethergraph.resume('{run.run_id}')`"
    assert f"run the cell that registers it ({call}), {again}" in str(told.value)
    assert {str(node.node_id): str(node.status) for node in run.nodes} == {"before": "done", "weigh": "failed"}
    lab.kill()
    lab.took()
    lab.runtime.register_service("scales", Scales())
    assert lab.resume(lab.runtime.load(run.run_id)).result(LIMIT_S) == {"result": 6}
    assert lab.took() == ["weigh"], "what was done is reused"
