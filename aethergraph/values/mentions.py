"""Which blobs a row refers to: every run of 64 hex digits in it that could be the name of one.

No format is looked into, so that what a later version or a service of the user's writes counts, too. A text that only
looks like a digest keeps a blob that nobody needs; the other way round nothing could be lost.
"""

from __future__ import annotations

import re

_SOURCES = re.compile(rb"(?=([0-9a-f]{32}))")
_NAMES = re.compile(rb"(?=([0-9a-f]{64}))")  # also those that overlap: what stands beside a digest may be hex, too


def digests(data: bytes) -> set[str]:
    """The digests that `data` mentions."""
    return {name.decode() for name in _NAMES.findall(data)}


def definitions(data: bytes) -> set[str]:
    """The names of stored definitions that `data` could mention."""
    return {name.decode() for name in _SOURCES.findall(data)}
