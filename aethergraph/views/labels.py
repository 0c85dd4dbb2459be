"""Text for pictures: made harmless, measured by estimate, cut to a width."""

from __future__ import annotations

import re
import unicodedata

# Control characters, lone surrogates, noncharacters, and the bidi overrides that make a name read as another.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_ANSI = re.compile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")
_NARROW = frozenset("iljtfrI.,:;'|!()[]{} -`")
_BROAD = frozenset("mwMW@%&")
_BLANK = frozenset({"Mn", "Me", "Cf"})  # drawn over the character before, or not at all


def clean(text: str) -> str:
    """`text` that cannot disturb what stands around it: terminal colours go, harmful characters become U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub("\ufffd", _ANSI.sub("", text))


def line(text: str) -> str:
    """`clean(text)` with runs of white space, line ends too, as one space."""
    return " ".join(clean(text).split())


def width(text: str, size: float = 12.0) -> float:
    """Pixels that `text` takes in a usual sans-serif font of `size` pixels, rather too many than too few."""
    return sum(map(_advance, text)) * size / 12.0


def _advance(char: str) -> float:
    if char in _NARROW:
        return 4.2
    if char in _BROAD:
        return 10.6
    if char.isascii():
        return 8.3 if char.isupper() else 7.1
    if unicodedata.category(char) in _BLANK:
        return 0.0
    return 12.6 if unicodedata.east_asian_width(char) in "WF" else 8.3


def cut(text: str, limit: float, size: float = 12.0) -> str:
    """`text` on one line in at most `limit` pixels, with an ellipsis where something is missing."""
    text = line(text[:400])
    if width(text, size) <= limit:
        return text
    room, kept = (limit - 12.0 * size / 12.0) * 12.0 / size, 0
    for char in text:
        room -= _advance(char)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "\u2026"


def duration(seconds: float) -> str:
    """`0.2 s`, `41 s`, `3:05`, `2:03:05`."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


_AGES = ((90, "s", 1), (5400, "min", 60), (129_600, "h", 3600), (float("inf"), "d", 86_400))
_SPANS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def age(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h`, `12 d`."""
    seconds = max(seconds, 0.0)
    unit, size = next((unit, size) for below, unit, size in _AGES if seconds < below)
    return f"{round(seconds / size)} {unit}"


def span(text: str) -> float | None:
    """The seconds that `12h`, `30d` or `4w` stands for; None for anything else."""
    count, unit = text[:-1], text[-1:]
    return int(count) * _SPANS[unit] if unit in _SPANS and count.isdecimal() else None


def clock(seconds: float) -> str:
    """`0:42`, `1:02:03`: a place in a run."""
    hours, rest = divmod(max(int(seconds), 0), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
