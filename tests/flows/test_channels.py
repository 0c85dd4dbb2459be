"""Many channels in one run: each message and each answer goes where it belongs, also after a kill."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aethergraph.channels import Message, Webhook
from aethergraph.runner import gc
from tests.channels.receiver import receiver

from .lab import LIMIT_S, Lab

TALK = """
async def ask(context, name, **where):
    said = await context.channel(where.pop("bound", None)).ask_text("at?", name=name, **where)
    await context.channel().send_text(f"{name}: {said}", channel="file:log.txt")
    return said

@tool
def in_a_thread(*, context):
    return context.channel("desk:9").ask_text("at?", name="thread")

@graph_fn
async def survey(*, context):
    ran("body")
    answers = await asyncio.gather(
        ask(context, "default"),
        ask(context, "bound", bound="desk:7"),
        ask(context, "once", bound="inbox", channel="desk:8"),
        ask(context, "file", channel="file:log.txt"),
        in_a_thread(),
    )
    await context.channel().ask_text("go on?", channel="inbox")
    return {"answers": [*answers[:4], answers[4].result]}
"""


class Desk:
    """Somebody who says at which desk he is, and one who says nothing."""

    capabilities = frozenset({"text"})

    def __init__(self, number: str) -> None:
        self.number = number

    async def send(self, message: Message, id: str) -> None:
        raise AssertionError(f"nothing is sent here: {message}")

    async def ask(self, question: Any, token: str, refused: str) -> str:
        return f"{question.name} at {self.number}"


def register(lab: Lab) -> None:
    lab.runtime.bus.register_factory("desk", Desk)
    lab.runtime.bus.set_default_channel("inbox")


def token(lab: Lab, name: str) -> str:
    (found,) = (wait.token for wait in lab.runtime.waits() if wait.schema.name == name)
    return found


def test_questions_on_many_channels_at_once_get_each_its_own_answer(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    register(lab)
    lab.cell(TALK)
    run = lab.start("survey")
    lab.until(run, lambda _: {"default", "file"} == {wait.schema.name for wait in run.waits})
    lab.runtime.answer(token(lab, "file"), "by hand")
    lab.until(run, lambda _: {"default"} == {wait.schema.name for wait in run.waits})
    lab.kill()
    register(lab)
    resumed = lab.resume(run)
    lab.until(resumed, lambda _: {"default"} == {wait.schema.name for wait in resumed.waits})
    lab.runtime.answer(token(lab, "default"), "from elsewhere")
    lab.answer(resumed, "go on?", "yes")
    want = ["from elsewhere", "bound at 7", "once at 8", "by hand", "thread at 9"]
    assert resumed.result(LIMIT_S) == {"answers": want}
    lines = re.findall(r"survey  (.*?)  #", Path("log.txt").read_text(encoding="utf-8"))
    named = zip(("default", "bound", "once", "file"), want, strict=False)
    assert sorted(lines) == sorted(f"{name}: {said}" for name, said in named)


SENDING = """
PNG = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(40)

@graph_fn
async def report(*, context):
    await context.channel("inbox").send_image(file_bytes=PNG)
    await context.channel("hook").send_text("one")
    await context.channel("hook").send_text("two")
"""


def test_a_webhook_that_fails_for_a_moment_holds_up_the_run_and_nothing_else(lab: Lab) -> None:
    lab.cell(SENDING)
    with receiver(503, 200, 0) as server:
        lab.runtime.bus.register("hook", Webhook(server.url, backoff_s=0.001))
        lab.run("report")
        assert server.texts == ["one", "one", "two", "two"]
        assert list(server.once.values()) == ["one", "two"]


def test_33_what_was_sent_is_kept_as_long_as_its_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.cell(SENDING)
    with receiver() as server:
        lab.runtime.bus.register("hook", Webhook(server.url))
        run = lab.start("report")
        run.result(LIMIT_S)
    digest = next(entry.data["sha256"] for entry in run.picture().transcript if entry.data is not None)
    monkeypatch.setattr("aethergraph.lifecycle.collecting.GRACE_S", -1e9)
    monkeypatch.setattr(type(lab.runtime.owner), "oldest", lambda *_, **__: 1e18)
    gc(dry_run=False)
    assert lab.store.blobs.has(digest)
    gc(runs=[run.run_id], dry_run=False)
    assert not lab.store.blobs.has(digest)
