"""The database file of a store, made: its tables are those of diskcache, which can read them.

diskcache is made for caches, so two of its habits are turned off, each tested: it forgets rows (eviction, 1 GiB limit),
and it moves large rows to files that it does not flush. It looks at each of its settings, tables and triggers at every
opening, so a store that is made already is opened without it.

It counts its rows by triggers, in a table of its own: one page more of each commit, which takes a quarter longer with
it. So here they count what diskcache itself stored, which has a time; a row of ours has none. `len(cache)` is that.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]

from .connections import BUSY_S, Closer

_INDEX = "CREATE INDEX IF NOT EXISTS Cache_expire_time"  # of rows that expire: ours never do
_COUNTING = re.compile(r"(CREATE TRIGGER IF NOT EXISTS Settings_\w+ AFTER (\w+) ON Cache FOR EACH ROW)( BEGIN .*)")


def make(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the file, or let one that is there have these settings; any number of processes may do so at once."""
    _Cache(folder, settings).close()


class _Cache(diskcache.Cache):  # type: ignore[misc]
    """A cache that opens without writing where its settings are stored already, and indexes and counts nothing for us.

    diskcache writes each setting twice at every opening, some fifty commits: a third of a second on a slow disk.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            super().__init__(str(folder), timeout=BUSY_S, **settings)
        except BaseException:
            self.close()
            raise

    @property
    def _con(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._con
        closer = getattr(self._local, "closer", None)
        if closer is None or closer.connection is not connection:
            self._local.closer = Closer(connection)
        return connection

    @property
    def _sql_retry(self) -> Callable[..., Any]:
        execute = super()._sql_retry

        def unless_same(statement: str, args: tuple[Any, ...] = ()) -> Any:
            if statement.startswith(("INSERT OR REPLACE INTO Settings", "UPDATE Settings SET value = ? WHERE key = ?")):
                key, value = args if statement.startswith("INSERT") else reversed(args)
                if execute("SELECT value FROM Settings WHERE key = ?", (key,)).fetchall() == [(value,)]:
                    return None
            if statement.startswith(_INDEX):
                return None
            if counting := _COUNTING.fullmatch(statement):
                head, event, body = counting.groups()
                statement = f"{head} WHEN {'OLD' if event == 'DELETE' else 'NEW'}.store_time{body}"
            return execute(statement, args)

        return unless_same
