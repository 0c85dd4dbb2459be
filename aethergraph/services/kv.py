"""Small values under a key, kept for the run, for the session or for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from ..storage.store import Transaction
from . import entry as entries
from . import expecting, lists
from .entry import Entry, check_key, check_ttl
from .levels import home
from .scope import Scope

N = TypeVar("N", int, float)


class KV:
    """`context.kv(level)`: a durable dict; "run": of this run alone, "session": of its session, "user": of the store.

    A run's session is its `session_id`, in a notebook the notebook; runs that have none share one. Values are whatever
    a node may return; text keys of up to 512 characters. Every change is one transaction, with the record that it was
    made: two writers never undo each other's work, in whatever process they are, and neither a kill nor a replay
    repeats one. What is read is recorded too. Entries with `ttl_s` end by the clock of the runs. `gc` deletes what
    belongs to a run alone with that run; a fork and a run that `continue_as_new` begins start with none of it.

    Raises:
        ValueError: there is no such level.
    """

    def __init__(self, scope: Scope, level: str = "session") -> None:
        self._scope, self._level = scope, level
        self._prefix = entries.PREFIX + home(scope.desk, level)

    def __repr__(self) -> str:
        return f"<kv of the {self._level}>"

    # ------------------------------------------------------------------ reading

    async def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`.

        Raises:
            TypeError, ValueError: this is no key.
            DamagedRecord: it was altered on disk.
        """
        return (await self.mget([key], default))[0]

    async def mget(self, keys: Iterable[str], default: Any = None) -> list[Any]:
        """The values under `keys`, in their order; `default` where there is none."""
        wanted = _keys(keys)
        store, now = self._scope.desk.store, self._scope.clock.now

        def read() -> list[bytes | None]:
            at = now()
            found = [entries.decode(store.get(self._prefix + key), at, self._prefix + key) for key in wanted]
            return [None if one is None else one.payload for one in found]

        payloads = await self._scope.desk.read("kv.get", {"level": self._level, "keys": wanted}, read)
        there = zip(wanted, payloads, strict=True)
        return [default if payload is None else self._load(payload, key) for key, payload in there]

    # ------------------------------------------------------------------ writing

    async def set(self, key: str, value: Any, *, ttl_s: float | None = None) -> None:
        """Put `value` under `key`, for `ttl_s` seconds or for ever.

        Raises:
            TypeError, ValueError: this is no key, or `ttl_s` is not positive.
            NotStorable: the value is an open file, a live connection or the like.
        """
        await self.mset({check_key(key): value}, ttl_s=ttl_s)

    async def mset(self, values: Mapping[str, Any], *, ttl_s: float | None = None) -> None:
        """Put all of `values` under their keys, or none of them. Raises as `set`."""
        if not isinstance(values, Mapping):
            raise TypeError(f"mset() takes a dict of values by key, got {type(values).__name__}")
        ttl = check_ttl(ttl_s)
        made = {check_key(key): self._entry(key, value) for key, value in values.items()}

        def work(rows: Transaction) -> None:
            for key, entry in made.items():
                self._put(rows, key, entry, ttl)

        args = {"values": {key: entry.content.hex() for key, entry in made.items()}, "ttl_s": ttl}
        await self._change("kv.set", args, work)

    async def delete(self, key: str) -> bool:
        """Remove what is under `key`; whether there was something."""
        check_key(key)

        def work(rows: Transaction) -> bool:
            was_there = self._get(rows, key) is not None
            rows.delete(self._prefix + key)
            return was_there

        return cast(bool, await self._change("kv.delete", {"key": key}, work))

    async def expire(self, key: str, ttl_s: float | None) -> bool:
        """Let what is under `key` end in `ttl_s` seconds, or never (None); whether there is something.

        Raises:
            TypeError, ValueError: `ttl_s` is no positive number.
        """
        check_key(key)
        ttl = check_ttl(ttl_s)

        def work(rows: Transaction) -> bool:
            entry = self._get(rows, key)
            if entry is not None:
                self._put(rows, key, entry, ttl)
            return entry is not None

        return cast(bool, await self._change("kv.expire", {"key": key, "ttl_s": ttl}, work))

    async def purge_expired(self) -> int:
        """Delete the entries of this level that have ended, which nobody sees any more; how many those were."""
        store = self._scope.desk.store

        def look() -> list[str]:
            now = self._scope.clock.now()
            return [key for key, row in store.scan(self._prefix) if entries.decode(row, now, key) is None]

        ended = await self._scope.desk.look("kv.ended", {"level": self._level}, look)

        def work(rows: Transaction) -> int:
            now, gone = self._scope.clock.now(), 0
            for key in ended:
                row = rows.get(key)
                if row is not None and entries.decode(row, now, key) is None:  # it was not set anew meanwhile
                    rows.delete(key)
                    gone += 1
            return gone

        return cast(int, await self._change("kv.purge", {"ended": ended}, work)) if ended else 0

    # ------------------------------------------------------------------ changing what is there

    async def incr(self, key: str, by: N = 1, *, ttl_s: float | None = None) -> N:
        """Add `by` to the number under `key` (0 where there is none), and give the sum. It is never lost or done twice.

        ttl_s: seconds until it ends; where left out, it ends when it would have.

        Raises:
            TypeError: `by`, or what is under `key`, is no number.
        """
        check_key(key)
        ttl = check_ttl(ttl_s)
        plain = expecting.as_number(by)
        if plain is None:
            raise TypeError(f"incr({key!r}) adds a number, got {by!r:.80} ({type(by).__name__})")

        def work(rows: Transaction) -> N:
            entry = self._get(rows, key)
            before = 0 if entry is None else self._load(entry.payload, key)
            if expecting.as_number(before) is None:
                raise TypeError(f"incr({key!r}): there is {before!r:.80} ({type(before).__name__}), which is no number")
            total = before + plain
            self._put(rows, key, self._entry(key, total), ttl, entry)
            return cast(N, total)

        return cast(N, await self._change("kv.incr", {"key": key, "by": plain, "ttl_s": ttl}, work))

    async def compare_and_set(self, key: str, expected: Any, value: Any, *, ttl_s: float | None = None) -> bool:
        """Put `value` under `key` if `expected` is there; whether it was. Of several who try, one succeeds.

        expected: what `get(key)` gives: None where nothing is there. It is equal in type, too: 1 is not 1.0.

        Raises:
            TypeError, ValueError: as `set`; or `expected` is of a type that cannot be compared.
        """
        check_key(key)
        ttl, content = check_ttl(ttl_s), entries.content(expected)
        if not content:
            raise TypeError(
                f"compare_and_set({key!r}): a {type(expected).__name__} cannot be compared with what is stored; keep a "
                "version number beside it and compare that"
            )
        made = self._entry(key, value)

        def work(rows: Transaction) -> bool:
            entry = self._get(rows, key)
            same = expected is None if entry is None else entry.content == content
            if same:
                self._put(rows, key, made, ttl)
            return same

        args = {"key": key, "expected": content.hex(), "value": made.content.hex(), "ttl_s": ttl}
        return cast(bool, await self._change("kv.compare_and_set", args, work))

    async def list_append_unique(
        self, key: str, items: Iterable[Any], *, id_key: str = "id", ttl_s: float | None = None
    ) -> list[Any]:
        """Append those of `items` to the list under `key` that are not in it yet; the list as it is then.

        Dicts with `id_key` are the same if their value of that is; all else, if it is equal.

        ttl_s: seconds until the list ends; where left out, it ends when it would have.

        Raises:
            TypeError: what is under `key` is no list; `items` is a text, or nothing that can be gone through.
            ValueError: the list would be too long for one entry.
            NotStorable: an item cannot be stored.
        """
        check_key(key)
        ttl, new = check_ttl(ttl_s), lists.items(key, items)
        codec = self._scope.codec
        codec.dump(new, f"item for {key!r}")  # here, where its error belongs to the caller

        def work(rows: Transaction) -> list[Any]:
            entry = self._get(rows, key)
            there = [] if entry is None else lists.checked(key, self._load(entry.payload, key))
            whole = lists.united(there, new, id_key)
            self._put(rows, key, lists.entry(codec, key, whole), ttl, entry)
            return whole

        args = {"key": key, "items": entries.content(new).hex(), "id_key": id_key, "ttl_s": ttl}
        return cast(list[Any], await self._change("kv.append", args, work))

    async def list_pop_all(self, key: str) -> list[Any]:
        """Take the list under `key` away, and give it; [] where there is none. Nobody else gets its items.

        Raises:
            TypeError: what is under `key` is no list.
        """
        check_key(key)

        def work(rows: Transaction) -> list[Any]:
            entry = self._get(rows, key)
            there = [] if entry is None else lists.checked(key, self._load(entry.payload, key))
            rows.delete(self._prefix + key)
            return there

        return cast(list[Any], await self._change("kv.pop", {"key": key}, work))

    # ------------------------------------------------------------------ rows

    async def _change(self, name: str, args: dict[str, Any], work: Any) -> Any:
        return await self._scope.desk.transact(name, {"level": self._level, **args}, work)

    def _entry(self, key: str, value: Any) -> Entry:
        return entries.make(self._scope.codec, key, value, 0.0)

    def _load(self, payload: bytes, key: str) -> Any:
        return self._scope.codec.load(payload, f"value of {key!r}")

    def _get(self, rows: Transaction, key: str) -> Entry | None:
        where = self._prefix + key
        return entries.decode(rows.get(where), self._scope.clock.now(), where)

    def _put(self, rows: Transaction, key: str, entry: Entry, ttl: float | None, before: Entry | None = None) -> None:
        """Write; without `ttl` it ends when `before` would have."""
        kept = 0.0 if before is None else before.expires
        expires = kept if ttl is None else self._scope.clock.now() + ttl
        rows.set(self._prefix + key, entries.encode(Entry(entry.payload, expires, entry.content)))


def _keys(keys: Any) -> list[str]:
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Iterable):
        raise TypeError(f"mget() takes several keys, got {keys!r:.80}; get() takes one")
    return [check_key(key) for key in keys]
