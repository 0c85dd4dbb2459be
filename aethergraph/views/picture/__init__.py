"""What a person sees of a run, folded from its facts: nodes, transcript, questions, plots, artifacts. Pure.

Payloads of arguments and outputs stay as they are (bytes): whoever shows them asks `codec.about`. Only small plain
payloads, of messages and artifact records, are read here. All times are seconds of the run: the time since its start,
without the times when no process had it open.

`canvas` is the state, and `nodes`, `effects`, `questions`, `course` (of the run) and `forks` are the facts that draw
on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...record import facts as f
from . import course, effects, forks, nodes, questions
from .canvas import Canvas
from .parts import HIDDEN, Ask, Changes, Node, Saved, answer_text, error_text, plain, tried

__all__ = ["HIDDEN", "Ask", "Changes", "Node", "Picture", "Saved", "answer_text", "error_text", "plain", "tried"]


def _unseen(canvas: Canvas, fact: f.AnyFact) -> None:
    """A person sees nothing of it."""


_FOLD: dict[type[f.Fact], Callable[[Canvas, Any], None]] = {
    **nodes.FOLD,
    **effects.FOLD,
    **questions.FOLD,
    **course.FOLD,
    **forks.FOLD,
    f.TimerFired: _unseen,
    f.EffectIntended: _unseen,
    f.SignalTaken: _unseen,
}


class Picture(Canvas):
    """The state of one run for views, and how facts change it."""

    def fold(self, fact: f.AnyFact) -> None:
        """Take one more fact in, in the order of the journal."""
        _FOLD[type(fact)](self, fact)
