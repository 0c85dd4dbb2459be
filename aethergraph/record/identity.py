"""Who a call is: the lineage of the task that made it, and the identity of the call within that lineage. Pure.

An asyncio task made inside a body is named by its coroutine function, the fingerprint of its bound arguments and its
number among equals. Counting alone would not do: `as_completed` makes its tasks in set order, and a task that an edit
inserts would shift all its siblings. A call's identity holds no code and no time, so an edited, resumed run finds
what it did before under the same identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine
from typing import Any

import msgspec

from ..ids import Key

_stable = msgspec.msgpack.Encoder(order="deterministic").encode
_SCALARS = frozenset({int, float, str, bytes, bool, type(None)})
_VARARGS, _KEYWORDS = 0x04, 0x08  # of code.co_flags


def root_key(run_id: str) -> Key:
    """The scope of a run's own body."""
    return Key(hashlib.blake2b(run_id.encode(), digest_size=16, person=b"aether-run").digest())


class Lineage:
    """One task of one body: makes identities for its calls and lineages for its child tasks."""

    __slots__ = ("_children", "_hash", "_seen", "path", "scope")

    def __init__(self, scope: Key, path: str = "") -> None:
        self.scope, self.path = scope, path
        # Made when first needed: many tasks make no call, and most no task.
        self._children: dict[str, int] | None = None
        self._seen: dict[bytes, int] | None = None
        self._hash: Any = None

    def identity(self, callee: str, arguments: bytes, given: str | None = None) -> Key:
        """The identity of the next call of `callee` with this argument fingerprint.

        `given` is the user's `_id=`: it stands for lineage and count.
        """
        if given is not None:
            named = b"%b\0id\0%b\0%b\0%b" % (self.scope, given.encode(), callee.encode(), arguments)
            return Key(hashlib.blake2b(named, digest_size=16).digest())
        what = callee.encode() + b"\0" + arguments
        seen = self._seen
        if seen is None:
            seen = self._seen = {}
            self._hash = hashlib.blake2b(self.scope + self.path.encode(), digest_size=16)
        count = seen.get(what, 0)
        seen[what] = count + 1
        digest = self._hash.copy()
        digest.update(b"%d\0" % count + what)
        return Key(digest.digest())

    def child_path(self, coroutine: Coroutine[Any, Any, Any]) -> str:
        """The path of a task that runs `coroutine`, made by this one."""
        name = task_name(coroutine)
        if self._children is None:
            self._children = {}
        count = self._children.get(name, 0)
        self._children[name] = count + 1
        return f"{self.path}/{name}:{count}"

    def seed(self, name: str = "") -> bytes:
        """32 bytes for a generator of random numbers, the same on each replay."""
        digest = hashlib.blake2b(self.scope + self.path.encode(), digest_size=32, person=b"aether-random")
        digest.update(name.encode())
        return digest.digest()


def is_prefix(path: str, of: str) -> bool:
    """Whether `path` is the lineage `of` itself or one of its ancestors."""
    return of == path or not path or of.startswith(path + "/")


def task_name(coroutine: Coroutine[Any, Any, Any]) -> str:
    """The coroutine function's name and, where it takes arguments, six hex digits that stand for their values."""
    name: str = getattr(coroutine, "__qualname__", type(coroutine).__qualname__).replace("/", "|")
    frame = getattr(coroutine, "cr_frame", None)
    if frame is None:
        return name
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _VARARGS) + bool(code.co_flags & _KEYWORDS)
    if not count:
        return name
    local = frame.f_locals
    bound = [_still(local.get(variable)) for variable in code.co_varnames[:count]]
    return f"{name}({hashlib.blake2b(_stable(bound), digest_size=3).hexdigest()})"


def _still(value: Any) -> Any:
    """`value` reduced to what cannot change under us: scalars and tuples by value, all else by type."""
    kind = type(value)
    if kind is int and not -(2**63) <= value < 2**63:
        return str(value)
    if kind in _SCALARS:
        return value
    if kind is tuple:
        return ["tuple", *(_still(item) for item in value)]
    return [kind.__qualname__]
