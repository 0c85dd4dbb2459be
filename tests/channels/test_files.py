"""Messages as lines of a file."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aethergraph.channels import TextFile
from aethergraph.channels.adapter import Message
from aethergraph.errors import NotDelivered
from aethergraph.testing import FakeClock


def message(text: str) -> Message:
    return Message("text", text, "file:x", "study-1", "fit")


def say(file: TextFile, text: str, id: str) -> None:
    asyncio.run(file.send(message(text), id))


def texts(path: Path) -> list[str]:
    return re.findall(
        r"^\S+Z  study-1/fit  (.*?)  #\w{16}$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def test_each_message_is_a_line_with_time_run_and_node(path: Path) -> None:
    file = TextFile(path, clock=FakeClock(1_000_000_000))
    say(file, "one", "a")
    say(file, "two", "b")
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("2001-09-09T01:46:40Z  study-1/fit  one  #")
    assert "two" in second


def test_what_was_in_the_file_stays(path: Path) -> None:
    path.write_text("mine\n", encoding="utf-8")
    say(TextFile(path), "one", "a")
    assert path.read_text(encoding="utf-8").startswith("mine\n2")


def test_a_longer_text_is_a_block(path: Path) -> None:
    say(TextFile(path), "one\ntwo\r\n\nfour", "a")
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert first.endswith("study-1/fit  one")
    assert [line.strip() for line in rest[:2]] == ["two", ""]
    assert re.fullmatch(r"    four  #\w{16}", rest[2])


def test_no_text_can_pass_for_another_message_or_colour_the_terminal(path: Path) -> None:
    say(TextFile(path), "a\x1b[31m\u2028b\x85c\x0bd\ud800", "a")
    assert len([line for line in path.read_bytes().split(b"\n") if line and not line.startswith(b"    ")]) == 1
    assert b"\x1b" not in path.read_bytes()


def test_a_message_that_is_there_is_not_written_again_by_whatever_process(path: Path) -> None:
    """Rule 16: it was appended, and the kill came before that was recorded."""
    file = TextFile(path)
    say(file, "one", "a")
    say(file, "one", "a")
    say(TextFile(path), "one", "a")
    say(TextFile(path), "one", "b")  # the same text, said again
    assert texts(path) == ["one", "one"]


@pytest.mark.parametrize("left", [1, 9, -1, -12])
def test_a_message_that_was_cut_off_in_the_middle_is_written_anew(path: Path, left: int) -> None:
    say(TextFile(path), "zero", "z")
    whole = path.stat().st_size
    say(TextFile(path), "one", "a")
    torn = path.read_bytes()
    torn = torn[: whole + left] if left > 0 else torn[:left]
    path.write_bytes(torn)
    say(TextFile(path), "one", "a")
    assert path.read_bytes().startswith(torn + b"\n")
    assert texts(path)[0] == "zero" and path.read_text(encoding="utf-8").count("  one  #") >= 1
    last = path.read_text(encoding="utf-8").splitlines()[-1]
    assert re.fullmatch(r"\S+Z  study-1/fit  one  #\w{16}", last)


def test_what_others_append_meanwhile_is_seen(path: Path) -> None:
    mine, theirs = TextFile(path), TextFile(path)
    say(mine, "one", "a")
    say(theirs, "two", "b")
    say(mine, "two", "b")
    assert texts(path) == ["one", "two"]


def test_a_file_that_was_taken_away_begins_anew(path: Path) -> None:
    file = TextFile(path)
    say(file, "one", "a")
    path.unlink()
    say(file, "two", "b")
    assert texts(path) == ["two"]


def test_lines_of_many_threads_do_not_mix(path: Path) -> None:
    files = [TextFile(path), TextFile(path)]

    def work(n: int) -> None:
        for i in range(20):
            say(files[n % 2], f"{n} {i} " + "x" * 500, f"{n} {i}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sorted(text.split()[:2] for text in texts(path)) == sorted(
        [str(n), str(i)] for n in range(8) for i in range(20)
    )


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotDelivered, match=r"file:.*gone.x\.txt did not take the message: there is no folder .*gone"):
        say(TextFile(tmp_path / "gone" / "x.txt"), "one", "a")
    with pytest.raises(NotDelivered, match="that is a folder; name a file in it"):
        say(TextFile(tmp_path), "one", "a")


def test_a_file_needs_a_name() -> None:
    with pytest.raises(ValueError, match='as in "file:notes.txt"'):
        TextFile(" ")


def test_a_relative_path_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert TextFile("x.txt").path == tmp_path / "x.txt"
    assert TextFile("~/x.txt").path == tmp_path / "home" / "x.txt"
