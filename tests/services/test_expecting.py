"""Arguments of a wrong type are told at the call, with method, node, what was expected and what was given (api.md)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aethergraph.errors import NoSuchService, ServiceUnavailable
from aethergraph.services.expecting import as_number
from tests.services.fake_desk import FakeDesk, Room, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


async def updated(context: Any, **how: Any) -> None:
    async with context.channel().progress() as bar:
        await bar.update(**how)


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "random": (lambda c: c.random(3), "context.random(): name is a text, got 3 (int)"),
    "idempotency_key": (lambda c: c.idempotency_key(3), "context.idempotency_key(): name is a text, got 3 (int)"),
    "timeout": (lambda c: c.timeout("x"), "seconds is a number, or None for no limit, got 'x' (str)"),
    "options None": (
        lambda c: c.channel().ask_choice("which?", None),
        "context.channel().ask_choice(): options is a list of texts, got None (NoneType)",
    ),
    "options set": (lambda c: c.channel().ask_choice("which?", {"a"}), "options is a list of texts, got {'a'} (set)"),
    "options numbers": (lambda c: c.channel().ask_approval("ok?", [1]), "ask_approval(): options is a list of texts"),
    "total": (
        lambda c: c.channel().progress(total="x"), "context.progress(): total is a number, got 'x' (str)",
    ),
    "title": (lambda c: c.channel().progress(3), "context.progress(): title is a text, got 3 (int)"),
    "inc": (
        lambda c: updated(c, inc="a"),
        "context.progress().update(): inc is a number, got 'a' (str)",
    ),
    "current": (lambda c: updated(c, current=[]), "current is a number, got [] (list)"),
    "record_raw": (
        lambda c: c.memory().record_raw([1]), "context.memory().record_raw(): base is a dict, got [1] (list)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_type_is_told_at_the_call(place: Room, name: str) -> None:
    call, told = WRONG[name]

    async def body() -> None:
        made = call(place.context(FakeDesk(place.store))[0])
        if asyncio.iscoroutine(made):
            await made

    with pytest.raises(TypeError, match=re.escape(told)) as error:
        asyncio.run(body())
    assert str(error.value).endswith(", in fit of run study-1")


def test_numbers_of_numpy_work_wherever_an_int_does(place: Room) -> None:
    async def body() -> list[Any]:
        context = place.context(FakeDesk(place.store))[0]
        kv = context.kv()
        total = await kv.incr("k", np.int64(2), ttl_s=np.int64(60))
        async with context.timeout(np.int64(5)), context.channel().progress(total=np.int32(3)) as bar:
            await bar.update(inc=np.float32(1))
        return [total, type(total), await kv.get("k")]

    assert asyncio.run(body()) == [2, int, 2]
    assert as_number(np.bool_(True)) is None
    assert as_number(True) is None


def test_an_id_or_outputs_where_a_uri_is_wanted_say_what_to_write(place: Room) -> None:
    async def body() -> None:
        artifacts = place.context(FakeDesk(place.store))[0].artifacts()
        made = await artifacts.save_object([1])
        with pytest.raises(ValueError, match=rf"if it is an id, write `load_object_by_id\('{made.artifact_id}'\)`"):
            await artifacts.load_object(made.artifact_id)
        with pytest.raises(ValueError, match=r"write `load_bytes_by_id\("):
            await artifacts.load_bytes(made.artifact_id)
        with pytest.raises(TypeError, match=r"got the outputs of a call \(result\).*`outputs\.result`"):
            await artifacts.load_bytes({"result": made})

    asyncio.run(body())


def test_what_a_context_has_not_is_unavailable_and_no_attribute(place: Room) -> None:
    context = place.context(FakeDesk(place.store))[0]
    assert not hasattr(context, "nosuch")
    with pytest.raises(ServiceUnavailable, match=r"context\.nosuch\(\) is not available.*register_context_service"):
        context.nosuch()
    with pytest.raises(NoSuchService, match=r"did you mean `context\.artifacts`\?"):
        context.artefacts()


@pytest.mark.parametrize("bad", [3, {1, 2}, object()])
@pytest.mark.parametrize(
    ("service", "method", "given", "name", "why"),
    [
        ("artifacts", "save_text", {"text": "x"}, "name", "the name of an artifact is a text, got"),
        (
            "artifacts",
            "save_text",
            {"text": "x", "name": "a"},
            "tags",
            "tags is a list of texts, got|tags are texts, got",
        ),
        ("artifacts", "save_bytes", {"data": b"x", "name": "a"}, "mime", "mime is a text, got"),
        ("channel", "send_phase", {"phase": "fit"}, "status", "is a text, got"),
        ("memory", "last_by_name", {}, "name", "events are looked for by texts, got"),
        ("kv", "set", {"value": 1}, "key", "key"),
    ],
)
def test_what_is_no_text_is_told_with_what_is_expected(
    tmp_path: Path, service: str, method: str, given: dict[str, Any], name: str, why: str, bad: Any
) -> None:
    context, _ = room(tmp_path).context()
    with pytest.raises((TypeError, ValueError), match=why):
        asyncio.run(getattr(getattr(context, service)(), method)(**given, **{name: bad}))
