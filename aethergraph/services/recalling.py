"""How memory is read: what came last, and what holds some words."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, cast

from ..errors import DamagedRecord
from ..storage.textindex import TextIndex, words
from . import content as contents
from . import event as events
from .event import Event, Row
from .ranking import best_first
from .recording import CHAT, RESULT, ROLES, TOOL_RESULT, Recording

INDEX = "index/memory.db"  # in the folder of the store
CANDIDATES = 200  # of so many that hold the words, the best are given
MOST = 10_000

Kinds = str | Iterable[str] | None


class Recalling(Recording):
    """What reads events. Each read is recorded, so a replay sees what was seen."""

    async def recent(
        self, kinds: Kinds = None, limit: int = 50, *, tags: Iterable[str] = (), level: str | None = None
    ) -> list[Event]:
        """The last `limit` events, oldest first: of these kinds (one or several; None for all) that have all `tags`.

        Raises:
            TypeError, ValueError: an argument is of a wrong type, or `limit` not between 1 and 10,000.
        """
        return await self._last(limit, level, kinds=_kinds(kinds), tags=contents.tags(tags))

    async def recent_data(
        self, kinds: Kinds = None, limit: int = 50, *, tags: Iterable[str] = (), level: str | None = None
    ) -> list[Any]:
        """The `data` of what `recent` gives."""
        return [event.data for event in await self.recent(kinds, limit, tags=tags, level=level)]

    async def recent_chat(
        self, limit: int = 50, *, roles: str | Iterable[str] | None = None, level: str | None = None
    ) -> list[dict[str, Any]]:
        """The last lines of the conversation, oldest first, each with t, role, text and tags."""
        wanted = _kinds(roles)
        for role in wanted:
            if role not in ROLES:
                raise ValueError(f"roles={role!r} is unknown; there are: {', '.join(ROLES)}")
        found = await self._last(limit, level, kinds=[CHAT], names=wanted)
        return [{"t": event.t, "role": event.role, "text": event.text, "tags": event.tags} for event in found]

    async def recent_tool_results(
        self, tool: str | None = None, limit: int = 10, *, level: str | None = None
    ) -> list[Event]:
        """The last results of this tool, or of all, oldest first."""
        return await self._last(limit, level, kinds=[TOOL_RESULT], names=_kinds(tool))

    async def recent_tool_result_data(
        self, tool: str | None = None, limit: int = 10, *, level: str | None = None
    ) -> list[dict[str, Any]]:
        """The same as plain dicts: t, tool, message, inputs, outputs, tags."""
        return [
            {"t": one.t, "tool": one.name, "message": one.text, "inputs": one.inputs, "outputs": one.outputs,
             "tags": one.tags}
            for one in await self.recent_tool_results(tool, limit, level=level)
        ]  # fmt: skip

    async def last_by_name(self, name: str, *, level: str | None = None) -> Any:
        """The outputs of the last result of this tool or topic; None where there is none."""
        found = await self._last(1, level, kinds=[TOOL_RESULT, RESULT], names=[name])
        return found[0].outputs if found else None

    async def get_last_outputs_for_topic(self, topic: str, *, level: str | None = None) -> Any:
        """The outputs of the last `write_result` of this topic; None where there is none."""
        found = await self._last(1, level, kinds=[RESULT], names=[topic])
        return found[0].outputs if found else None

    async def search(
        self, query: str, kinds: Kinds = None, tags: Iterable[str] = (), limit: int = 10, *, level: str | None = None
    ) -> list[Event]:
        """Events that hold the words of `query`, the best first; case and accents do not matter.

        All words, where enough events hold them, else any. Of many such events the newest 200 are compared. An event
        is found by its text, its name and the texts in its data, up to 4,000 characters of each. A search takes up the
        events since the last one into the index of the store, some 25 us each on a machine at rest, in a thread of its
        own.

        Raises:
            TypeError, ValueError: an argument is of a wrong type, `query` has no words, or `limit` is out of range.
            OSError: the index of the store can be neither read nor written.
        """
        if not isinstance(query, str):
            raise TypeError(f"search() takes the words to look for as a text, got {query!r:.80}")
        wanted = list(dict.fromkeys(words(query)))
        if not wanted:
            raise ValueError(f"search({query!r:.80}) has no words to look for")
        home, among, having, most = self._home(level), _kinds(kinds), contents.tags(tags), _limit(limit)
        groups = [[f"kind {kind}" for kind in among]] if among else []
        groups += [[f"tag {tag}"] for tag in having]
        store = self._desk.store
        index = TextIndex(store.folder / INDEX, network=bool(store.network))

        def look() -> list[int]:
            source, found = events.Memories(store), list[int]()
            for any_word in (False, True) if len(wanted) > 1 else (False,):
                more = index.search(source, home, wanted, groups, max(CANDIDATES, most), any_word=any_word)
                rows = [(number, row) for number in more if number not in found and (row := self._row(home, number))]
                order = best_first(wanted, [events.searchable(row) for _, row in rows])
                found += [rows[position][0] for position in order]
                if len(found) >= most:
                    break
            return found[:most]

        args = {"home": home, "query": query, "kinds": among, "tags": having, "limit": most}
        found = await self._desk.look("memory.search", args, look)
        return [self._event(home, number) for number in found]

    # ------------------------------------------------------------------ rows

    async def _last(
        self, limit: int, level: str | None, *, kinds: list[str], tags: list[str] | None = None,
        names: list[str] | None = None,
    ) -> list[Event]:  # fmt: skip
        home, most, tags, names = self._home(level), _limit(limit), tags or [], names or []
        seen: dict[int, Row] = {}

        def fits(row: Row) -> bool:
            return (
                (not kinds or row.kind in kinds) and (not names or row.name in names) and set(tags) <= set(row.tags)
            )  # fmt: skip

        def read() -> list[int]:
            for number, data in self._newest(home, kinds, tags, names):
                row = self._row(home, number, data)
                if row is not None and fits(row):
                    seen[number] = row
                    if len(seen) >= most:
                        break
            return list(seen)[::-1]

        args = {"home": home, "limit": most, "kinds": kinds, "tags": tags, "names": names}
        found = cast(list[int], await self._desk.read("memory.recent", args, read))
        return [self._event(home, number, seen.get(number)) for number in found]

    def _newest(self, home: str, kinds: list[str], tags: list[str], names: list[str]) -> Iterator[tuple[int, bytes]]:
        """By the way that leads to the fewest."""
        store = self._desk.store
        way, values = ("n", names) if names else ("t", tags[:1]) if tags else ("k", kinds) if kinds else ("e", [""])
        ways = [events.newest(store, home, way, value) for value in values]
        return heapq.merge(*ways, key=lambda found: -found[0]) if len(ways) > 1 else ways[0]

    def _row(self, home: str, number: int, data: bytes | None = None) -> Row | None:
        where = events.key(home, number)
        data = data or self._desk.store.get(where)
        return None if data is None else events.decode(data, where)

    def _event(self, home: str, number: int, row: Row | None = None) -> Event:
        row = row or self._row(home, number)
        if row is None:
            raise DamagedRecord(f"the event {events.key(home, number)!r}", "it was read before, and is gone")
        return events.load(row, self._scope.codec)


def _kinds(given: Kinds) -> list[str]:
    if not isinstance(given, (str, Iterable, type(None))):
        raise TypeError(f"kinds are a text or several, got {type(given).__name__}")
    kinds = [] if given is None else [given] if isinstance(given, str) else list(given)
    for kind in kinds:
        if not isinstance(kind, str):
            raise TypeError(f"events are looked for by texts, got {kind!r:.80} ({type(kind).__name__})")
    return list(dict.fromkeys(kinds))


def _limit(limit: Any) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit is a number of events, got {limit!r:.80} ({type(limit).__name__})")
    if not 1 <= limit <= MOST:
        raise ValueError(f"limit={limit}: it is between 1 and {MOST:,}")
    return limit
