"""What calls say of themselves for people (`_alias=`, `_labels=`, `_name=`), put on record where it is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..ids import Key
from ..record import facts as f
from ..record.flow import Node

if TYPE_CHECKING:
    from .execution import Execution

Marks = tuple[str, tuple[str, ...], str]  # alias, labels, name
NONE: Marks = ("", (), "")


def marks(alias: str, labels: str | Iterable[str], name: str) -> Marks:
    """As they go on record: each label once, in the order given; a set, which has none, in that of the alphabet."""
    if isinstance(labels, str):
        labels = (labels,)
    ordered = sorted(labels) if isinstance(labels, (set, frozenset)) else labels
    return alias, tuple(dict.fromkeys(ordered)), name


def text_of(options: Mapping[str, Any], name: str) -> str:
    """The control word `name` of a call, which is a text; "" where it is not given.

    Raises:
        TypeError, ValueError: it is no text, or one that cannot be on record.
    """
    value = options.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise TypeError(f"{name}= takes a text, got {value!r:.80}")
    if value and (why := unstorable((value,))):
        raise ValueError(f"{name}= {why}")
    return value or ""


def labels_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The `_labels=` of a call; raises as `text_of` does."""
    value = options.get("_labels") or ()
    labels = (value,) if isinstance(value, str) else value
    if not isinstance(labels, (list, tuple, set, frozenset)) or not all(isinstance(one, str) for one in labels):
        raise TypeError(f"_labels= takes a text or a list of texts, got {value!r:.80}")
    if why := unstorable(labels):
        raise ValueError(f"_labels= {why}")
    return tuple(labels)


def unstorable(texts: Iterable[str]) -> str:
    """Why these cannot be on record, in words; "" where they can."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            return f"has half a character (a lone surrogate), which no store holds: {text!r:.80}"
    return ""


def of_options(options: Mapping[str, Any]) -> Marks:
    """Those among the control words of a call, which were checked."""
    return marks(options.get("_alias") or "", options.get("_labels") or (), options.get("_name") or "")


class Marking:
    """The marks of the calls of one run. Calls that have none cost nothing here."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._said: set[Key] = set()  # calls that this process made and marked

    def call(self, key: Key, said: Marks) -> None:
        """The call of this identity is made, and says this; it need not be a node yet."""
        if said != NONE:
            self._said.add(key)
        if said != self.of(key):
            self._run.fact(f.CallMarked(key, *said))

    def of(self, key: Key) -> Marks:
        """What is on record of this call."""
        known = self._run.flow.marks.get(key)
        return NONE if known is None else (known.alias, tuple(known.labels), known.name)

    def called(self, node: Node) -> None:
        """The call of `node`, which has marks on record, was made; where an edit took them away, so it is."""
        if node.key not in self._said:
            self._run.fact(f.CallMarked(node.key))
