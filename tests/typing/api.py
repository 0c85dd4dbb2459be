"""The public surface as a type checker sees it. Never run: `test_typing.py` checks it with mypy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

from matplotlib.figure import Figure
from pydantic import BaseModel

import aethergraph as ag
import aethergraph.exporting as exporting
from aethergraph import (
    DualStageTool,
    NodeContext,
    Outputs,
    Run,
    RunInfo,
    RunStatus,
    Runtime,
    WaitInfo,
    WaitSpec,
    graph_fn,
    tool,
)
from aethergraph.authoring.reactive import Agent
from aethergraph.authoring.tooling import Tool
from aethergraph.graphs.references import Condition
from aethergraph.lifecycle.ancestry import Lineage, Use
from aethergraph.lifecycle.collecting import Garbage
from aethergraph.services.memory import Event
from aethergraph.testing import replay, settle


class Model(BaseModel):
    name: str


@tool
def bare(x: int) -> int:
    return x


@tool(outputs=["y"], retries=2, backoff_s=0.1, timeout_s=3.0, max_concurrency=2, runs_in="loop", pure=True, cache=True)
async def double(x: int) -> dict[str, int]:
    return {"y": 2 * x}


@tool(outputs=["model"], retries=1)
class Train(DualStageTool):
    async def setup(self, n: int, *, context: NodeContext) -> WaitSpec | dict[str, Any]:
        assert_type(context.continuation_token, str)
        return WaitSpec("the job", timeout_s=60, poll_s=5.0)

    async def on_resume(self, payload: Any, *, context: NodeContext, n: int) -> dict[str, Any]:
        return {"model": payload}

    async def poll(self, n: int, token: str) -> Any:
        return None


@tool(outputs=["y"])
async def submit(x: int, *, context: NodeContext) -> WaitSpec:
    call = await context.create_continuation()
    return WaitSpec("which?", kind="choice", options=[call.token])


@submit.on_resume
def after(payload: Any, x: int) -> int:
    return x


@graph_fn(outputs=["y", "name"], max_concurrency=4, tags=["test"])
async def agent(x: int = 3, *, context: NodeContext) -> dict[str, Any]:
    out = await double(x)
    channel = context.channel()
    await channel.send_text("hello")
    await channel.send_image(file_bytes=b"...", title="The loss", filename="loss.png")
    await channel.send_file(path="report.pdf", title="Report", channel="file:log.txt")
    await channel.send_buttons("Go on?", [ag.Button("Yes", style="primary"), "No", {"label": "?", "url": "https://x"}])
    await channel.send_rich("Scores", {"table": [{"model": "svm", "score": 0.5}]})
    await channel.send({"kind": "text", "text": "hello"})
    assert_type(await channel.ask_text("Name?"), str)
    assert_type(await channel.wait_text(name="line", timeout_s=60), str)
    assert_type(await channel.ask_file("Data?", accept=".csv", max_size=1000), ag.FileRef)
    got = await channel.ask_files("Data?", [".csv"], multiple=True, max_files=3, default=["a.csv"])
    assert_type(got, dict[str, Any])
    assert_type(await channel.ask_form(Model, default=Model(name="a"), timeout_s=5.0), Model)
    assert_type(await channel.get_latest_uploads(clear=True), list[ag.FileRef])
    async with channel.progress(title="work", total=2) as bar:
        await bar.update(inc=1)
    artifact = await context.artifacts().save_text("text", name="report.md")
    await channel.send_file(artifact)
    assert_type(artifact, ag.Artifact)
    assert_type(artifact.rows, int | None)
    artifacts = context.artifacts()
    async with artifacts.writer("report", ".txt", tags=["draft"]) as w:
        w.write("text")
        w.add_metrics({"length": 4})
    assert_type(w.artifact, ag.Artifact | None)
    staged = await artifacts.stage_dir()
    folder = await artifacts.ingest_dir(staged, kind="model", labels={"v": 1})
    assert_type(await artifacts.as_local_dir(folder), Path)
    assert_type(await artifacts.as_local_file(artifact.uri), Path)
    assert_type(await artifacts.search("model", labels={"v": 1}, scope="all", limit=3), list[ag.Artifact])
    assert_type(await artifacts.best("model", "accuracy", "max", "session"), ag.Artifact | None)
    assert_type(await artifacts.pin(artifact.artifact_id), ag.Artifact)
    assert_type(await artifacts.load_text_by_id(artifact.artifact_id), str)
    await artifacts.save_dataframe(object(), "table.csv", metrics={"rows": 3})
    viz = context.viz()
    await viz.scalar("loss", 1, 0.5)
    await viz.vector("spectrum", 1, [0.5, 1.0])
    await viz.matrix("attention", 1, [[0.5, 1.0]])
    await viz.image_from_bytes("photo", 1, b"...")
    await viz.image_from_artifact("photo", 2, artifact)
    await viz.figure("fit", 1, Figure())
    await viz.table("scores", {"model": ["svm"]})
    memory = context.memory("run")
    event = await memory.record("note", {"x": 1}, tags=["a"], severity=3, metrics={"loss": 0.1}, text="words")
    assert_type(event, Event)
    await memory.record_chat_user("hi")
    await memory.record_tool_result("fit", {"x": 1}, {"y": 2}, message="done", level="user")
    assert_type(await memory.recent(["note"], limit=5), list[Event])
    assert_type(await memory.search("words", kinds="note", limit=3), list[Event])
    assert_type(await memory.distill_long_term(), dict[str, Any] | None)
    assert_type(await memory.chat_history_for_llm(), dict[str, Any])
    kv = context.kv("user")
    await kv.set("k", [1], ttl_s=60)
    await kv.mset({"a": 1, "b": 2})
    assert_type(await kv.incr("n"), int)
    assert_type(await kv.incr("n", 0.5, ttl_s=1.0), float)
    assert_type(await kv.compare_and_set("k", None, 1), bool)
    assert_type(await kv.mget(["a", "b"], default=0), list[Any])
    assert_type(await kv.list_append_unique("l", [{"id": 1}], id_key="id"), list[Any])
    assert_type(await kv.list_pop_all("l"), list[Any])
    assert_type(await kv.delete("k") or await kv.expire("k", 5), bool)
    assert_type(await kv.purge_expired(), int)
    await kv.get("k", "default")
    context.logger().info("done")
    assert_type(await context.clock().now(), float)
    assert_type(context.random().random(), float)
    assert_type(context.idempotency_key(), str)
    run_id = await context.spawn_run("agent", inputs={"x": 1}, tags=["mine"], detached=True, budget=60)
    assert_type(run_id, str)
    assert_type(await context.wait_run(run_id, timeout_s=1.0), Outputs | None)
    assert_type(await context.run_and_wait(agent, inputs={"x": 1}), Outputs)
    await context.cancel_run(run_id)
    call = await context.create_continuation("call")
    await context.wait_event("go", timeout_s=5.0, default=None)
    if not x:
        await context.continue_as_new(x=2)
    async with context.timeout(5.0):
        await context.wait_for_resume(call, timeout_s=1.0)
    await context.wait_for_resume(call, prompt="the call", timeout_s=5.0, default=None)
    await Train(3)
    return {"y": out.y, "name": ""}


@ag.graphify(inputs={"x": 1}, outputs=["y"])
def static(x: Any) -> Any:
    h = double(x, _id="first")
    chosen = ag.branch(h.y > 3, lambda: double(h.y), h.y)
    assert_type(chosen, Condition)
    return {"y": chosen}


def names() -> None:
    assert_type(bare, Tool)
    assert_type(double, Tool)
    assert_type(submit, Tool)
    assert_type(agent, Agent)
    assert_type(ag.run(agent, x=1), Outputs)
    assert_type(ag.start(agent, {"x": 1}, keep=True), Run)
    assert_type(ag.start(agent, x=1, loop="kernel"), Run)
    assert_type(ag.run(agent, x=1, loop="kernel"), Outputs)
    assert_type(ag.start(agent, x=1, retry=ag.RetryPolicy(max_attempts=3), on_error="stop"), Run)
    assert_type(ag.start(agent, x=1, budget=60), Run)
    assert_type(ag.run(agent, x=1, budget={"seconds": 60.5}), Outputs)
    assert_type(ag.resume("agent-7f3ka"), Run)
    assert_type(ag.resume("agent-7f3ka", budget=120), Run)
    assert_type(ag.load_run("agent-7f3ka"), Run)
    assert_type(ag.load_run("agent-7f3ka").graph.find_by_label("slow"), list[str])
    assert_type(ag.load_run("agent-7f3ka").graph.get_by_alias("best"), str)
    assert_type(ag.load_run("agent-7f3ka").nodes[0].labels, tuple[str, ...])
    assert_type([node.alias for node in ag.load_run("agent-7f3ka").graph], list[str])
    assert_type(ag.runs(status="paused", limit=5), list[RunInfo])
    assert_type(ag.runs("done", tags=["a"], session="nb", parent="x", limit=None), list[RunInfo])
    assert_type(ag.start(agent, x=1, tags=["a"], session_id="s"), Run)
    assert_type(ag.gc(keep=10, older_than=timedelta(days=3)), Garbage)
    assert_type(ag.gc(runs=["a"], dry_run=False), Garbage)
    assert_type(ag.waits(), list[WaitInfo])
    ag.answer("token", "value", answer_id="1")
    assert_type(ag.signal("go", {"x": 1}, run_id="agent-7f3ka"), int)
    with Runtime("store", durability="process", process_concurrency=8, strict=True, park_after_s=5.0).use() as runtime:
        assert_type(runtime, Runtime)


class Counter(ag.Service):
    async def count(self) -> int:
        async with self.critical():
            return await self.run_blocking(len, "abc")


async def session() -> None:
    async with ag.open_session("the project", tags=["mine"]) as context:
        assert_type(context, NodeContext)
        assert_type(await context.clock().now(), float)
    Runtime("store", services={"counter": Counter()}).close()


def tested(run: Run) -> None:
    assert_type(settle(run, timeout_s=5.0), Run)
    assert_type(replay(run, agent, timeout_s=5.0), Outputs)


async def handle(run: Run) -> None:
    assert_type(await run, Outputs)
    assert_type(await ag.run_async(agent, x=1), Outputs)
    assert_type(run.result(timeout_s=1.0), Outputs)
    assert_type(run.status, RunStatus)
    assert_type(run.export("module.py", verify=True), Path)
    assert_type(exporting.export_notebook("study.ipynb", "agent"), Path)
    assert_type(exporting.verify(Path("module.py"), "agent", run).equal, bool)
    assert_type(run.successor, Run | None)
    assert_type(run.continues, Run | None)
    assert_type(run.why_in_memory, str)
    assert_type(run.outputs, Outputs)
    assert_type(run.transcript(), list[str])
    assert_type(run.plot("loss", step=3), Figure)
    assert_type(run.points("loss"), dict[str, list[Any]])
    assert_type(ag.plot_runs(run, "study-7f3ka", track="loss"), Figure)
    assert_type(run.lineage("double"), Lineage)
    assert_type(run.lineage("double").used_by, list[Use])
    assert_type(run.lineage("double").loaded, list[ag.Artifact])
    run.answer("Ada")
    run.cancel()
    run.cancel(node="double")
    assert_type(run.retry(), Run)
    assert_type(run.fork(), Run)
    run.pin()
    assert_type(run.pinned, bool)
    assert_type(run.fork(at="double", inputs={"x": 2}), Run)
    assert_type(run.fork(at="double", outputs={"y": 2}), Run)
    assert_type(run.parent, str)
    assert_type(run.children, list[RunInfo])
    async for fact in run.events():
        print(fact)
