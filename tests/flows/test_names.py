"""Each name that the published documentation, ours and that of the first AetherGraph, tells a user to type is there."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

import aethergraph
from aethergraph import Runtime, TaskGraph, compat, graph_fn, graphify, run, runtime, server, tool
from aethergraph.errors import ServiceUnavailable
from aethergraph.services.runs import Runs

from .lab import LIMIT_S, Lab

MODULES = {
    "aethergraph": """tool graph_fn graphify NodeContext TaskGraph Service DualStageTool WaitSpec run run_async start
        resume runs load_run waits answer signal Run Runtime RetryPolicy NodeStatus RunStatus RunInfo WaitInfo Outputs
        open_session AetherGraphError gc branch Artifact Button""",
    "aethergraph.runner": "run run_async start resume runs load_run waits answer signal gc",
    "aethergraph.graph": "arg graphify TaskGraph NodeHandle branch",
    "aethergraph.tools": """ask_text wait_text ask_approval ask_files send_text send_image send_file send_buttons
        get_latest_uploads""",
    "aethergraph.runtime": """register_context_service get_ext_context_service list_ext_context_services
        set_default_channel get_default_channel set_channel_alias register_channel_adapter register_llm_client
        set_llm_client set_rag_llm_client set_rag_index_backend register_mcp_client list_mcp_clients register_skill
        register_skill_inline register_skill_file register_skills_from_path current_services open_session""",
    "aethergraph.channels": "Adapter Bus Console ScriptedChannel Message",
    "aethergraph.services": "Artifact Artifacts Channel RunClock RunLogger Viz Service",
    "aethergraph.server": "start_server start_server_async stop_server",
    "aethergraph.testing": "FakeClock ScriptedChannel Fragile replay settle",
    "aethergraph.errors": """AetherGraphError GraphBuildError MissingInput MissingOutput NodeFailed RunExists RunIsLive
        UnknownRun UnknownWait AlreadyAnswered BadAnswer WaitTimeout NoOneToAsk ServiceUnavailable JournalBroken
        Untrusted DamagedRecord NewerStore NotInNotebook ExportError""",
}
OF_RUN = """run_id status name inputs outputs error graph nodes waits artifacts created_at duration_s result cancel
    answer fork retry events transcript plot timeline lineage to_dict"""
OF_GRAPH = """graph_id nodes node node_ids list_nodes get_by_id get_by_alias find_by_label find_by_logic find_by_display
    select pick_one pick_all topological_order dependents get_upstream_nodes get_subgraph_nodes view diff io_signature
    spec_json pretty ascii_overview to_dot to_mermaid to_svg visualize"""
OF_RUN_GRAPH = """graph_id run_id nodes node node_ids list_nodes get_by_id get_by_alias find_by_label find_by_logic
    find_by_display select pick_one pick_all view spec_json pretty to_dot to_mermaid"""
OF_AGENT = "sync last_graph last_run name inputs outputs version io_signature"
STATUSES = {
    "NodeStatus": "pending ready running waiting done failed skipped cancelled reused",
    "RunStatus": "running waiting paused done failed cancelled",
}


@graph_fn(outputs=["y"])
async def agent(x: int = 1) -> dict[str, int]:
    return {"y": x}


@tool(outputs=["y"])
def plain(x: int) -> dict[str, int]:
    return {"y": x}


@graphify(inputs={"x": 1}, outputs=["y"])
def static(x: Any) -> Any:
    return {"y": plain(x).y}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in MODULES.items() for name in names.split()]
)
def test_a_name_is_where_it_is_told_to_be(module: str, name: str) -> None:
    there = importlib.import_module(module)
    assert hasattr(there, name) and name in there.__all__ if hasattr(there, "__all__") else hasattr(there, name)


def test_a_run_has_all_that_is_told_of_it(tmp_path: Path) -> None:
    with Runtime(tmp_path / "store").use() as made:
        for target in (agent, static):
            run(target, x=3)
            done = target.last_run
            assert done is not None
            missing = [name for name in OF_RUN.split() if not hasattr(done, name)]
            assert not missing
            assert not [name for name in OF_RUN_GRAPH.split() if not hasattr(done.graph, name)]
            told = done.to_dict()
            assert (told["run_id"], told["status"], done.name, dict(done.outputs)) == (
                done.run_id, "done", target.name, {"y": 3},
            )  # fmt: skip
            assert done.duration_s >= 0 and done.created_at > 1e9 and dict(done.inputs) == {"x": 3}
            assert done.error is None and done.artifacts == [] and done.waits == []
        made.close()


def test_graphs_agents_and_statuses_have_all_that_is_told_of_them() -> None:
    graph = static()
    assert isinstance(graph, TaskGraph)
    assert not [name for name in OF_GRAPH.split() if not hasattr(graph, name)]
    for one in (agent, static):
        assert not [name for name in OF_AGENT.split() if not hasattr(one, name)]
    for enum, values in STATUSES.items():
        assert {str(value) for value in getattr(aethergraph, enum)} == set(values.split())


@pytest.mark.parametrize(
    ("fn", "names"),
    [
        (aethergraph.run, "target inputs run_id max_concurrency retry on_error"),
        (aethergraph.start, "target inputs run_id keep loop"),
        (Runs.wait_run, "run_id timeout_s return_outputs"),
        (Runs.spawn_run, "graph inputs"),
        (aethergraph.Run.answer, "value wait"),
        (aethergraph.Run.fork, "at inputs outputs"),
        (aethergraph.Run.result, "timeout_s"),
        (aethergraph.runs, "status name limit"),
        (aethergraph.signal, "name payload"),
        (Runtime, "store clock services"),
        (tool, "outputs inputs name version"),
    ],
)
def test_a_function_takes_what_it_is_told_to_take(fn: Any, names: str) -> None:
    taken = inspect.signature(fn).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in taken.values())
    assert not [name for name in names.split() if name not in taken and not open_ended]


@pytest.mark.parametrize("name", compat.LATER)
def test_what_is_to_come_says_what_to_do_instead(name: str) -> None:
    with pytest.raises(ServiceUnavailable, match=rf"{name}\(\) has nothing to set up; register_context_service"):
        getattr(runtime, name)("default", object())


@pytest.mark.parametrize(
    "call", ["llm()", "llm('fast')", "rag()", "mcp()", "skills()", "indices()", "llm_set_key('k')"]
)
def test_a_service_that_is_to_come_fails_its_node_and_says_what_to_do(lab: Lab, call: str) -> None:
    lab.cell(f"@graph_fn\nasync def agent(*, context):\n    return context.{call}")
    with pytest.raises(ServiceUnavailable, match="register your own under"):
        lab.start("agent").result(LIMIT_S)


def test_a_server_is_not_needed_and_starting_one_does_no_harm(tmp_path: Path) -> None:
    url = server.start_server(workspace=tmp_path / "work", host="127.0.0.1", port=0)
    assert url == (tmp_path / "work").resolve().as_uri() and asyncio.run(server.start_server_async()) == url
    assert dict(run(agent, x=2)) == {"y": 2}
    with pytest.raises(ValueError, match="is in use already"):
        server.start_server(workspace=tmp_path / "other")
    server.stop_server()
    assert runtime.list_mcp_clients() == [] and dict(run(agent, x=3)) == {"y": 3}
