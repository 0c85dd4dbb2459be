"""Random histories through `flow`: what holds after any of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aethergraph.ids import Key
from aethergraph.record import facts as f
from aethergraph.record.flow import Flow, Todo
from aethergraph.record.identity import is_prefix
from aethergraph.record.status import NodeStatus, RunStatus

from .history import state

ERROR = f.Error("builtins", "ValueError", "no", b"m\x90")
STEPS = st.lists(st.tuples(st.sampled_from("SSSDDDDFRTEQCWXOPZVM"), st.integers(0, 10_000)), max_size=60)
PATHS = ("", "/a:0", "/a:0/b:0", "/a:1")


class Writer:
    """Writes a history that an engine could have written, from arbitrary steps."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.facts: list[f.AnyFact] = []
        self.keys = 0
        self.write(f.RunStarted("r", "agent", 0.0, b"", b"secret"))
        self.write(f.RunOpened(1, 0.0))

    def write(self, fact: f.AnyFact) -> None:
        self.facts.append(fact)
        self.flow.fold(fact)

    def step(self, kind: str, pick: int) -> None:
        """Write the facts of one step, if it can happen now."""
        if self.flow.status is RunStatus.RUNNING or kind == "O":
            getattr(self, f"_{kind}")(pick)

    def _key(self) -> bytes:
        self.keys += 1
        return self.keys.to_bytes(16, "big")

    def _call(self, pick: int, kind: str) -> dict[str, Any]:
        graphs = [0, *[n.no for n in self.flow.nodes if n.kind == f.GRAPH and n.status is NodeStatus.RUNNING]]
        callee = ("load", "fit")[pick % 2]
        return dict(
            no=len(self.flow.nodes) + 1, key=self._key(), scope=graphs[pick % len(graphs)], path=PATHS[pick % 4],
            at=self.flow.deliveries - 1, callee=callee, node_id=self.flow.name(callee), validity=b"v", t=0.0,
            **({} if kind == "" else {"kind": kind}),
        )  # fmt: skip

    def _one(self, pick: int, *states: NodeStatus, kind: str = "") -> Any:
        found = [n for n in self.flow.nodes if n.status in states and kind in ("", n.kind)]
        return found[pick % len(found)] if found else None

    def _S(self, pick: int) -> None:  # a tool or nested agent starts, or one that has to starts again
        node = self._one(pick, NodeStatus.READY)
        if node is None or pick % 3 == 0:
            self.write(f.NodeStarted(**self._call(pick, (f.TOOL, f.TOOL, f.GRAPH)[pick % 3])))
        else:
            self.write(
                f.NodeStarted(
                    node.no,
                    node.key,
                    node.scope,
                    node.path,
                    self.flow.deliveries - 1,
                    node.callee,
                    node.node_id,
                    node.kind,
                    b"v",
                    0.0,
                    execution=node.execution + 1,
                )  # fmt: skip
            )

    def _D(self, pick: int) -> None:  # one is done
        if node := self._one(pick, NodeStatus.RUNNING):
            self.write(f.NodeDone(node.no, True, b"m", 0.0))

    def _F(self, pick: int) -> None:  # one fails
        if node := self._one(pick, NodeStatus.RUNNING):
            self.write(f.NodeDone(node.no, False, b"", 0.0, ERROR))

    def _R(self, pick: int) -> None:  # a pure tool has run
        self.write(f.NodeRan(**self._call(pick, ""), took=0.0, ok=bool(pick % 5), value=b"m"))

    def _T(self, pick: int) -> None:
        self.write(f.TimerFired(self._key(), 0, PATHS[pick % 4], self.flow.deliveries - 1))

    def _E(self, pick: int) -> None:
        self.write(f.Effect(self._key(), 0, PATHS[pick % 4], self.flow.deliveries - 1, "now", b"", b"", 0.0))

    def _Q(self, pick: int) -> None:  # an effect with intent, whose outcome comes through the mailbox
        key = self._key()
        self.write(f.EffectIntended(key, 0, "", self.flow.deliveries - 1, "send", b"", 0.0))
        if pick % 3:
            self.write(f.Effect(key, 0, "", self.flow.deliveries - 1, "send", b"", b"", 0.0, queued=True))

    def _C(self, pick: int) -> None:  # the body cancels a call, finished but undelivered or not
        if node := self._one(pick, NodeStatus.RUNNING, NodeStatus.DONE, NodeStatus.FAILED):
            self.write(f.CallCancelled(node.no, node.key))

    def _W(self, pick: int) -> None:  # a question opens
        call = self._call(pick, f.WAIT)
        self.write(f.NodeStarted(**call))
        self.write(f.WaitOpened(call["no"], f"token-{call['no']}", b"", 0.0))

    def _X(self, pick: int) -> None:  # a question is answered, or withdrawn
        if node := self._one(pick, NodeStatus.WAITING, kind=f.WAIT):
            self.write(f.NodeDone(node.no, True, b"m", 0.0) if pick % 3 else f.WaitWithdrawn(node.no, 0.0))

    def _O(self, pick: int) -> None:  # the process dies, and another takes over
        self.write(f.RunOpened(self.flow.opened.epoch + 1 if self.flow.opened else 1, 0.0))

    def _P(self, pick: int) -> None:
        self.write(f.RunPaused("its process ended", 0.0))

    def _Z(self, pick: int) -> None:  # the run fails with some of its failures
        failed = [n.no for n in self.flow.nodes if n.status is NodeStatus.FAILED]
        self.write(f.RunFailed(ERROR, failed[: pick % 3], 0.0))

    def _V(self, pick: int) -> None:
        self.write(f.Noted(0, "log", b"", 0.0))

    def _M(self, pick: int) -> None:  # a call says something of itself: one on record, or the next
        keys = [*(node.key for node in self.flow.nodes), (self.keys + 1).to_bytes(16, "big")]
        labels = ("slow", "big")[: pick % 3]
        self.write(f.CallMarked(keys[pick % len(keys)], ("", "best")[pick % 2], labels))


