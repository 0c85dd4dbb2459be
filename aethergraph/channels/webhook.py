"""A web server as a channel: `webhook:https://example.org/hook` gets a POST of JSON for each message.

    {"id": "...", "kind": "text", "text": "done", "run_id": "survey-7f3ka", "node_id": "survey", "data": {...}}

The headers are those of Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and,
where there is a secret, `webhook-signature`; `Idempotency-Key` is the id once more. The id stays the same however
often a message is tried, also after a kill: a server that takes each id once gets each message once. Of what a kill
came between, no other can tell whether the server has it, so it is sent again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import datetime
import email.utils
import hashlib
import hmac
import json
import random
import ssl
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

from ..clock import Clock, SystemClock
from ..engine import Asker
from ..errors import NotDelivered
from ..views.labels import line
from .adapter import KINDS, Message

SECRET = "AETHERGRAPH_WEBHOOK_SECRET"
ATTACHED = 4 << 20  # bytes of the largest content that travels inside a message
SPREAD = 0.25  # waits differ by so much, so that many runs do not come back in step

_threads = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="aether-webhook")


class Webhook:
    """POSTs messages to `url`.

    Args:
        secret: signs them with HMAC-SHA256; as it is, or base64 after `whsec_`. "" sends them unsigned.
        attempts: how often a message is tried where the server cannot be reached or answers 429 or 5xx.
        backoff_s: the first wait between two attempts; each is twice as long as the one before.
        patience_s: the longest wait. A `Retry-After` beyond it ends the attempts.
        timeout_s: how long the server may take to answer.
        attach: contents of up to so many bytes travel as base64, in `data["content"]`; others only by their sha256.

    Raises:
        ValueError: it is no http or https URL, or the secret is not valid base64 after `whsec_`.
    """

    capabilities = KINDS
    ask: Asker | None = None  # nobody answers a POST: questions wait in the store

    def __init__(
        self,
        url: str,
        *,
        secret: str = "",
        attempts: int = 6,
        backoff_s: float = 0.5,
        patience_s: float = 60.0,
        timeout_s: float = 10.0,
        attach: int = ATTACHED,
        clock: Clock | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError('a webhook takes an http or https URL, as in "webhook:https://example.org/hook"')
        if attempts < 1:
            raise ValueError(f"attempts={attempts}: a message is tried at least once")
        self._url, self._key = url, _key(secret)
        # The rest of the URL is often what lets one in, so it is told to nobody.
        port = f":{parts.port}" if parts.port else ""
        self.shown = f"webhook:{parts.scheme}://{parts.hostname}{port}" + ("/..." if parts.path.strip("/") else "")
        self._attempts, self._backoff_s, self._patience_s = attempts, backoff_s, patience_s
        self._timeout_s, self._attach = timeout_s, attach
        self._clock, self._pause = clock or SystemClock(), pause
        self._open = urllib.request.build_opener(_NoRedirect).open  # with the proxies of the environment

    def __repr__(self) -> str:
        return f"<{self.shown}>"

    async def send(self, message: Message, id: str) -> None:
        """POST `message`, again and again where that may help.

        Raises:
            NotDelivered: the server did not take it.
        """
        loop = asyncio.get_running_loop()
        # In threads of its own: a server that hangs must not hold up answers and files, which use the loop's.
        body = await loop.run_in_executor(_threads, self._body, message, id)
        for attempt in range(1, self._attempts + 1):
            said = await loop.run_in_executor(_threads, self._post, body, id)
            if said is None:
                return
            wait = max(self._backoff_s * 2.0 ** min(attempt - 1, 30) * random.uniform(1, 1 + SPREAD), said.after_s)
            if said.final or attempt == self._attempts or wait > self._patience_s:
                raise NotDelivered(self.shown, _told(said, attempt, self._patience_s))
            await self._pause(wait)

    def _body(self, message: Message, id: str) -> bytes:
        data: dict[str, Any] = dict(message.data)
        size = data.get("size")
        if message.path is not None and isinstance(size, int) and size <= self._attach:
            data["content"] = base64.b64encode(message.path.read_bytes()).decode()
        told = {
            "id": id,
            "kind": message.kind,
            "text": message.text,
            "run_id": message.run_id,
            "node_id": message.node_id,
            "data": data,
        }
        return json.dumps(told, ensure_ascii=False).encode()

    def _post(self, body: bytes, id: str) -> Refusal | None:
        """One attempt; None where the server took it."""
        at = str(int(self._clock.now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "aethergraph",
            "Idempotency-Key": id,
            "Webhook-Id": id,
            "Webhook-Timestamp": at,
        }
        if self._key:
            headers["Webhook-Signature"] = signature(self._key, id, at, body)
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._open(request, timeout=self._timeout_s):
                return None
        except urllib.error.HTTPError as error:
            with error:
                return _refused(error, self._clock.now())
        except (OSError, HTTPException) as error:
            why = getattr(error, "reason", None) or error
            told = "it did not answer in time" if isinstance(why, TimeoutError) else str(why) or type(why).__name__
            return Refusal(f"it cannot be reached ({told})", final=isinstance(why, ssl.SSLCertVerificationError))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an attempt failed. `final`: another one would, too. `after_s`: how long the server asks to be left alone."""

    why: str
    final: bool = False
    after_s: float = 0.0


def _refused(error: urllib.error.HTTPError, now: float) -> Refusal:
    try:
        said = line(error.read(400).decode("utf-8", "replace"))[:200]
    except (OSError, HTTPException):
        said = ""
    where = f" to {urlsplit(error.headers['Location']).netloc}" if error.headers.get("Location") else ""
    redirects = f", which redirects{where}: a message is not sent on" if 300 <= error.code < 400 else ""
    why = f"it answered {error.code} {error.reason}{redirects}{f': {said}' if said else ''}"
    final = error.code != 429 and error.code < 500
    return Refusal(why, final, 0.0 if final else retry_after(error.headers.get("Retry-After", ""), now))


def _told(said: Refusal, attempts: int, patience_s: float) -> str:
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    if said.after_s > patience_s:
        return f"{said.why}{tries}; it asks to be left alone for {said.after_s:.0f} s, and we wait {patience_s:g} s"
    return said.why + tries


def retry_after(header: str, now: float) -> float:
    """Seconds from `now` (since the epoch) that a `Retry-After` asks for: a number or a date; 0 for none, or nonsense.

    >>> retry_after("120", 0), retry_after("Thu, 01 Jan 1970 00:02:00 GMT", 100), retry_after("soon", 0)
    (120.0, 20.0, 0.0)

    Source: RFC 9110, 10.2.3.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, date.timestamp() - now)


def signature(key: bytes, id: str, at: str, body: bytes) -> str:
    """What a server computes to see that a message is ours. Source: Standard Webhooks, "Signature scheme"."""
    digest = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix("whsec_")
    if encoded == secret:
        return secret.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError(f"the secret of a webhook ({SECRET}) begins with whsec_, but is no base64 after it") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET without its body, to somebody whom nobody named: better to fail."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None
