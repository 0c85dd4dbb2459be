"""Finding numbered texts by their words: an SQLite file beside the store, which can always be made anew from it.

What the file holds is a copy: it says up to which number it has come, and takes up what was added since before each
search, in pages that are whole or not there, so a kill costs at most a page. A file that is gone, damaged or of another
store is begun again. Words are found by FTS5; where Python's SQLite has none, by looking through the texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

BUSY_S = 60.0
PAGE = 2_000  # texts taken up in one transaction
FORMAT = 1
_WORD = re.compile(r"\w+")
_DENSE = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]"
)  # written without spaces: a word begins so

Groups = list[tuple[str, ...]]

_log = logging.getLogger("aethergraph.search")
_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class Text:
    """One text. `home`: whose it is; `labels`: what it can be looked for by, apart from its words."""

    number: int
    home: str
    labels: tuple[str, ...]
    body: str


class Source(Protocol):
    """What an index is made from. Numbers only grow; a text never changes."""

    @property
    def identity(self) -> str:
        """What tells this source from others; "" where nothing was ever added."""

    def after(self, number: int) -> Iterator[Text]:
        """The texts that were added after this one, in order."""


def words(text: str) -> list[str]:
    """The words of a text, as they are looked for."""
    return _WORD.findall(_folded(text.lower()))


def _folded(text: str) -> str:
    """Latin letters without their accents, as FTS5 takes them."""
    if text.isascii():
        return text
    apart = ((char, unicodedata.normalize("NFD", char)[0]) for char in unicodedata.normalize("NFC", text))
    return "".join(first if first.isascii() else char for char, first in apart)


class TextIndex:
    """The index in `file`. `fts`: whether to use FTS5; None where that is there. `network`: whether others share it."""

    def __init__(self, file: Path, *, fts: bool | None = None, network: bool = False) -> None:
        self._file, self._fts = file, fts
        self._mode = "DELETE" if network else "WAL"  # WAL needs memory that all processes share

    def search(
        self, source: Source, home: str, wanted: Sequence[str], labels: Iterable[Sequence[str]], limit: int,
        *, any_word: bool = False,
    ) -> list[int]:  # fmt: skip
        """The numbers of the newest texts of `home` that hold all `wanted` words (or any), newest first.

        labels: groups; a text has at least one of each.

        Raises:
            OSError: the file can be neither read nor written.
        """
        groups = [tuple(group) for group in labels]
        try:
            return self._search(source, home, wanted, groups, limit, any_word)
        except sqlite3.OperationalError as error:
            raise OSError(f"the index {self._file} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            _log.warning("the index %s is damaged (%s): it is made anew from the store", self._file, error)
            for left in (self._file, *(self._file.with_name(self._file.name + end) for end in ("-wal", "-shm"))):
                left.unlink(missing_ok=True)
            return self._search(source, home, wanted, groups, limit, any_word)

    def _search(
        self,
        source: Source,
        home: str,
        wanted: Sequence[str],
        groups: Groups,
        limit: int,
        any_word: bool,
    ) -> list[int]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._file, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode={self._mode}")
            connection.execute("PRAGMA synchronous=NORMAL")
            table = self._table(connection, source)
            self._take_up(connection, table, source)
            return table.find(home, wanted, groups, limit, any_word)

    def _table(self, connection: sqlite3.Connection, source: Source) -> _Words | _Plain:
        """The tables, made or begun again where they are of something else."""
        fts = has_fts5(connection) if self._fts is None else self._fts
        if not fts and "fts" not in _told:
            _told.add("fts")
            _log.warning("this Python's SQLite has no FTS5: searches look through all texts, which is slow for many")
        table: _Words | _Plain = _Words(connection) if fts else _Plain(connection)
        about = f"{FORMAT} {table.name} {source.identity}"
        with _transaction(connection):
            connection.execute("CREATE TABLE IF NOT EXISTS about (what TEXT, upto INTEGER)")
            row = connection.execute("SELECT what FROM about").fetchone()
            if row != (about,):
                for old in ("words", "plain"):
                    connection.execute(f"DROP TABLE IF EXISTS {old}")
                table.create()
                connection.execute("DELETE FROM about")
                connection.execute("INSERT INTO about VALUES (?, 0)", (about,))
        return table

    def _take_up(self, connection: sqlite3.Connection, table: _Words | _Plain, source: Source) -> None:
        while True:
            with _transaction(connection):  # nobody else takes up the same
                (upto,) = connection.execute("SELECT upto FROM about").fetchone()
                page = list(islice(source.after(upto), PAGE))
                if page:
                    table.add(page)
                    connection.execute("UPDATE about SET upto = ?", (page[-1].number,))
            if len(page) < PAGE:
                return


class _Words:
    """Texts by FTS5. Only the words are kept."""

    name = "words"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def create(self) -> None:
        self._connection.execute(
            "CREATE VIRTUAL TABLE words USING fts5"
            "(labels, body, content='', tokenize='unicode61 remove_diacritics 2')"
        )  # fmt: skip

    def add(self, page: list[Text]) -> None:
        self._connection.executemany(
            "INSERT INTO words(rowid, labels, body) VALUES (?, ?, ?)",
            [(one.number, " ".join(map(_token, (one.home, *one.labels))), one.body) for one in page],
        )

    def find(self, home: str, wanted: Sequence[str], groups: Groups, limit: int, any_word: bool) -> list[int]:
        parts = [f"labels : {_token(home)}"]
        parts += [f"labels : ({' OR '.join(map(_token, group))})" for group in groups]
        if wanted:
            parts.append(f"body : ({(' OR ' if any_word else ' AND ').join(map(_quoted, wanted))})")
        rows = self._connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?", (" AND ".join(parts), limit)
        )
        return [number for (number,) in rows]


class _Plain:
    """Texts as they are, looked through."""

    name = "plain"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def create(self) -> None:
        self._connection.execute("CREATE TABLE plain (number INTEGER PRIMARY KEY, labels TEXT, body TEXT)")

    def add(self, page: list[Text]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO plain VALUES (?, ?, ?)",
            [
                (one.number, f" {' '.join(map(_token, (one.home, *one.labels)))} ", f" {' '.join(words(one.body))} ")
                for one in page
            ],
        )

    def find(self, home: str, wanted: Sequence[str], groups: Groups, limit: int, any_word: bool) -> list[int]:
        conditions, given = ["instr(labels, ?)"], [_padded(_token(home))]
        for group in groups:
            conditions.append(f"({' OR '.join(['instr(labels, ?)'] * len(group))})")
            given += [_padded(_token(label)) for label in group]
        if wanted:
            conditions.append(f"({(' OR ' if any_word else ' AND ').join(['instr(body, ?)'] * len(wanted))})")
            given += [f" {word}" if _DENSE.search(word) else _padded(word) for word in wanted]
        rows = self._connection.execute(
            f"SELECT number FROM plain WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?", (*given, limit)
        )
        return [number for (number,) in rows]


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite was built with it."""
    try:
        connection.execute("CREATE VIRTUAL TABLE temp.fts5_is_there USING fts5(x)")
        connection.execute("DROP TABLE temp.fts5_is_there")
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return False
        raise
    return True


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have undone it by itself
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _token(label: str) -> str:
    """A label as one word that no text holds."""
    return "x" + hashlib.blake2b(label.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _padded(word: str) -> str:
    return f" {word} "


def _quoted(word: str) -> str:
    return f'"{word}"*' if _DENSE.search(word) else f'"{word}"'
