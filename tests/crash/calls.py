"""Every method of a context, called by a row of a table: in an agent's body, and in a tool.

What a row gives is plain and the same each time, but for the rows that are named in `VARYING`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pydantic
from matplotlib.figure import Figure

from aethergraph import NodeContext, Service, graph_fn, tool
from aethergraph.errors import AlreadyAnswered, ServiceUnavailable

FILE, HOOK, FOLDER = "CALLS_FILE", "CALLS_HOOK", "CALLS_FOLDER"  # the variables that name what is outside
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
LARGE = "x" * 300_000  # stored by a worker thread
VARYING = ("clock", "random", "idempotency_key")
ANSWERS = {
    "text": "Ada", "approval": "Approve", "choice": "b", "number": 3, "form": {"n": 1}, "wait": "written",
    "files": [("a.csv", b"1")], "file": [("b.csv", b"2")],
}  # fmt: skip

Call = Callable[[NodeContext], Awaitable[Any]]
CALLS: dict[str, Call] = {}


def row(name: str) -> Callable[[Call], Call]:
    """Enter a call into the table."""

    def enter(fn: Call) -> Call:
        CALLS[name] = fn
        return fn

    return enter


def outside() -> tuple[str, str]:
    """The channels that lead out."""
    return f"file:{os.environ[FILE]}", f"webhook:{os.environ[HOOK]}"


class Form(pydantic.BaseModel):
    """What is asked for."""

    n: int


class Table:
    """As much of a table as is used."""

    def write_csv(self, path: Path) -> None:
        path.write_text("a\n1\n", encoding="utf-8")


class Lab(Service):
    """A service whose work is a line in a file."""

    async def measure(self, context: NodeContext) -> str:
        async with self.critical():
            return await self.run_blocking(str, self.ctx().node_id == context.node_id)

    async def reply(self, token: str) -> None:
        try:
            await self.run_blocking(self.answer, token, "done")
        except AlreadyAnswered:  # by this node, before it was killed
            return


# ------------------------------------------------------------------ channel


for _kind in ("text", "phase", "image", "file", "buttons", "rich", "event", "stream"):

    def _sends(kind: str) -> Call:
        async def send(c: NodeContext) -> None:
            for key in outside():
                channel = c.channel(key)
                if kind == "text":
                    await channel.send_text("said")
                elif kind == "phase":
                    await channel.send_phase("fit", "done")
                elif kind == "image":
                    await channel.send_image(file_bytes=PNG, title="Loss", filename="loss.png")
                elif kind == "file":
                    await channel.send_file(file_bytes=b"a,b", filename="data.csv")
                elif kind == "buttons":
                    await channel.send_buttons("Go on?", ["Yes"])
                elif kind == "rich":
                    await channel.send_rich("Scores", [{"model": "svm"}])
                elif kind == "event":
                    await channel.send({"kind": "text", "text": "by an event"})
                else:
                    async with channel.stream() as stream:
                        await stream.delta("piece by ")
                        await stream.delta("piece")
                        await stream.end()

        return send

    row(f"channel: {_kind}")(_sends(_kind))


@row("channel: in the store")
async def _(c: NodeContext) -> None:
    await c.channel("inbox").send_text("kept")
    await c.channel("inbox").send_file(file_bytes=LARGE.encode(), filename="large.txt")


@row("channel: progress")
async def _(c: NodeContext) -> None:
    async with c.channel("inbox").progress("fit", 2) as bar:
        await bar.update(inc=1)
        await bar.update(current=2)
        bar.show(force=True)
        bar.end()
    for _step in c.progress([1, 2], "loop"):
        pass


@row("channel: questions")
async def _(c: NodeContext) -> Any:
    ask = c.channel()
    form = await ask.ask_form(Form, "Form?", name="form")
    return [
        await ask.ask_text("Name?", name="text"), await ask.ask_approval("Go?", name="approval"),
        await ask.ask_choice("Which?", ["a", "b"], name="choice"), await ask.ask_number("How many?", name="number"),
        form.n, await ask.wait_text(name="wait"),
    ]  # fmt: skip


@row("channel: files")
async def _(c: NodeContext) -> Any:
    ask = c.channel()
    many = await ask.ask_files("Files?", name="files")
    one = await ask.ask_file("File?", name="file")
    again = await ask.files_of({"text": "", "files": []})
    return [[file.name for file in many["files"]], one.name, again["files"]]


@row("channel: uploads")
async def _(c: NodeContext) -> Any:
    seen = await c.channel().get_latest_uploads(clear=False)
    taken = await c.channel().get_last_uploads()
    left = await c.channel().get_latest_uploads()
    return [[one.name for one in found] for found in (seen, taken, left)]


# ------------------------------------------------------------------ artifacts


@row("artifacts: save")
async def _(c: NodeContext) -> Any:
    one = await c.artifacts().save_text(LARGE, "large.txt", metrics={"loss": 1.0})
    return one.size


@row("artifacts: json")
async def _(c: NodeContext) -> Any:
    return [(await c.artifacts().save_json([1])).name, (await c.artifacts().save_bytes(b"b")).name]


@row("artifacts: files")
async def _(c: NodeContext) -> Any:
    source = Path(os.environ[FOLDER]) / "source.txt"
    source.write_text("from a file")
    saved = [await c.artifacts().save_file(source), await c.artifacts().save(source, name="again.txt")]
    return [one.name for one in [*saved, await c.artifacts().write_text("t", "t.txt")]]


@row("artifacts: objects")
async def _(c: NodeContext) -> Any:
    artifacts = c.artifacts()
    figure = await artifacts.save_figure(Figure((1, 1)))
    table = await artifacts.save_dataframe(Table(), "table.csv")
    value = await artifacts.save_object({"n": {1, 2}}, "value")
    same = await artifacts.load_object_by_id(value.artifact_id)
    return [figure.name, table.name, same == await artifacts.load_object(value) == {"n": {1, 2}}]


@row("artifacts: writer")
async def _(c: NodeContext) -> Any:
    async with c.artifacts().writer("report", ".txt") as w:
        w.write("half, ")
        w.write("and whole")
        w.flush()
        w.add_labels({"writable": w.writable()})
        w.add_metrics({"parts": 2})
    assert w.artifact is not None
    return w.artifact.sha256


@row("artifacts: ingest")
async def _(c: NodeContext) -> Any:
    artifacts = c.artifacts()
    staged, folder = await artifacts.stage_path(".txt"), await artifacts.stage_dir()
    staged.write_text("staged")
    (folder / "one.txt").write_text("in a folder")
    file = await artifacts.ingest_file(staged, name="staged.txt")
    whole = await artifacts.ingest_dir(folder, name="folder")
    back = await artifacts.as_local_dir(whole)
    return [file.name, whole.name, (back / "one.txt").read_text()]


@row("artifacts: pin")
async def _(c: NodeContext) -> Any:
    (one,) = await c.artifacts().search(query="before")
    return (await c.artifacts().pin(one)).pinned


@row("artifacts: read")
async def _(c: NodeContext) -> Any:
    artifacts = c.artifacts()
    (one,) = await artifacts.list()
    best = await artifacts.best(metric="loss")
    assert best is not None
    id, scratch = one.artifact_id, await artifacts.tmp_path()
    local = [await artifacts.as_local_file(one), await artifacts.to_local_path(one)]
    return [
        best.name, (await artifacts.get_by_id(id)).name, await artifacts.load_bytes(one),
        await artifacts.load_text(one), await artifacts.load_json(one),
        await artifacts.load_bytes_by_id(id), await artifacts.load_text_by_id(id),
        await artifacts.load_json_by_id(id), [path.read_text() for path in local], scratch.exists(),
    ]  # fmt: skip


# ------------------------------------------------------------------ kv


@row("kv: set")
async def _(c: NodeContext) -> Any:
    await c.kv().set("set", LARGE[:5000])
    await c.kv().mset({"a": 1, "b": 2})
    return await c.kv().mget(["n", "a", "b"])


@row("kv: incr")
async def _(c: NodeContext) -> Any:
    return [await c.kv().incr("n"), await c.kv().incr("n", 10), await c.kv().get("n")]


@row("kv: compare_and_set")
async def _(c: NodeContext) -> Any:
    return await c.kv().compare_and_set("n", 1, 2)


@row("kv: lists")
async def _(c: NodeContext) -> Any:
    grown = await c.kv().list_append_unique("todo", ["read", "write"])
    return [grown, await c.kv().list_pop_all("todo"), await c.kv().list_pop_all("todo")]


@row("kv: delete")
async def _(c: NodeContext) -> Any:
    kv = c.kv()
    return [await kv.expire("n", 3600.0), await kv.delete("n"), await kv.delete("n"), await kv.purge_expired()]


# ------------------------------------------------------------------ memory


@row("memory: record")
async def _(c: NodeContext) -> Any:
    return [(await c.memory().record("seen", {"n": 1}, text="a blue light")).data]


@row("memory: chat")
async def _(c: NodeContext) -> Any:
    memory = c.memory()
    said = [await memory.record_chat("tool", "four"), await memory.record_chat_user("one")]
    said += [await memory.record_chat_assistant("two"), await memory.record_chat_system("three")]
    return [len(said), [line["text"] for line in await memory.recent_chat()]]


@row("memory: results")
async def _(c: NodeContext) -> Any:
    memory = c.memory()
    await memory.record_tool_result("fit", {"x": 1}, {"y": 2})
    await memory.write_result("topic", {"x": 1}, {"y": 3})
    await memory.record_raw({"kind": "raw", "data": 5})
    return [
        await memory.last_by_name("fit"), await memory.get_last_outputs_for_topic("topic"),
        [one.outputs for one in await memory.recent_tool_results()], len(await memory.recent_tool_result_data()),
    ]  # fmt: skip


@row("memory: summaries")
async def _(c: NodeContext) -> Any:
    memory = c.memory()
    made = [await memory.distill_long_term(), await memory.distill_meta_summary()]
    taken = await memory.soft_hydrate_last_summary(source="session", level="run")
    last, several = await memory.load_last_summary(), await memory.load_recent_summaries()
    prompt = [await memory.chat_history_for_llm(), await memory.build_prompt_segments()]
    return [all(made), taken == last, len(several), len(prompt)]


@row("memory: without retrieval")
async def _(c: NodeContext) -> Any:
    memory, refused = c.memory(), []
    for method in (
        memory.rag_bind, memory.rag_upsert, memory.rag_promote_events, memory.rag_remember_events,
        memory.rag_remember_docs, memory.rag_search, memory.rag_search_by_key, memory.rag_answer,
        memory.rag_answer_by_key,
    ):  # fmt: skip
        try:
            await method()
        except ServiceUnavailable as error:
            refused.append(str(error))
    await memory.record("refused", len(refused))
    return refused


@row("memory: read")
async def _(c: NodeContext) -> Any:
    memory = c.memory()
    found = [await memory.recent("before"), await memory.search("violet")]
    return [[one.data for one in events] for events in found] + [await memory.recent_data("before")]


# ------------------------------------------------------------------ plots, lines, time, chance


@row("viz")
async def _(c: NodeContext) -> None:
    viz = c.viz()
    await viz.scalar("loss", 0, 1.0)
    await viz.vector("spectrum", 0, [1.0, 2.0])
    await viz.matrix("weights", 0, [[1, 2], [3, 4]])
    await viz.image_from_bytes("image", 0, PNG)
    await viz.image_from_artifact("saved", 0, await c.artifacts().save_bytes(PNG, "viz.png"))
    await viz.figure("figure", 0, Figure((1, 1)))
    await viz.table("table", [{"a": 1}])


@row("logger")
async def _(c: NodeContext) -> None:
    logger = c.logger()
    logger.info("logged")
    logger.warning("logged, a warning")
    logger.log(40, "logged by its level")


@row("clock")
async def _(c: NodeContext) -> Any:
    await c.clock().sleep(0.001)
    return await c.clock().now()


@row("random")
async def _(c: NodeContext) -> Any:
    return [c.random().random(), c.random("other").random()]


@row("idempotency_key")
async def _(c: NodeContext) -> Any:
    return [c.idempotency_key(), c.idempotency_key("other")]


@row("timeout")
async def _(c: NodeContext) -> Any:
    try:
        async with c.timeout(0.001):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out"


# ------------------------------------------------------------------ waits, other runs, services


@row("wait_event")
async def _(c: NodeContext) -> Any:
    return [await c.wait_event("go"), await c.wait_event("go", timeout_s=0.001, default="none")]


@row("continuation")
async def _(c: NodeContext) -> Any:
    made = await c.create_continuation()
    await c.svc("lab").reply(made.token)
    return await c.wait_for_resume(made)


@row("service")
async def _(c: NodeContext) -> Any:
    return [await c.lab().measure(c), c.pending()]


@tool
async def note_outside(name: str, *, context: NodeContext) -> None:
    """A line for each run that does it, whose id is known to whoever counts."""
    await context.channel(f"file:{os.environ[FILE]}").send_text(f"from {name}")


@graph_fn
async def child(name: str, *, context: NodeContext) -> str:
    await note_outside(name)
    return name


@graph_fn
async def endless(*, context: NodeContext) -> str:
    return await context.channel("inbox").ask_text("Nobody answers.")


@row("spawn_run")
async def _(c: NodeContext) -> Any:
    run_id = await c.spawn_run(child, inputs={"name": "spawned"})
    return [*(await c.wait_run(run_id) or {}).values()]


@row("run_and_wait")
async def _(c: NodeContext) -> Any:
    return [*(await c.run_and_wait(child, inputs={"name": "awaited"})).values()]


@row("cancel_run")
async def _(c: NodeContext) -> None:
    await c.cancel_run(await c.spawn_run(endless))


@row("continue_as_new")
async def _(c: NodeContext) -> Any:
    return await c.continue_as_new(name="kv: incr")  # in the body alone
