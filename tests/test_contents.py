"""What a value is made of."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from aethergraph.storage import contents


class Model:
    """A class of a cell: opaque, but it can be pickled."""

    def __init__(self) -> None:
        self.weights = [0.0]


class Client:
    """Can be neither stored nor compared."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def test_a_change_in_place_is_seen_in_plain_data_and_in_objects() -> None:
    for value, change in [
        ([1, {"a": 2}], lambda v: v[1].update(a=3)),
        (Model(), lambda v: v.weights.append(1.0)),
        ((Model(), 1), lambda v: v[0].weights.append(1.0)),
    ]:
        before = contents.content(value)
        assert before and contents.content(value) == before
        change(value)
        assert contents.content(value) != before


def test_what_cannot_be_compared_says_so() -> None:
    assert contents.content(Client()) == contents.UNKNOWN
    assert contents.content([1, Client()]) == contents.UNKNOWN


def test_stateless_clients_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_stateless", set())
    contents.register_stateless(Client.__module__.partition(".")[0])
    before = contents.content((Client(), [1]))
    assert before == contents.content((Client(), [1])) != contents.UNKNOWN
    assert before != contents.content((Client(), [2]))


def test_files_are_named_with_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a,b")
    os.utime(file, ns=(5, 7_000_000_000))
    expected = [(str(file), 3, 7_000_000_000)]
    assert contents.files_in([str(file)]) == contents.files_in({"x": file}) == expected
    assert contents.files_in(["no/such/file", "text without a path", 3]) == []
    assert contents.file_is(*expected[0])
    file.write_text("a,b,c")
    assert not contents.file_is(*expected[0])