def _history(steps: list[tuple[str, int]]) -> list[f.AnyFact]:
    writer = Writer()
    for kind, pick in steps:
        writer.step(kind, pick)
    return writer.facts


def _request(flow: Flow, key: Key, validity: bytes) -> Todo:
    return flow.request(key, lambda: validity).todo


@given(STEPS, st.integers(0, 100))
def test_a_state_taken_anywhere_goes_on_to_the_same_end(steps: list[tuple[str, int]], at: int) -> None:
    history = _history(steps)
    flow = Flow.of(f.decode(f.encode(history[:at])))
    for fact in history[at:]:
        flow.fold(fact)
    assert state(flow) == state(Flow.of(history))


@given(STEPS)
def test_after_a_take_over_nothing_runs(steps: list[tuple[str, int]]) -> None:
    flow = Flow.of([*_history(steps), f.RunOpened(99, 0.0)])
    assert flow.status is RunStatus.RUNNING and flow.failure is None
    assert not [node for node in flow.nodes if node.status is NodeStatus.RUNNING]


@given(STEPS)
def test_each_delivery_has_its_own_place_in_the_order(steps: list[tuple[str, int]]) -> None:
    history = [*_history(steps), f.RunOpened(99, 0.0)]
    flow = Flow.of(history)
    positions = [entry.position for entry in flow.order]
    assert positions == sorted(set(positions))
    assert {entry.key: entry.position for entry in flow.order} == flow.positions
    for node in flow.nodes:
        if node.outcome is not None:
            assert flow.positions[node.key] == node.outcome.position


@given(STEPS)
def test_what_is_finished_is_reused_and_nothing_else(steps: list[tuple[str, int]]) -> None:
    flow = Flow.of([*_history(steps), f.RunOpened(99, 0.0)])
    for node in flow.nodes:
        expected = Todo.PENDING if node.cancelled else Todo.START if node.outcome is None else Todo.REUSE
        assert _request(flow, node.key, node.validity) is expected
        assert _request(flow, node.key, b"other code") is not Todo.REUSE
    assert _request(flow, Key(b"unknown"), b"v") is Todo.START


@given(STEPS)
def test_names_are_never_given_twice(steps: list[tuple[str, int]]) -> None:
    flow = Flow.of(_history(steps))
    names = [node.node_id for node in flow.nodes] + [flow.name("load"), flow.name("fit")]
    assert len(names) == len(set(names))


@given(STEPS)
def test_a_failed_run_forgets_what_led_to_its_failure_and_keeps_the_siblings(steps: list[tuple[str, int]]) -> None:
    history = [fact for fact in _history(steps) if not isinstance(fact, f.RunFailed)]
    before = Flow.of(history)
    fatal = [node for node in before.nodes if node.status is NodeStatus.FAILED][:1]
    after = Flow.of([*history, f.RunFailed(ERROR, [node.no for node in fatal], 0.0), f.RunOpened(99, 0.0)])
    for node in fatal:
        assert after.by_key[node.key].outcome is None
    for old in before.nodes:
        if old.outcome is not None and not _may_go(before, old, fatal):
            assert state(after.by_key[old.key].outcome) == state(old.outcome)


def _may_go(flow: Flow, node: Any, fatal: list[Any]) -> bool:
    """Whether `node` is a fatal failure, or was called after one, by its lineage or one around it (semantics 17)."""
    for failed in fatal:
        scope, path, position = failed.scope, failed.path, failed.outcome.position
        while True:
            if node is failed or (node.scope == scope and node.at >= position and is_prefix(node.path, path)):
                return True
            if not scope:
                break
            around = flow.nodes[scope - 1]
            if node is around:
                return True
            scope, path = around.scope, around.path
    return False


@given(STEPS)
def test_2_marks_change_nothing_but_what_is_told_of_their_calls(steps: list[tuple[str, int]]) -> None:
    history = _history(steps)
    flow, bare = Flow.of(history), Flow.of(fact for fact in history if not isinstance(fact, f.CallMarked))
    said = {Key(fact.key): fact for fact in history if isinstance(fact, f.CallMarked)}  # the last of each
    for node in flow.nodes:
        last = said.get(node.key, f.CallMarked(b""))
        assert (node.alias, node.labels, node.name) == (last.alias, last.labels, "")
        node.marks = None
    flow.marks = {}
    assert state(flow) == state(bare)
