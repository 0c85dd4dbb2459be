"""What nodes print, display and draw, in a real IPython shell."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, clear_output, display
from IPython.utils.capture import capture_output

from jupyter_ext.capture import WIDGET, Capture
from jupyter_ext.settings import settings

from .conftest import FakeDesk, inside


class Stream(io.TextIOBase):
    """A stream of a Python class, as the kernel's are."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, text: str) -> int:
        self.texts.append(text)
        return len(text)

    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture
def shown(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What reaches the cell's own output."""
    found: list[dict[str, object]] = []
    kind = type(shell.display_pub)
    monkeypatch.setattr(kind, "publish", lambda self, data, metadata=None, **options: found.append(data))
    monkeypatch.setattr(kind, "clear_output", lambda self, wait=False: found.clear())
    return found


class Kernel:
    """A shell with output streams like a kernel's. Made in the test itself: pytest swaps sys.stdout before it."""

    def __init__(self, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shell, self.out = shell, Stream()
        monkeypatch.setattr(sys, "stdout", self.out)
        monkeypatch.setattr(sys, "stderr", Stream())

    def open(self) -> None:
        self.capture = Capture(self.shell)


@pytest.fixture
def start(
    shell: InteractiveShell, shown: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Kernel]]:
    started: list[Kernel] = []

    def begin() -> Kernel:
        started.append(Kernel(shell, monkeypatch))
        started[-1].open()
        return started[-1]

    yield begin
    for kernel in started:
        kernel.capture.close()


def printed(kernel: Kernel, desk: FakeDesk) -> list[tuple[str, bool]]:
    kernel.capture.prints.flush()
    return desk.printed()


def test_prints_go_to_the_node_or_the_cell(start: Callable[[], Kernel]) -> None:
    kernel = start()
    with inside(FakeDesk()) as desk:
        print("from the node")
        print("oh", file=sys.stderr)
    print("from the cell")
    assert printed(kernel, desk) == [("from the node\n", False), ("oh\n", True)]
    assert kernel.out.text() == "from the cell\n"


def test_a_thread_with_the_nodes_context_prints_for_the_node(start: Callable[[], Kernel]) -> None:
    kernel = start()
    with inside(FakeDesk()) as desk:
        thread = threading.Thread(target=copy_context().run, args=(print, "deep"))
        thread.start()
        thread.join()
    assert printed(kernel, desk) == [("deep\n", False)]


def test_ipythons_tee_neither_wipes_the_capture_nor_hears_nodes(start: Callable[[], Kernel]) -> None:
    kernel = start()
    desk = FakeDesk()
    kernel.shell.user_ns.update(desk=desk, inside=inside)
    kernel.shell.run_cell("print('cell')\nwith inside(desk):\n    print('one')")
    kernel.shell.run_cell("with inside(desk):\n    print('two')", store_history=True)
    assert printed(kernel, desk) == [("one\ntwo\n", False)]
    assert kernel.out.text() == "cell\n"


def test_echo_also_prints_in_the_cell(start: Callable[[], Kernel], monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = start()
    monkeypatch.setattr(settings, "echo", "on")
    with inside(FakeDesk()) as desk:
        print("both")
    assert printed(kernel, desk) == [("both\n", False)]
    assert kernel.out.text() == "both\n"


def test_display_belongs_to_the_node(start: Callable[[], Kernel], shown: list[dict[str, object]]) -> None:
    start()
    with inside(FakeDesk()) as desk:
        print("first")
        display(HTML("<b>x</b>"))
        clear_output()
    display(HTML("<i>y</i>"))
    assert [kind for kind, _ in desk.notes] == ["out", "show"]
    assert desk.notes[1][1]["text/html"] == "<b>x</b>"
    assert [data["text/html"] for data in shown] == ["<i>y</i>"]


def test_a_shown_png_is_kept_in_the_store(start: Callable[[], Kernel]) -> None:
    start()
    with inside(FakeDesk()) as desk:
        display({"image/png": b"\x89PNG"}, raw=True)
        display({"image/png": "iVBORw=="}, raw=True)
    assert desk.notes == [("figure", {"png": "0"}), ("figure", {"png": "1"})]
    assert desk.store.blobs.kept == [b"\x89PNG", b"\x89PNG"]


def test_what_cannot_be_noted_is_left_out(start: Callable[[], Kernel]) -> None:
    start()
    with inside(FakeDesk()) as desk:
        display(
            {"text/plain": "x", "application/json": {"a": [1]}, "text/html": "y" * 10**6, "odd": object()}, raw=True
        )
        display({"text/html": "y" * 10**6}, raw=True)
    assert desk.notes[0] == ("show", {"text/plain": "x", "application/json": {"a": [1]}})
    assert desk.notes[1] == ("show", {"text/plain": "(too large to keep: text/html)"})


def test_widgets_pass_to_the_cell(start: Callable[[], Kernel], shown: list[dict[str, object]]) -> None:
    start()
    with inside(FakeDesk()) as desk:
        display({WIDGET: {"model_id": "1"}, "text/plain": "w"}, raw=True)
    assert desk.notes == [] and WIDGET in shown[0]


def test_a_capturing_cell_hears_only_itself(start: Callable[[], Kernel]) -> None:
    kernel = start()
    desk = FakeDesk()
    kernel.shell.user_ns.update(desk=desk, inside=inside, display=display)
    kernel.shell.run_cell(
        "%%capture got\nprint('mine')\ndisplay(1)\nwith inside(desk):\n    print('its')\n    display(2)"
    )
    kernel.capture.prints.flush()
    assert kernel.shell.user_ns["got"].stdout == "mine\n"
    assert len(kernel.shell.user_ns["got"].outputs) == 1
    assert desk.printed() == [("its\n", False)]
    assert desk.notes[-1] == ("show", {"text/plain": "2"})


def test_closing_takes_everything_back(start: Callable[[], Kernel], shell: InteractiveShell) -> None:
    enter, finders = capture_output.__enter__, list(sys.meta_path)
    kernel = start()
    kernel.capture.close()
    assert type(kernel.out) is Stream and "write" not in kernel.out.__dict__
    assert "publish" not in shell.display_pub.__dict__
    assert capture_output.__enter__ is enter
    assert sys.meta_path == finders
    with inside(FakeDesk()) as desk:
        print("plain")
    assert kernel.out.text() == "plain\n" and desk.notes == []


def test_closing_inside_a_cell_survives_the_end_of_that_cell(start: Callable[[], Kernel]) -> None:
    kernel = start()
    kernel.shell.user_ns["capture"] = kernel.capture
    kernel.shell.run_cell("capture.close()")
    with inside(FakeDesk()) as desk:
        print("plain")
    assert kernel.out.text() == "plain\n" and desk.notes == []


def test_opening_inside_a_cell_survives_the_end_of_that_cell(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(shell, monkeypatch)
    shell.user_ns["kernel"] = kernel
    shell.run_cell("kernel.open(); print('cell')")
    with inside(FakeDesk()) as desk:
        print("for the node")
    assert printed(kernel, desk) == [("for the node\n", False)]
    assert kernel.out.text() == "cell\n"
    kernel.capture.close()


def test_streams_of_the_system_are_left_alone(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", console)
    Capture(shell).close()
    assert type(console) is io.TextIOWrapper
