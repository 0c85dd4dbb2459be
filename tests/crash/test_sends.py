"""Messages to a file and to a web server, killed before, in and after each: every one arrives, and counts once."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aethergraph import Runtime
from aethergraph.storage.store import Store
from tests.channels.receiver import Receiver, receiver
from tests.processes import bounded

from . import sender
from .cutting import cut_everywhere, maker
from .sender import FILE, HOOK, SAID

SENDER = str(Path(sender.__file__))
LIMIT_S = 30


def in_file(path: Path) -> list[str]:
    """The messages in the file, in order."""
    found: list[str] = re.findall(
        r"^\S+Z  sender/\S+  (.*?)  #\w{16}$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [first_line(text) for text in found]


def first_line(text: str) -> str:
    """Its first line, without what is said of a content."""
    return text.partition("\n")[0].partition(" (")[0]


class Mortal:
    """A run in this process, on a store in memory, and a server that counts by id."""

    def __init__(self, store: Store, path: Path, server: Receiver) -> None:
        self.store, self.path, self.server = store, path.with_name("said.txt"), server

    def live(self) -> None:
        """Run it to its end, if it is not there."""
        os.environ[FILE] = str(self.path)
        runtime = Runtime(self.store)
        with contextlib.closing(runtime), runtime.use():
            sender.live(runtime)

    def died(self) -> None:
        """Nothing is to be noted."""

    def check(self) -> None:
        """Each message is there once."""
        assert in_file(self.path) == SAID
        assert list(map(first_line, self.server.once.values())) == SAID


@pytest.mark.parametrize("told", [True, False])
def test_16_cut_off_at_every_fact_each_message_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setenv(FILE, "")
    with receiver() as server:
        monkeypatch.setenv(HOOK, server.url)

        def begin(store: Store, path: Path) -> Mortal:
            server.got.clear()
            return Mortal(store, path, server)

        make: Callable[[str], Mortal] = maker(begin, tmp_path, monkeypatch)
        fatal = cut_everywhere(make, Mortal.check, told=told, again=7)
    assert fatal > 4 * len(SAID), f"a message has an intent and an end in two channels, but there are {fatal} facts"


def process(store: Path) -> subprocess.Popen[str]:
    """The agent in a process of its own."""
    return subprocess.Popen([sys.executable, SENDER, str(store)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("fatal", range(1, len(SAID) + 1))
def test_16_killed_when_the_server_has_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: int, answered: bool
) -> None:
    said = tmp_path / "said.txt"
    with receiver() as server:
        monkeypatch.setenv(FILE, str(said))
        monkeypatch.setenv(HOOK, server.url)
        with bounded(process(tmp_path / "store")) as first:

            def kill(came: int, done: bool) -> None:
                if came == fatal and done is answered:
                    first.kill()
                    first.wait(LIMIT_S)

            server.then = kill
            # The last answer may be all that it still waited for.
            assert first.wait(LIMIT_S) in {-signal.SIGKILL, 0 if answered and fatal == len(SAID) else -signal.SIGKILL}
        server.then = None
        with bounded(process(tmp_path / "store")) as second:
            assert second.wait(LIMIT_S) == 0
        again = len(server.got) - len(SAID)
        assert again in {0, 1} if answered else again == 1, "what the server had not answered did not come again"
        assert list(map(first_line, server.once.values())) == SAID
        assert in_file(said) == SAID
