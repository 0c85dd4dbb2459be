"""One entry of the key-value store: its value as a payload, and when it ends."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import msgspec

from ..errors import DamagedRecord
from ..storage.codec import Codec, canonical
from .expecting import as_number

PREFIX = "kv:"
KEY_LIMIT = 512  # characters
ROW_LIMIT = 16 << 20  # bytes of a list that grows; other values that are long lie in a blob, whatever their size


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`expires`: seconds since the epoch, 0 for never. `content`: a hash of the value, or b"" where it has none."""

    payload: bytes
    expires: float = 0.0
    content: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def encode(entry: Entry) -> bytes:
    """As a row."""
    return _encode(entry)


def decode(row: bytes | None, now: float, where: str) -> Entry | None:
    """The entry of a row; None where there is none, or it has ended.

    Raises:
        DamagedRecord: it cannot be read.
    """
    if row is None:
        return None
    try:
        entry = _decode(row)
    except msgspec.MsgspecError as error:
        raise DamagedRecord(f"the row {where!r}", str(error)) from error
    return None if 0 < entry.expires <= now else entry


def content(value: Any) -> bytes:
    """What equal values have in common; b"" where `value` has parts that cannot be compared."""
    form = canonical(value)
    return b"" if form.opaque else hashlib.blake2b(form.data, digest_size=16).digest()


def make(codec: Codec, key: str, value: Any, expires: float) -> Entry:
    """The entry of a value.

    Raises:
        NotStorable: the value cannot be stored.
    """
    return Entry(codec.dump(value, f"value of {key!r}"), expires, content(value))


def check_key(key: Any) -> str:
    """`key`, if it is one.

    Raises:
        TypeError, ValueError: it is no text, is empty, too long, or not writable as UTF-8.
    """
    if not isinstance(key, str):
        raise TypeError(f"a key of kv() is a text, got {key!r:.80} ({type(key).__name__})")
    if not 0 < len(key) <= KEY_LIMIT:
        raise ValueError(f"a key of kv() has 1 to {KEY_LIMIT} characters, got {len(key)}")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the key {key!r} cannot be written: it has half of a surrogate pair") from None
    return str(key)


def check_ttl(ttl_s: Any) -> float | None:
    """`ttl_s` in seconds; None for ever.

    Raises:
        TypeError, ValueError: it is no number, or not positive.
    """
    if ttl_s is None:
        return None
    seconds = as_number(ttl_s)
    if seconds is None:
        raise TypeError(f"ttl_s is a number of seconds, or None for ever; got {ttl_s!r} ({type(ttl_s).__name__})")
    if not 0 < seconds < math.inf:
        raise ValueError(f"ttl_s={seconds:g}: it is more than 0 seconds; None keeps a value for ever")
    return float(seconds)
