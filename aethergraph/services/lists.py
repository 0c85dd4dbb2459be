"""Lists under a key, which grow by what is new in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..storage.codec import Codec
from .entry import ROW_LIMIT, Entry, content


def items(key: str, given: Any) -> list[Any]:
    """What is to be appended.

    Raises:
        TypeError: it is a text, a dict, or nothing that can be gone through.
    """
    if isinstance(given, (str, bytes, dict)) or not isinstance(given, Iterable):
        raise TypeError(
            f"list_append_unique({key!r}) takes several items, got {given!r:.80}; for one, write [{given!r:.40}]"
        )
    return list(given)


def checked(key: str, value: Any) -> list[Any]:
    """What is under `key`, if it is a list. Raises TypeError where it is none."""
    if not isinstance(value, list):
        raise TypeError(f"under {key!r} is {value!r:.80} ({type(value).__name__}), which is no list")
    return value


def united(there: list[Any], new: list[Any], id_key: str) -> list[Any]:
    """`there`, and after it what of `new` is not in it yet."""
    seen = {_identity(item, id_key) for item in there} - {b""}
    whole = list(there)
    for item in new:
        identity = _identity(item, id_key)
        if identity and identity in seen:
            continue
        seen.add(identity)
        whole.append(item)
    return whole


def _identity(item: Any, id_key: str) -> bytes:
    """What the same items have in common; b"" for one that is like no other."""
    if isinstance(item, dict) and id_key in item:
        found = content(item[id_key])
        return found and b"i" + found
    return content(item)


def entry(codec: Codec, key: str, value: list[Any]) -> Entry:
    """The entry of a list, whole in its row: nothing else is written while the store is held.

    Raises:
        ValueError: it is too long.
    """
    payload = codec.dump_whole(value, f"list under {key!r}")
    if len(payload) > ROW_LIMIT:
        raise ValueError(
            f"the list under {key!r} would have {len(payload):,} bytes; at most {ROW_LIMIT:,} are kept in one entry: "
            "take it away with list_pop_all(), or keep large items as artifacts and their uri here"
        )
    return Entry(payload, 0.0, content(value))
