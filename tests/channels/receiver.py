"""A web server that takes webhooks: it keeps what it got, and answers as it was told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Mapping[str, str], str]  # status, headers, body


@dataclass(frozen=True)
class Got:
    """One request."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """replies: what is answered, one after the other, and then 200; 0 hangs up without an answer."""

    url: str
    replies: list[int | Reply] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    then: Callable[[int, bool], None] | None = None  # called with how many came, before and after an answer goes out

    @property
    def texts(self) -> list[str]:
        return [one.told["text"] for one in self.got]

    @property
    def once(self) -> dict[str, str]:
        """The messages as a server has them that takes each id once, by id in the order in which they came."""
        return {one.id: one.told["text"] for one in self.got}


@contextlib.contextmanager
def receiver(*replies: int | Reply) -> Iterator[Receiver]:
    """A server on a port of its own, inside the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(Got(dict(self.headers), body))
            if made.then is not None:
                made.then(len(made.got), False)
            reply = made.replies.pop(0) if made.replies else 200
            status, headers, text = (reply, {}, "") if isinstance(reply, int) else reply
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):  # who asked may be dead by now
                self.end_headers()
                self.wfile.write(text.encode())
            if made.then is not None:
                made.then(len(made.got), True)

        def log_message(self, *_: Any) -> None:
            """Nothing of it on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook", list(replies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
