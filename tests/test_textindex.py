"""The index of words: a copy of what a source holds, which a kill or damage can only cost time."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aethergraph.storage import textindex
from aethergraph.storage.textindex import Text, TextIndex, words


class Shelf:
    """Texts in a list; `read` counts how often one was read."""

    def __init__(self, *bodies: str, identity: str = "one") -> None:
        self.identity, self.read = identity, 0
        self.texts = [Text(number, "home", ("kind a",), body) for number, body in enumerate(bodies, 1)]

    def after(self, number: int) -> Iterator[Text]:
        for text in self.texts:
            if text.number > number:
                self.read += 1
                yield text


@pytest.fixture(params=[None, False])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> TextIndex:
    """With FTS5, and without."""
    return TextIndex(tmp_path / "index" / "words.db", fts=request.param)


SHELF = ("The quick brown fox", "A Quick test of loss", "loss of learning-rate 0.1", "über Größe", "検索する言葉")


@pytest.mark.parametrize(
    ("query", "found"),
    [("quick", [2, 1]), ("quick loss", [2]), ("LOSS", [3, 2]), ("learning-rate", [3]), ("rate learning 0 1", [3]),
     ("ÜBER größe", [4]), ("uber große", [4]), ("検索", [5]), ("fo", []), ("quick missing", [])],
)  # fmt: skip
def test_texts_that_hold_all_words_are_found_the_newest_first(index: TextIndex, query: str, found: list[int]) -> None:
    assert index.search(Shelf(*SHELF), "home", words(query), [], 10) == found


def test_any_of_the_words_where_that_is_asked_for(index: TextIndex) -> None:
    assert index.search(Shelf(*SHELF), "home", words("fox rate"), [], 10, any_word=True) == [3, 1]


def test_homes_and_labels_and_the_limit_hold(index: TextIndex) -> None:
    shelf = Shelf()
    shelf.texts = [
        Text(1, "a", ("kind x", "tag 1"), "same"), Text(2, "b", ("kind x",), "same"), Text(3, "a", ("kind y",), "same"),
        Text(4, "a", ("kind x",), "same x"), Text(5, "a", ("kind z", "tag 1"), "same"),
    ]  # fmt: skip
    assert index.search(shelf, "a", ["same"], [], 9) == [5, 4, 3, 1]
    assert index.search(shelf, "a", ["same"], [], 2) == [5, 4]
    assert index.search(shelf, "a", ["same"], [["kind x", "kind y"]], 9) == [4, 3, 1]
    assert index.search(shelf, "a", ["same"], [["kind x", "kind z"], ["tag 1"]], 9) == [5, 1]
    assert index.search(shelf, "c", ["same"], [], 9) == []
    assert index.search(shelf, "a", ["x"], [], 9) == [4], "a label is no word of the text"


@pytest.mark.parametrize("hostile", ['"', "a AND", "NEAR(x)", "labels:x", "*", "x^2", "home' OR 1=1 --"])
def test_no_word_is_taken_for_syntax(index: TextIndex, hostile: str) -> None:
    if words(hostile):
        assert index.search(Shelf(*SHELF), "home", words(hostile), [], 9) == []


def test_what_was_added_since_is_taken_up_and_nothing_twice(index: TextIndex) -> None:
    shelf = Shelf(*SHELF)
    index.search(shelf, "home", ["fox"], [], 9)
    assert shelf.read == 5
    shelf.texts.append(Text(9, "home", (), "another fox"))
    assert index.search(shelf, "home", ["fox"], [], 9) == [9, 1]
    assert shelf.read == 6


def test_a_kill_while_it_takes_up_costs_at_most_a_page(index: TextIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textindex, "PAGE", 2)

    class Killed(BaseException):
        pass

    class Mortal(Shelf):
        def after(self, number: int) -> Iterator[Text]:
            for text in super().after(number):
                if text.number == 4:
                    raise Killed
                yield text

    with pytest.raises(Killed):
        index.search(Mortal(*SHELF), "home", ["fox"], [], 9)
    shelf = Shelf(*SHELF)
    assert index.search(shelf, "home", ["loss"], [], 9) == [3, 2]
    assert shelf.read == 3, "the first page was on disk, the second not at all"


@pytest.mark.parametrize("damage", ["gone", "garbage", "truncated", "empty", "of another store", "of another format"])
def test_a_file_that_is_of_no_use_is_made_anew(
    index: TextIndex, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(*SHELF * 400)
    before = index.search(shelf, "home", ["fox"], [], 500)
    file = index._file
    if damage == "gone":
        file.unlink()
    elif damage == "garbage":
        data = bytearray(file.read_bytes())
        data[100:] = b"\xa5" * (len(data) - 100)
        file.write_bytes(data)
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "of another store":
        shelf.identity = "two"
    else:
        monkeypatch.setattr(textindex, "FORMAT", 99)
    assert index.search(shelf, "home", ["fox"], [], 500) == before
    assert len(before) == 400 and shelf.read >= 4000
    if damage in ("garbage", "truncated"):
        assert "is damaged" in caplog.text and "made anew from the store" in caplog.text


def test_two_handles_take_up_nothing_twice(index: TextIndex) -> None:
    shelf, other = Shelf(*SHELF), TextIndex(index._file, fts=index._fts)
    assert index.search(shelf, "home", ["fox"], [], 9) == other.search(shelf, "home", ["fox"], [], 9) == [1]
    assert shelf.read == 5


def test_where_fts5_is_missing_that_is_said_once_and_texts_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(textindex, "_told", set())
    monkeypatch.setattr(textindex, "has_fts5", lambda connection: False)
    index = TextIndex(tmp_path / "words.db")
    with caplog.at_level(logging.WARNING, "aethergraph.search"):
        assert index.search(Shelf(*SHELF), "home", ["quick"], [], 9) == [2, 1]
        index.search(Shelf(*SHELF), "home", ["quick"], [], 9)
    assert caplog.text.count("has no FTS5") == 1
    with closing(sqlite3.connect(tmp_path / "words.db")) as connection:
        assert textindex.has_fts5(connection) is False


def test_a_sqlite_without_the_module_is_known_by_its_error(tmp_path: Path) -> None:
    class Without:
        def execute(self, statement: str) -> None:
            raise sqlite3.OperationalError("no such module: fts5")

    assert textindex.has_fts5(Without()) is False  # type: ignore[arg-type]
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert textindex.has_fts5(connection) is True


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.db").mkdir()
    with pytest.raises(OSError, match=r"the index .*words\.db cannot be used"):
        TextIndex(tmp_path / "words.db").search(Shelf("x"), "home", ["x"], [], 9)
