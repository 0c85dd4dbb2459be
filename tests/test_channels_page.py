"""What docs/channels.md says is true: its code runs, and its example adapter talks to a chat server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Runtime, graph_fn, resume, run, start
from aethergraph import runtime as registering
from aethergraph.channels import Bus, ScriptedChannel
from aethergraph.channels.adapter import KINDS
from aethergraph.errors import NoOneToAsk, NotDelivered
from tests import pages
from tests.services.test_sending import PNG

PAGE = pages.text("channels")
STUDY, DEFAULTS, HOOK, CHAT = pages.blocks(PAGE)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(Runtime(tmp_path / "store")) as made, made.use():
        yield made


def load(*blocks: str, **names: Any) -> dict[str, Any]:
    for block in blocks:
        exec(compile(block, "docs/channels.md", "exec"), names)
    return names


class Server:
    """A chat server with a person at it, who says what `answers` has for a question, in order."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers, self.got, self.ids = answers, list[dict[str, Any]](), set[str]()
        self.asked_at_once = 0
        self._open = 0
        self.together = threading.Event()  # set: nobody is answered before as many ask as there are answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = json.loads(await reader.readline())
        if "ask" in told:
            self._open += 1
            self.asked_at_once = max(self.asked_at_once, self._open)
            while self.together.is_set() and self.asked_at_once < len(self.answers):
                await asyncio.sleep(0)
            said = self.answers[told["ask"]]
            self.got.append(told)
            writer.write(f"{said.pop(0)}\n".encode() if said else b"")
            self._open -= 1
        elif told["id"] not in self.ids:
            self.ids.add(told["id"])
            self.got.append(told)
            writer.write(b"ok\n")
        else:
            writer.write(b"ok\n")
        writer.close()
        await writer.wait_closed()


@contextlib.contextmanager
def serving(server: Server) -> Iterator[str]:
    """The server on a port of its own; its key."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(server.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"chat:127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_every_block_is_of_a_kind_that_is_looked_at() -> None:
    assert {kind for kind, _ in pages.fenced(PAGE)} == {"python", "json"}
    assert PAGE.count("```") == 2 * len(pages.fenced(PAGE))
    for kind, body in pages.fenced(PAGE):
        if kind == "json":
            assert set(json.loads(body)) == {"id", "kind", "text", "run_id", "node_id", "data"}


def test_the_first_example_runs(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("model,score\n")
    study = load(STUDY, PNG=PNG)["study"]
    with ScriptedChannel({"kept": "svm"}) as channel:
        assert run(study) == {"kept": "svm"}
    assert {message.kind for message in channel.messages} == KINDS
    assert "kept svm" in (tmp_path / "log.txt").read_text()


def test_defaults_aliases_and_a_webhook_of_ones_own(runtime: Runtime) -> None:
    load(DEFAULTS, HOOK)
    assert runtime.bus.route().key == "inbox"
    assert runtime.bus.route("ops").key.startswith("webhook:https://example.org/")
    assert "1f6c" not in runtime.bus.route("ops").key


def test_every_channel_there_is_has_its_row() -> None:
    rows = [name for name in re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE) if not name.startswith("ask_")]
    there = {*Bus({})._adapters, *Bus({})._factories}
    assert set(rows) == there


def test_the_example_is_short_and_complete() -> None:
    code = [line for line in CHAT.splitlines() if line.strip()]
    assert len(code) <= 40
    assert "..." not in CHAT and "pass" not in CHAT.split()


@graph_fn
async def talk(*, context: Any) -> dict[str, Any]:
    channel = context.channel()
    await channel.send_text("hello")
    await channel.send_buttons("go on?", ["yes"])
    await channel.send_image(file_bytes=PNG)
    asked = [channel.ask_text("name?"), channel.ask_choice("which?", ["svm", "knn"]), channel.ask_number("how many?")]
    name, which, count = await asyncio.gather(*asked)
    return {"name": name, "which": which, "count": count}


def test_the_example_tells_and_takes_answers_of_many_questions_at_once() -> None:
    server = Server(**{"name?": ["Ada"], "which?": ["tree", "knn"], "how many?": ["3"]})
    server.together.set()
    with serving(server) as key:
        load(CHAT)
        registering.set_default_channel(key)
        assert run(talk) == {"name": "Ada", "which": "knn", "count": 3.0}
    assert server.asked_at_once == 3
    said = [told for told in server.got if "text" in told]
    assert [told["text"].partition(" (")[0] for told in said] == ["hello", "go on?\n  [yes]", "image.png"]
    assert said[1]["buttons"][0]["label"] == "yes" and "no pictures are shown here" in said[2]["text"]
    refused = [told["refused"] for told in server.got if told.get("ask") == "which?"]
    assert refused[0] == "" and "'tree' is none of 'svm', 'knn'" in refused[1]


def test_where_the_example_finds_nobody_the_run_can_go_on_later() -> None:
    load(CHAT)
    server = Server(**{"name?": [], "which?": ["svm"] * 2, "how many?": ["1"] * 2})
    with serving(server) as key:
        registering.set_channel_alias("there", key)
        registering.set_default_channel("there")
        begun = start(talk)
        with pytest.raises(NoOneToAsk, match="the chat was closed"):
            begun.result(20)
    with pytest.raises(NotDelivered):  # the server is gone
        run(talk)
    server.answers["name?"].append("Ada")
    with serving(server) as key:
        registering.set_channel_alias("there", key)
        assert resume(begun.run_id).result(20)["name"] == "Ada"
    assert [told["text"] for told in server.got if told.get("text") == "hello"] == ["hello"]
