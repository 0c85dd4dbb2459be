"""POSTs to a real server: what arrives, what is tried again, what is given up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
from pathlib import Path
from typing import Any

import pytest

from aethergraph.channels import Webhook
from aethergraph.channels.adapter import Message
from aethergraph.channels.webhook import SPREAD, retry_after, signature
from aethergraph.errors import NotDelivered
from aethergraph.testing import FakeClock
from tests.channels.receiver import Receiver, Reply, receiver

HELLO = Message("text", "hello \u00e9", "webhook:here", "study-1", "fit", {"text": "hello \u00e9"})


class Pauses:
    """How long was waited, without waiting."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def send(url: str, message: Message = HELLO, id: str = "id-1", **how: Any) -> list[float]:
    pauses = Pauses()
    asyncio.run(Webhook(url, pause=pauses, **how).send(message, id))
    return pauses.taken


def refused(server: Receiver, **how: Any) -> str:
    with pytest.raises(NotDelivered) as caught:
        send(server.url, **how)
    return str(caught.value)


def test_a_message_arrives_as_json_with_its_id() -> None:
    with receiver() as server:
        assert send(server.url) == []
    (got,) = server.got
    assert got.told == {
        "id": "id-1",
        "kind": "text",
        "text": "hello \u00e9",
        "run_id": "study-1",
        "node_id": "fit",
        "data": {"text": "hello \u00e9"},
    }
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Idempotency-Key"] == got.headers["Webhook-Id"] == "id-1"
    assert "Webhook-Signature" not in got.headers


@pytest.mark.parametrize("secret", ["a secret", "whsec_" + base64.b64encode(b"a secret").decode()])
def test_a_signed_message_can_be_checked_with_the_secret(secret: str) -> None:
    with receiver() as server:
        send(server.url, secret=secret, clock=FakeClock(1_700_000_000))
    (got,) = server.got
    signed = f"id-1.{got.headers['Webhook-Timestamp']}.".encode() + got.body
    digest = hmac.new(b"a secret", signed, hashlib.sha256).digest()
    assert got.headers["Webhook-Timestamp"] == "1700000000"
    assert got.headers["Webhook-Signature"] == "v1," + base64.b64encode(digest).decode()


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the Standard Webhooks specification."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("reply", [500, 502, 503, 429, 0])
def test_what_may_pass_is_tried_again_under_the_same_id_and_body(reply: int) -> None:
    with receiver(reply, reply) as server:
        waits = send(server.url)
    assert len(server.got) == 3
    assert len({(got.id, got.body) for got in server.got}) == 1
    first, second = waits
    assert 0.5 <= first <= 0.5 * (1 + SPREAD) and 1.0 <= second <= 1 + SPREAD


def test_a_server_that_stays_down_is_given_up_and_named() -> None:
    with receiver(*[503] * 6) as server:
        why = refused(server)
    assert len(server.got) == 6
    assert "webhook:http://127.0.0.1" in why and "it answered 503" in why and "(6 attempts)" in why
    assert "resume the run" in why


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NotDelivered, match=r"cannot be reached \(.*refused.*\) \(2 attempts\)"):
            send(url, attempts=2)


def test_a_server_that_does_not_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NotDelivered, match="did not answer in time"):
            send(url, attempts=1, timeout_s=0.05)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    reply: Reply = (status, {}, "no such\x1b[31m hook")
    with receiver(reply) as server:
        why = refused(server)
    assert len(server.got) == 1
    assert f"it answered {status}" in why and "no such hook" in why and "attempts" not in why


def test_a_redirect_is_not_followed() -> None:
    with receiver() as other, receiver((302, {"Location": other.url}, "")) as server:
        why = refused(server)
    assert other.got == []
    assert "redirects to 127.0.0.1" in why and "/hook" not in why


@pytest.mark.parametrize("header", ["7", "Sun, 09 Sep 2001 01:46:47 GMT"])
def test_retry_after_is_honoured(header: str) -> None:
    with receiver((429, {"Retry-After": header}, ""), (503, {"Retry-After": header}, "")) as server:
        assert send(server.url, clock=FakeClock(1_000_000_000)) == [7.0, 7.0]


def test_a_server_that_asks_for_more_patience_than_there_is() -> None:
    with receiver((503, {"Retry-After": "3600"}, "")) as server:
        why = refused(server)
    assert len(server.got) == 1
    assert "left alone for 3600 s, and we wait 60 s" in why


@pytest.mark.parametrize("header", ["", "soon", "-3", "1e3", "\u0663"])
def test_a_retry_after_that_says_nothing_is_passed_over(header: str) -> None:
    assert retry_after(header, 0.0) == 0.0


def test_a_content_travels_inside_as_long_as_it_is_small(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"\x89PNG")
    data = {"filename": "plot.png", "size": 4, "sha256": "0" * 64}
    picture = Message("image", "plot.png", "", "r", "n", data, path)
    with receiver() as server:
        send(server.url, picture)
        send(server.url, picture, attach=3)
    small, large = (got.told["data"] for got in server.got)
    assert base64.b64decode(small["content"]) == b"\x89PNG"
    assert large == data


@pytest.mark.parametrize("url", ["", "example.org/hook", "ftp://example.org", "http://", "file:///etc/passwd"])
def test_only_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="takes an http or https URL"):
        Webhook(url)


def test_a_bad_secret_and_no_attempts_are_refused() -> None:
    with pytest.raises(ValueError, match="AETHERGRAPH_WEBHOOK_SECRET"):
        Webhook("http://x", secret="whsec_*")
    with pytest.raises(ValueError, match="at least once"):
        Webhook("http://x", attempts=0)


def test_what_lets_one_in_is_told_to_nobody() -> None:
    hook = Webhook("https://user:pw@example.org:8443/T01/S3CRET?key=k", secret="s")
    assert repr(hook) == "<webhook:https://example.org:8443/...>"
    assert hook.shown == "webhook:https://example.org:8443/..."
