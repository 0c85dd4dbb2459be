"""What an adapter cannot show reaches it as a text."""

from __future__ import annotations

import pytest

from aethergraph.channels.adapter import KINDS, PLAIN, Message, fitting


class Pager:
    """An adapter of few gifts."""

    ask = None

    def __init__(self, capabilities: set[str] | frozenset[str]) -> None:
        self.capabilities = capabilities

    async def send(self, message: Message, id: str) -> None:
        """Nobody reads it."""


class Plain:
    """One that does not tell."""

    ask = None

    async def send(self, message: Message, id: str) -> None:
        """Nobody reads it."""


PICTURE = Message("image", "plot.png (image, 4 B)", "pager", "r", "n", {"filename": "plot.png"})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_who_can_show_a_kind_gets_it(kind: str) -> None:
    message = Message(kind, "x", "pager", "r", "n")
    assert fitting(message, Pager({kind})) is message


def test_who_cannot_gets_a_text_that_says_so() -> None:
    got = fitting(PICTURE, Pager(PLAIN))
    assert (got.kind, got.text) == ("text", "plot.png (image, 4 B) (sent as text: no pictures are shown here)")
    assert got.data == {"text": PICTURE.text, "instead_of": "image", "filename": "plot.png"}
    assert (got.channel, got.run_id, got.node_id) == ("pager", "r", "n")


def test_who_does_not_tell_is_given_texts() -> None:
    assert fitting(PICTURE, Plain()).kind == "text"  # type: ignore[arg-type]
    phase = Message("phase", "fit: done", "pager", "r", "n")
    assert fitting(phase, Plain()) is phase  # type: ignore[arg-type]
