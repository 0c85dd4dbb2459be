"""A real process at a real terminal: watching, answering, interrupting."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aethergraph.cli.codes import Exit

from .conftest import AGENTS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


def environment(tmp_path: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AETHERGRAPH")}
    more = {"AETHERGRAPH_HOME": str(tmp_path / "real"), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    return {**clean, **more}


@pytest.fixture
def at_terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """`aether` with these arguments, at a terminal."""
    opened: list[Terminal] = []

    def open_one(*arguments: str) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


class Terminal:
    """`aether` at a terminal of 24 lines."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
        command = [sys.executable, "-m", "aethergraph.cli", *arguments]
        self.process = subprocess.Popen(
            command, stdin=there, stdout=there, stderr=there, env=environment(tmp_path), start_new_session=True,
            close_fds=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(there)
        self.text = ""

    def until(self, wanted: str) -> None:
        """Read until `wanted` is there."""
        end = time.monotonic() + PATIENCE_S
        while wanted not in self.text:
            assert time.monotonic() < end, self.text
            assert self._read(), f"it ended: {self.text}"

    def _read(self) -> bool:
        ready, _, _ = select.select([self._here], [], [], 1.0)
        if not ready:
            return True
        try:
            piece = os.read(self._here, 65536)
        except OSError:  # Linux says so where the other side is closed
            return False
        self.text += piece.decode(errors="replace")
        return bool(piece)

    def close(self) -> None:
        """Leave nothing behind, however the test ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._here)
        return self.process.wait(PATIENCE_S)


def test_a_run_is_watched_and_answered_at_the_terminal(at_terminal: Callable[..., Terminal]) -> None:
    terminal = at_terminal("run", f"{AGENTS}:study", "--watch")
    terminal.until("What shall I call it?")
    terminal.until("> ")
    terminal.type("Ada\n")
    assert terminal.end() == 0, terminal.text
    last = terminal.text.rpartition("done  4 of 4 nodes")[2]
    assert "✓ double-3" in last and "-> Ada" in last
    assert "doubled 3 numbers" in terminal.text
    assert "name = 'Ada'" in last


def test_ctrl_c_leaves_the_run_resumable_and_says_how(tmp_path: Path, at_terminal: Callable[..., Terminal]) -> None:
    flag = tmp_path / "there"
    terminal = at_terminal("run", f"{AGENTS}:sleeper", "-i", f"flag={flag}", "--watch")
    terminal.until("sleep 3600 s")
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.text
    run_id = terminal.text.split("run ")[1].split()[0]
    assert f"paused: `aether resume {run_id}` goes on with it" in terminal.text
    shown = subprocess.run(
        [sys.executable, "-m", "aethergraph.cli", "show", run_id],
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "✓ double" in shown.stdout and "paused" in shown.stdout


def test_ctrl_c_at_a_question_leaves_it_open(at_terminal: Callable[..., Terminal]) -> None:
    terminal = at_terminal("run", f"{AGENTS}:study")
    terminal.until("> ")
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.text
    run_id = terminal.text.split("run ")[1].split()[0]
    again = at_terminal("resume", run_id)
    again.until("> ")
    again.type("Eve\n")
    assert again.end() == 0
    assert "name = 'Eve'" in again.text


def test_ctrl_c_at_a_question_gives_a_document_too(at_terminal: Callable[..., Terminal]) -> None:
    terminal = at_terminal("run", f"{AGENTS}:study", "--run-id", "mine", "--json")
    terminal.until("> ")
    terminal.type("\x03")
    assert terminal.end() == Exit.INTERRUPTED, terminal.text
    assert '"status": "paused"' in terminal.text and "Fatal" not in terminal.text


def test_what_a_terminal_cannot_show_is_named_and_a_question_in_a_file_is_left_open(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aethergraph.cli", "run", f"{AGENTS}:shower", "--watch"]
    done = subprocess.run(
        command, env=environment(tmp_path), cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == Exit.WAITING, done.stderr
    assert "  Loss: image.png (image, 48 B)\n" in done.stdout
    assert "  Scores model score ----- ----- svm 0.5\n" in done.stdout
    assert "aether answer" in done.stdout + done.stderr


def test_an_interrupt_from_outside_is_the_same(tmp_path: Path) -> None:
    flag = tmp_path / "there"
    command = [sys.executable, "-m", "aethergraph.cli", "run", f"{AGENTS}:sleeper", "-i", f"flag={flag}", "--watch"]
    process = subprocess.Popen(
        command, env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for row in process.stdout:
        if "sleep 3600 s" in row:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "goes on with it" in err


READS = """
import atexit, sys, threading
from aethergraph.cli import script

class Last:
    def __del__(self):
        print("torn down", flush=True)

last = Last()
atexit.register(print, "said goodbye")
if len(sys.argv) > 2:
    threading.Thread(target=threading.Event().wait, name="aether-console", daemon=True).start()
script()
"""


@pytest.mark.parametrize("reads", [False, True])
def test_a_process_whose_terminal_is_still_read_ends_without_waiting_for_that(tmp_path: Path, reads: bool) -> None:
    command = [sys.executable, "-c", READS, "--version", *(["--help"] if reads else [])]
    done = subprocess.run(
        command, env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout.startswith("aethergraph ") and "said goodbye" in done.stdout
    assert ("torn down" in done.stdout) is not reads
