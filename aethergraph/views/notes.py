"""What a node left behind while it ran: text, progress bars, figures. Cosmetic, and gone when the node runs again."""

from __future__ import annotations

from dataclasses import dataclass, field

KEPT = 1_000_000  # characters of printed text of one run


@dataclass(slots=True)
class Bar:
    """One progress bar. `total` is 0 where it is not known."""

    title: str
    now: float = 0.0
    total: float = 0.0
    sub: str = ""
    ended: bool = False

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, or None where the total is not known."""
        return min(max(self.now / self.total, 0.0), 1.0) if self.total > 0 else None


class Log:
    """Lines of printed text, as a terminal would show them: carriage returns and backspaces overwrite."""

    __slots__ = ("_at", "_last", "_lines", "size")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._last: list[str] = []  # characters of the line that is being written
        self._at = 0
        self.size = 0

    def write(self, text: str) -> None:
        """Add `text`, a piece of a stream that may end anywhere."""
        *whole, rest = text.split("\n")
        for piece in whole:
            self._overwrite(piece)
            self._lines.append("".join(self._last))
            self.size += len(self._last) + 1
            self._last.clear()
            self._at = 0
        self._overwrite(rest)

    def _overwrite(self, piece: str) -> None:
        if "\r" not in piece and "\b" not in piece:
            self._put(piece)
            return
        run = ""
        for char in piece:
            if char not in "\r\b":
                run += char
                continue
            self._put(run)
            run = ""
            self._at = 0 if char == "\r" else max(self._at - 1, 0)
        self._put(run)

    def _put(self, text: str) -> None:
        self._last[self._at : self._at + len(text)] = text
        self._at += len(text)

    def trim(self, limit: int) -> None:
        """Forget the oldest lines until at most `limit` characters are left; an overlong line keeps its end."""
        drop = 0
        while drop < len(self._lines) and self.size > limit:
            self.size -= len(self._lines[drop]) + 1
            drop += 1
        del self._lines[:drop]
        if len(self._last) > limit:
            del self._last[: len(self._last) - limit]
            self._at = min(self._at, len(self._last))

    def tail(self, limit: int) -> str:
        """The end of the text, at most `limit` characters."""
        pieces, room = ["".join(self._last)], limit - len(self._last)
        for one in reversed(self._lines):
            room -= len(one) + 1
            if room < 0:
                break
            pieces.append(one)
        return "\n".join(reversed(pieces))[-limit:] if limit else ""

    def __bool__(self) -> bool:
        return bool(self._lines or self._last)

    def __str__(self) -> str:
        return "\n".join([*self._lines, "".join(self._last)])


def settled(text: str) -> str:
    """`text` as a terminal would leave it, without line ends at its end."""
    log = Log()
    log.write(text)
    return str(log).rstrip("\n")


@dataclass(slots=True)
class Notes:
    """All that one node left behind."""

    log: Log = field(default_factory=Log)
    bars: dict[str, Bar] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)  # digests of PNG blobs
    shows: list[dict[str, str]] = field(default_factory=list)  # what `display` gave, by mime type

    def bar(self) -> Bar | None:
        """The bar to show on the node: the latest one that has not ended."""
        return next((bar for bar in reversed(self.bars.values()) if not bar.ended), None)
