"""What is registered in the current runtime."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aethergraph import NodeContext, Runtime, graph_fn, load_run, resume, run, runtime, start, tool
from aethergraph.channels import Adapter, Message
from aethergraph.errors import NotDelivered
from tests.channels.receiver import receiver

ran = logging.getLogger("ran").info  # not a list: a global that changes would count as a change of the code


class Pager:
    """Keeps what it is sent, and answers with the address that it is at."""

    capabilities = frozenset({"text"})
    made: list[Pager] = []

    def __init__(self, address: str) -> None:
        self.address, self.got = address, [""]
        Pager.made.append(self)

    async def send(self, message: Message, id: str) -> None:
        self.got.append(message.text)

    async def ask(self, question: Any, token: str, refused: str) -> str:
        return f"{question.prompt} {self.address}"


@graph_fn
async def talk(*, context: NodeContext) -> dict[str, str]:
    await context.channel("ada").send_text("hello")
    return {"here": await context.channel().ask_text("at?"), "there": await context.channel("ada").ask_text("at?")}


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[None]:
    with contextlib.closing(Runtime(tmp_path)) as made, made.use():
        yield


def test_a_class_of_adapters_is_a_factory_and_aliases_and_the_default_lead_to_it() -> None:
    Pager.made.clear()
    factory: type[Adapter] = Pager
    runtime.register_channel_adapter("pager", factory)
    runtime.set_channel_alias("ada", "pager:7")
    runtime.set_default_channel("pager:8")
    assert runtime.get_default_channel() == "pager:8"
    assert run(talk) == {"here": "at? 8", "there": "at? 7"}
    assert sorted((one.address, one.got[1:]) for one in Pager.made) == [("7", ["hello"]), ("8", [])]


def test_one_adapter_may_serve_all_keys() -> None:
    one = Pager("all")
    runtime.register_channel_adapter("pager", one)
    runtime.set_channel_alias("ada", "pager:7")
    runtime.set_default_channel("pager")
    assert run(talk) == {"here": "at? all", "there": "at? all"}


def test_what_is_no_adapter_is_refused() -> None:
    with pytest.raises(TypeError, match=r"takes a class or function that makes an adapter.*not dict"):
        runtime.register_channel_adapter("pager", {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no colon"):
        runtime.register_channel_adapter("a:b", Pager)


@graph_fn
async def report(*, context: NodeContext) -> None:
    await count()
    await context.channel("ops").send_text("done")


@tool
def count() -> None:
    ran("count")


def test_16_a_webhook_that_is_down_fails_the_node_and_the_run_goes_on_when_it_is_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ran")
    monkeypatch.setenv("AETHERGRAPH_WEBHOOK_SECRET", "a secret")
    with receiver(404) as server:
        runtime.set_channel_alias("ops", f"webhook:{server.url}")
        begun = start(report)
        with pytest.raises(NotDelivered, match="it answered 404 Not Found. Once that is mended, resume the run"):
            begun.result(20)
        assert begun.status == "failed"
        resume(begun.run_id).result(20)
        first, second = server.got
    assert first.id == second.id
    assert first.headers["Webhook-Signature"].startswith("v1,")
    assert [record.message for record in caplog.records if record.name == "ran"] == ["count"]
    assert "127.0.0.1" not in str(load_run(begun.run_id).to_dict())
