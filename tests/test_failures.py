"""Exceptions as facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aethergraph.errors import AetherGraphError, WaitTimeout
from aethergraph.record import facts as f
from aethergraph.record.failures import MAX_TRACEBACK, describe, mark, nodes, reachable, rebuild, user_traceback
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.codec import Codec
from aethergraph.storage.keyring import Keyring


class Refused(Exception):
    """One that keeps other arguments than it takes."""

    def __init__(self, code: int, *, host: str) -> None:
        self.code, self.host = code, host
        super().__init__(f"{host} said {code}")


class Late(Exception):
    """One with an attribute that its arguments do not give."""

    def __init__(self, message: str, after_s: float = 0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Slotted(Exception):
    __slots__ = ("code",)


@pytest.fixture
def codec(tmp_path: Path) -> Codec:
    return Codec(DiskBlobs(tmp_path / "blobs"), Keyring(tmp_path / "key"))


def again(codec: Codec, error: BaseException) -> BaseException | None:
    fact = describe(error, codec.dump)
    (kept,) = f.decode(f.encode([f.RunFailed(fact, [], 0.0)]))
    assert isinstance(kept, f.RunFailed)
    return rebuild(kept.error, codec.load)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("k"),
        OSError(2, "not there", "a.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        json.JSONDecodeError("bad", "{", 1),
        Refused(503, host="example"),
        Late("late", after_s=2.5),
        WaitTimeout("name?", 3.0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_is_built_again_as_it_was(codec: Codec, error: Exception) -> None:
    error.add_note("a note")
    built = again(codec, error)
    assert type(built) is type(error)
    assert built is not None
    assert (str(built), built.args, vars(built)) == (str(error), error.args, vars(error))


def test_a_failure_that_holds_what_cannot_be_stored_is_not_built_again(codec: Codec) -> None:
    error = Late("late")
    error.response = (line for line in ())  # type: ignore[attr-defined]
    assert again(codec, error) is None
    assert again(codec, ValueError(error.response)) is None  # type: ignore[attr-defined]


def test_a_class_that_is_gone_is_not_replaced_by_another(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = describe(Refused(503, host="example"), codec.dump)
    monkeypatch.delitem(globals(), "Refused")
    assert rebuild(fact, codec.load) is None


def test_a_class_of_the_cells_is_found_in_their_namespace(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Refused
    fact = describe(kind(503, host="example"), codec.dump)
    monkeypatch.delitem(globals(), "Refused")
    assert isinstance(rebuild(fact, codec.load, {"Refused": kind}), kind)


def test_what_is_no_exception_any_more_is_not_raised(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = describe(Late("late"), codec.dump)
    monkeypatch.setitem(globals(), "Late", lambda message: message)
    assert rebuild(fact, codec.load) is None


def test_a_failure_names_its_node_once_however_far_it_travels() -> None:
    error = ValueError("no")
    mark(error, 3, "in node a of run r")
    mark(error, 3, "in node a of run r")
    mark(error, 7, "in node outer of run r")
    assert nodes(error) == (3, 7)
    assert error.__notes__ == ["in node a of run r"]


def test_one_that_cannot_be_marked_is_let_through() -> None:
    class Frozen(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(name)

    error = Frozen("no")
    mark(error, 3, "in node a of run r")
    assert nodes(error) == ()


def test_every_recorded_failure_behind_an_exception_is_found() -> None:
    cause, context, member = ValueError("1"), ValueError("2"), ValueError("3")
    for number, one in enumerate((cause, context, member), 1):
        mark(one, number, "")
    try:
        try:
            raise context
        except ValueError:
            raise ExceptionGroup("all", [member]) from cause
    except ExceptionGroup as group:
        assert sorted(reachable(group)) == [1, 2, 3]
        group.__cause__.__cause__ = group  # type: ignore[union-attr]
        assert sorted(reachable(group)) == [1, 2, 3]


def test_a_built_failure_still_leads_to_its_node(codec: Codec) -> None:
    error = ValueError("no")
    mark(error, 5, "in node a of run r")
    built = again(codec, error)
    assert built is not None
    assert reachable(built) == [5]
    assert built.__notes__ == ["in node a of run r"]


def test_a_traceback_shows_the_users_frames_only(codec: Codec) -> None:
    try:
        codec.load(b"nonsense")
    except AetherGraphError as error:
        text = user_traceback(error)
    assert "test_failures.py" in text
    assert "codec.py" not in text


def test_a_traceback_is_cut_at_its_head() -> None:
    text = user_traceback(ValueError("x" * 3 * MAX_TRACEBACK + "the end"))
    assert text.startswith("...\n")
    assert text.endswith("the end\n")
    assert len(text) <= MAX_TRACEBACK + 4
