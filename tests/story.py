"""Writes the facts of a run as the engine would, for tests of what shows runs."""

from __future__ import annotations

from typing import Any

import msgspec

from aethergraph.record import facts as f
from aethergraph.record import schema
from aethergraph.storage import codec
from aethergraph.views.picture import Picture

PROBE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\u202e\x00\'&'


def plain(value: Any) -> bytes:
    """A payload of plain data."""
    return b"m" + msgspec.msgpack.encode(value)


class Story:
    """Facts in order; `t` is the clock, which only `wait` moves."""

    def __init__(self, name: str = "study", run_id: str = "study-7f3ka") -> None:
        self.t, self.facts, self.run_id = 1000.0, list[f.AnyFact](), run_id
        self._nodes, self._effects = dict[str, int](), 0
        self._starts: dict[int, f.NodeStarted] = {}
        self.put(f.RunStarted(run_id, name, self.t, plain({}), b"s" * 32))
        self.open(1)

    def successor(self, generation: int = 2) -> Story:
        """The story of the run that goes on from this one, at its beginning; this one ends."""
        after = Story("study", f"{self.run_id.partition('.')[0]}.{generation}")
        after.t = self.t
        started = f.RunStarted(
            after.run_id, "study", self.t, plain({}), b"t" * 32, continues=self.run_id, generation=generation
        )
        after.facts[0] = started
        self.put(f.RunContinued(after.run_id, self.t))
        return after

    def put(self, *facts: f.AnyFact) -> None:
        self.facts += facts

    def wait(self, seconds: float) -> None:
        self.t += seconds

    def open(self, epoch: int) -> None:
        self.put(f.RunOpened(epoch, self.t))

    def node(
        self, callee: str, *deps: int, scope: int = 0, kind: str = f.TOOL, after: tuple[int, ...] = (), **kwargs: Any
    ) -> int:
        count = self._nodes[callee] = self._nodes.get(callee, 0) + 1
        no, name = len(self._starts) + 1, callee if count == 1 else f"{callee}-{count}"
        args = codec.preview_args((), kwargs)
        fact = f.NodeStarted(
            no, b"n%d" % no, scope, "", 0, callee, name, kind, b"", self.t, args, list(deps), list(after)
        )
        self._starts[no] = fact
        self.put(fact)
        return no

    def again(self, no: int, *, execution: int = 2, why: str = "the code changed") -> None:
        self.put(msgspec.structs.replace(self._starts[no], t=self.t, execution=execution, why=why))

    def mark(self, no: int, alias: str = "", labels: tuple[str, ...] = (), name: str = "") -> None:
        self.put(f.CallMarked(b"n%d" % no, alias, labels, name))

    def done(self, no: int, **outputs: Any) -> int:
        self.put(f.NodeDone(no, True, plain(outputs), self.t))
        return no

    def tool(self, callee: str, *deps: int, scope: int = 0, **outputs: Any) -> int:
        return self.done(self.node(callee, *deps, scope=scope), **outputs)

    def fail(self, no: int, message: str = "no such key", *notes: str) -> None:
        text = "\n".join(["Traceback", f"KeyError: {message}", *notes])
        error = f.Error("builtins", "KeyError", message, traceback=text, notes=list(notes))
        self.put(f.NodeDone(no, False, b"", self.t, error))

    def attempt_failed(self, no: int, attempt: int, message: str = "busy", most: int = 0) -> None:
        error = f.Error("builtins", "OSError", message)
        self.put(f.AttemptFailed(no, attempt, error, 0.5, self.t, most))

    def note(self, no: int, kind: str, **data: Any) -> None:
        self.put(f.Noted(no, kind, msgspec.msgpack.encode(data), self.t))

    def printed(self, no: int, text: str) -> None:
        self.note(no, "out", s=text, err=False)

    def point(self, no: int, track: str, step: float, value: float) -> None:
        self.note(no, "point", track=track, step=step, value=value)

    def frame(self, no: int, track: str, step: float, kind: str, data: bytes, blob: str = "", **about: Any) -> None:
        note = {"track": track, "step": step, "kind": kind, "data": data, "blob": blob, "about": about}
        self.put(f.Noted(no, "frame", msgspec.msgpack.encode(note), self.t))

    def effect(self, name: str, args: Any, value: Any = None, *, scope: int = 0, execution: int = 1) -> None:
        self._effects += 1
        key = b"e%d" % self._effects
        self.put(f.Effect(key, scope, "", 0, name, plain(args), plain(value), self.t, execution=execution))

    def say(self, text: str, *, scope: int = 0, execution: int = 1) -> None:
        self.effect("send_text", {"channel": "", "text": text}, scope=scope, execution=execution)

    def send(self, kind: str, *, scope: int = 0, execution: int = 1, **data: Any) -> None:
        """A message of a kind that is more than a text, as `Sending` records it."""
        self.effect(f"send_{kind}", {"channel": ""}, data, scope=scope, execution=execution)

    def save(self, no: int, name: str, digest: str = "ab" * 32, mime: str = "image/png", **more: Any) -> None:
        record = {
            "name": name,
            "kind": "figure",
            "mime": mime,
            "sha256": digest,
            "size": 4100,
            "uri": f"aether://{digest}",
            **more,
        }
        self.effect("artifacts.save", {"name": name}, record, scope=no)

    def ask(self, prompt: str, kind: str = "text", *, scope: int = 0, **question: Any) -> int:
        no = self.node("ask", scope=scope, kind=f.WAIT)
        data = schema.encode(schema.Question(kind, prompt, **question))
        self.put(f.WaitOpened(no, f"token-{no}", data, self.t))
        return no

    def answer(self, no: int, value: Any) -> None:
        self.put(f.NodeDone(no, True, plain(value), self.t))

    def end(self, **outputs: Any) -> None:
        self.put(f.RunDone(plain(outputs), self.t))

    def picture(self) -> Picture:
        picture = Picture()
        for fact in self.facts:
            picture.fold(fact)
        return picture
