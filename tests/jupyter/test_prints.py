"""Text of nodes on its way to their journals."""

from __future__ import annotations

import threading

import pytest

from aethergraph.errors import RunSuspended
from jupyter_ext.prints import LONGEST, Prints

from .conftest import FakeDesk

HOUR = 3600.0


@pytest.fixture
def lost() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def prints(lost: list[tuple[str, bool]]) -> Prints:
    return Prints(lambda text, err: lost.append((text, err)), linger_s=HOUR)


def test_what_is_written_in_pieces_is_noted_as_one(prints: Prints) -> None:
    desk = FakeDesk()
    for text in ("a", "\n", "b"):
        assert prints.write(desk, text, err=False) == len(text)
    prints.flush()
    assert desk.printed() == [("a\nb", False)]


def test_errors_and_output_keep_their_order(prints: Prints) -> None:
    desk = FakeDesk()
    for text, err in (("a", False), ("b", True), ("c", True), ("d", False)):
        prints.write(desk, text, err=err)
    prints.flush()
    assert desk.printed() == [("a", False), ("bc", True), ("d", False)]


def test_each_node_gets_its_own(prints: Prints) -> None:
    one, two = FakeDesk(1), FakeDesk(2)
    prints.write(one, "1", err=False)
    prints.write(two, "2", err=False)
    prints.flush(one)
    assert (one.printed(), two.printed()) == ([("1", False)], [])


def test_two_desks_of_one_attempt_are_the_same_node(prints: Prints) -> None:
    first, second = FakeDesk(1), FakeDesk(1)
    prints.write(first, "a", err=False)
    prints.write(second, "b", err=False)
    prints.flush(second)
    assert first.printed() == [("ab", False)]


def test_text_is_noted_by_itself_after_a_moment() -> None:
    desk, noted = FakeDesk(), threading.Event()
    desk.noted = noted.set
    prints = Prints(lambda text, err: None, linger_s=0.0)
    prints.write(desk, "a", err=False)
    assert noted.wait(10)
    prints.close()


def test_what_an_attempt_prints_after_its_end_goes_to_the_cell(prints: Prints, lost: list[tuple[str, bool]]) -> None:
    prints.write(FakeDesk(refuse=RunSuspended("run-1")), "late", err=True)
    prints.flush()
    assert lost == [("late", True)]


def test_closing_notes_what_is_left(prints: Prints) -> None:
    desk = FakeDesk()
    prints.write(desk, "a", err=False)
    prints.close()
    assert desk.printed() == [("a", False)]


def test_a_flood_is_cut_and_says_so(prints: Prints) -> None:
    desk = FakeDesk()
    prints.write(desk, "x" * (LONGEST + 5) + "end", err=False)
    prints.flush()
    ((text, _),) = desk.printed()
    assert text.startswith("[8 characters left out]\n") and text.endswith("xend")


def test_text_that_no_journal_could_keep_is_escaped(prints: Prints) -> None:
    desk = FakeDesk()
    prints.write(desk, "a\ud800b", err=False)
    prints.flush()
    assert desk.printed() == [("a\\ud800b", False)]


def test_only_text_can_be_written(prints: Prints) -> None:
    with pytest.raises(TypeError, match="must be str, not bytes"):
        prints.write(FakeDesk(), b"a", err=False)  # type: ignore[arg-type]
