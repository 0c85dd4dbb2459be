"""Names of things: run ids, node ids, tokens. Everything here is pure; randomness is passed in."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NewType

RunId = NewType("RunId", str)
NodeId = NewType("NodeId", str)
Token = NewType("Token", str)
Key = NewType("Key", bytes)  # the identity of one call in one run, 16 bytes

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0/o, 1/l/i: ids are read aloud and typed
_UNSAFE = re.compile(r"[^0-9A-Za-z_.]+")


def slug(name: str) -> str:
    """`name` with everything that a shell or a file name would mind turned into `_`."""
    return _UNSAFE.sub("_", name).strip("_.")[:48] or "run"


def run_id(name: str, entropy: bytes) -> RunId:
    """`study-7f3ka`: readable, and unique enough for a store that checks for collisions."""
    return RunId(f"{slug(name)}-{_tail(entropy, 5)}")


def child_id(name: str, parent: str, key: Key) -> RunId:
    """`study-7f3kab2mq9xw`: the run that the call `key` of run `parent` starts; nobody chooses it, so it is longer."""
    digest = hashlib.blake2b(parent.encode() + b"\0" + key, digest_size=8, person=b"aether-child").digest()
    return RunId(f"{slug(name)}-{_tail(digest, 12)}")


def _tail(entropy: bytes, length: int) -> str:
    number = int.from_bytes(entropy[:8], "big")
    tail = ""
    for _ in range(length):
        number, digit = divmod(number, len(LETTERS))
        tail += LETTERS[digit]
    return tail


def node_id(name: str, count: int) -> NodeId:
    """`fit`, `fit-2`, `fit-3`: the `count`-th node of that name in a run, from 1."""
    return NodeId(name if count == 1 else f"{name}-{count}")


def token(secret: bytes, key: bytes, node: str) -> Token:
    """The address of a wait: unguessable without the run's `secret`, the same after each resume."""
    digest = hashlib.blake2b(key, key=secret[:64], digest_size=15).digest()
    return Token(f"{slug(node)}-{base64.b32encode(digest).decode().lower()}")
