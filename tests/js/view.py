"""Renders the view from facts, with a model that only relays."""

from __future__ import annotations

import base64
import json
from typing import Any

from playwright.sync_api import Page

from jupyter_ext.patches import Teller
from jupyter_ext.plot_wire import content
from tests.story import Story

_OPEN = """async ([uid, snap, css]) => {
  const { default: view } = await import("/run_view.js");
  await new Promise((onload) => document.head.append(
    Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/run_view.css", onload })));
  window.sent = [];
  window.listeners = [];
  window.others = {};
  window.dead = false;
  const traits = { uid, snap };
  window.newModel = () => ({
    get: (name) => traits[name],
    on: (name, call) => (name === "msg:custom" ? window.listeners : (window.others[name] ??= [])).push(call),
    send(message, _, buffers) {
      if (window.dead) throw new Error("kernel died");
      window.sent.push(buffers?.length ? { ...message, piece: buffers[0].byteLength } : message);
      if (message.kind === "plotting") fetch("/plotting.js").then((reply) => reply.arrayBuffer())
        .then((text) => window.tell({ kind: "plotting" }, [new DataView(text)]));
    },
  });
  window.tell = (message, buffers) => window.listeners.forEach((call) => call(message, buffers));
  view.initialize({ model: window.newModel() });
  window.show = () => {
    const el = document.createElement("div");
    el.className = "jp-OutputArea-child jp-OutputArea-output";
    document.body.append(el);
    return view.render({ model: window.newModel(), el });
  };
  window.hide = window.show();
}"""


class View:
    """One run view on the page; `play` tells it what the story has gained."""

    count = 0

    def __init__(self, page: Page, story: Story) -> None:
        View.count += 1
        self.page, self.story, self.teller = page, story, Teller(story.picture())
        self.teller.picture.changes()
        self.teller.picture.transcript.changes()
        self._told = len(story.facts)
        self._answered: list[Any] = []
        page.evaluate(_OPEN, [f"view-{View.count}", self.snapshot(), ""])

    def snapshot(self) -> Any:
        return self.teller.snapshot(self.story.t, live=True)

    def patch(self) -> Any:
        """The next patch, not yet told."""
        for fact in self.story.facts[self._told :]:
            self.teller.picture.fold(fact)
        self._told = len(self.story.facts)
        return self.teller.patch(self.teller.picture.changes(), self.story.t, live=True)

    def play(self) -> None:
        self.tell(self.patch())

    def turn_to(self, story: Story) -> None:
        """The run of the view goes on in that of `story`."""
        seq = self.teller.seq
        self.story, self.teller = story, Teller(story.picture())
        self.teller.seq = seq
        self.teller.picture.changes()
        self.teller.picture.transcript.changes()
        self._told = len(story.facts)
        self.tell({"kind": "snap", "snap": self.snapshot()})

    def tell(self, message: Any) -> None:
        self.page.evaluate("(message) => window.tell(message)", json.loads(json.dumps(message)))

    def frame(self) -> None:
        """Wait until pictures are asked for, and answer with their bytes."""
        known = len(self._answered)
        self.page.wait_for_function("(n) => window.sent.filter((one) => one.kind === 'frame').length > n", arg=known)
        for asked in self.sent("frame"):
            if asked in self._answered:
                continue
            self._answered.append(asked)
            frame = self.teller.picture.frames[asked["track"]].find(asked["id"])
            assert frame is not None
            about, buffers = content(frame, lambda digest: b"")
            message = {"kind": "frame", "track": asked["track"], "id": asked["id"], **about}
            self.page.evaluate(
                """([message, buffers]) => window.tell(message, buffers.map(
                    (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)))""",
                [message, [base64.b64encode(data).decode() for data in buffers]],
            )

    def sent(self, kind: str) -> list[Any]:
        """What the browser sent, of one kind."""
        return [message for message in self.page.evaluate("window.sent") if message["kind"] == kind]
