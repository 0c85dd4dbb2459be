"""One delivery at a time, in the recorded order, only while the run is quiet."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator

import pytest

from aethergraph.engine import HERE
from aethergraph.ids import Key
from aethergraph.record.flow import Delivery, Flow
from aethergraph.scheduler import mailbox
from aethergraph.scheduler.loop import OwnLoop, Pulse
from aethergraph.scheduler.mailbox import Mailbox


class _Place:
    """Where callbacks of the run are scheduled."""

    in_body = True

    def __init__(self) -> None:
        self.pulse = Pulse()


class Post:
    """A mailbox on a loop of its own; `got` is what happened, in order."""

    def __init__(self, *recorded: str) -> None:
        self.loop = OwnLoop()
        self.got: list[str] = []
        self.place = _Place()
        flow = Flow(
            order=[Delivery(Key(key.encode()), number, 0) for number, key in enumerate(recorded)],
            positions={Key(key.encode()): number for number, key in enumerate(recorded)},
            deliveries=len(recorded),
        )
        self.box = Mailbox(self.loop, self.place.pulse, flow, lambda: None, lambda: self.got.append("quiet"))

    def deliver(self, name: str) -> Callable[[int], None]:
        return lambda position: self.got.append(f"{name}@{position}")

    def claim(self, name: str) -> None:
        self.box.claim(Key(name.encode()), self.deliver(name))

    def busy(self, callbacks: int) -> None:
        """The body runs for so many callbacks."""
        context = contextvars.copy_context()
        context.run(HERE.set, self.place)  # type: ignore[arg-type]

        def step(left: int) -> None:
            self.got.append("step")
            if left:
                self.loop.call_soon(step, left - 1, context=context)

        self.loop.call_soon(step, callbacks - 1, context=context)

    def settle(self) -> list[str]:
        """Run the loop until nothing is scheduled."""
        while self.loop._ready:
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        got, self.got = self.got, []
        return got


@pytest.fixture
def post() -> Iterator[Callable[..., Post]]:
    made: list[Post] = []

    def make(*recorded: str) -> Post:
        made.append(Post(*recorded))
        return made[-1]

    yield make
    for one in made:
        one.loop.close()


def test_recorded_deliveries_come_in_their_order_whoever_claims_first(post: Callable[..., Post]) -> None:
    one = post("a", "b", "c")
    for name in "cab":
        one.claim(name)
    assert one.box.replaying
    assert one.settle() == ["a@0", "b@1", "c@2", "quiet"]
    assert not one.box.replaying


def test_live_mail_waits_for_what_is_recorded(post: Callable[..., Post]) -> None:
    one = post("a")
    one.box.push(7, one.deliver("live"))
    one.claim("a")
    assert one.settle() == ["a@0", "live@7", "quiet"]


def test_the_next_delivery_comes_when_no_callback_of_the_run_is_ready(post: Callable[..., Post]) -> None:
    one = post()
    one.busy(5)
    one.box.kick()
    one.box.push(1, one.deliver("live"))
    assert one.settle() == ["step"] * 5 + ["live@1", "quiet"]


def test_each_delivery_waits_for_what_the_one_before_it_set_off(post: Callable[..., Post]) -> None:
    one = post("a", "b")

    def first(position: int) -> None:
        one.got.append(f"a@{position}")
        one.busy(3)

    one.box.claim(Key(b"a"), first)
    one.claim("b")
    assert one.settle() == ["a@0", "step", "step", "step", "b@1", "quiet"]


@pytest.mark.parametrize("seconds", [60.0, -1.0])
def test_others_have_their_turn_between_many_deliveries_that_set_off_nothing(
    post: Callable[..., Post], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """After so many of them, or after the first that took long."""
    monkeypatch.setattr(mailbox, "TURN_S", seconds)
    one = post()
    for number in range(3 * mailbox.AT_ONCE):
        one.box.push(number, one.deliver("live"))
    one.loop.call_soon(one.got.append, "other")
    got = one.settle()
    assert got.index("other") == (mailbox.AT_ONCE if seconds > 0 else 1)
    assert got[-2:] == [f"live@{3 * mailbox.AT_ONCE - 1}", "quiet"]


def test_a_delivery_that_fails_does_not_hold_up_the_next(post: Callable[..., Post]) -> None:
    one = post()

    def fail(_: int) -> None:
        raise SystemExit("bye")

    one.box.push(0, fail)
    one.box.push(1, one.deliver("live"))
    with pytest.raises(SystemExit, match="bye"):
        one.settle()
    assert one.settle() == ["live@1", "quiet"]


def test_a_run_that_is_never_quiet_gets_its_mail_anyway(
    post: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "SPIN", 50)
    one = post()
    one.busy(200)
    one.box.kick()
    one.box.push(1, one.deliver("live"))
    got = one.settle()
    assert 50 <= got.index("live@1") < 60
    assert got.count("step") == 200


def test_a_record_that_nobody_claims_is_skipped_and_stays_claimable(post: Callable[..., Post]) -> None:
    one = post("gone", "b")
    one.claim("b")
    assert one.settle() == ["b@1", "quiet"]
    one.claim("gone")
    assert one.settle() == ["gone@0", "quiet"]


def test_a_claim_can_be_withdrawn(post: Callable[..., Post]) -> None:
    one = post("a", "b")
    one.claim("a")
    one.box.unclaim(Key(b"a"))
    one.claim("b")
    assert one.settle() == ["b@1", "quiet"]


def test_what_is_made_again_is_waited_for_at_its_place(post: Callable[..., Post]) -> None:
    one = post("a", "b")
    one.box.hold(Key(b"a"))
    one.claim("b")
    one.box.push(9, one.deliver("live"))
    assert one.settle() == ["quiet"]
    one.claim("a")
    one.box.release(Key(b"a"))
    assert one.settle() == ["a@0", "b@1", "live@9", "quiet"]


def test_what_will_not_be_made_again_holds_up_nothing(post: Callable[..., Post]) -> None:
    one = post("a", "b")
    one.box.hold(Key(b"a"))
    one.claim("b")
    one.box.release(Key(b"a"))
    assert one.settle() == ["b@1", "quiet"]


def test_what_was_read_in_place_is_not_delivered_again(post: Callable[..., Post]) -> None:
    one = post("a", "b")
    one.claim("a")
    one.claim("b")
    one.box.take(Key(b"a"))
    assert one.settle() == ["b@1", "quiet"]


def test_a_closed_mailbox_delivers_nothing(post: Callable[..., Post]) -> None:
    one = post("a")
    one.claim("a")
    one.box.closed = True
    assert one.settle() == []
