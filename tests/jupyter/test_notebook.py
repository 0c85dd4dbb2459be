"""Which front end there is, and asking through its input line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aethergraph import Runtime
from aethergraph.record.forms import Field
from aethergraph.record.schema import Question, make
from aethergraph.storage import waiting
from aethergraph.storage.keyring import Keyring
from jupyter_ext import notebook, run_view
from jupyter_ext.below import is_asked_below
from jupyter_ext.settings import Settings

from .conftest import FakeDesk, inside


@pytest.fixture
def kernel(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    kernel = SimpleNamespace(_allow_stdin=True, session=SimpleNamespace(session="k1"))
    monkeypatch.setattr(shell, "kernel", kernel, raising=False)
    for name in ("AETHERGRAPH_INTERACTIVE", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    return kernel


def test_a_shell_without_a_kernel_is_no_notebook(shell: InteractiveShell) -> None:
    assert notebook.kernel() is None
    assert not notebook.live()
    assert notebook.session() == ""


def test_a_kernel_that_may_ask_is_live(kernel: SimpleNamespace) -> None:
    assert notebook.live()


def test_a_kernel_run_by_a_tool_is_not(kernel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel._allow_stdin = False
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    assert not notebook.live()


@pytest.mark.parametrize(("said", "live"), [("0", False), ("1", True), ("no", False), ("Yes", True)])
def test_the_environment_overrules(
    kernel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, said: str, live: bool
) -> None:
    kernel._allow_stdin = not live
    monkeypatch.setenv("AETHERGRAPH_INTERACTIVE", said)
    assert notebook.live() is live


def test_the_session_is_the_notebook_or_else_the_kernel(
    kernel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notebook.session() == "k1"
    monkeypatch.setenv("JPY_SESSION_NAME", "work/a.ipynb")
    assert notebook.session() == "work/a.ipynb"


def typing(*lines: str) -> Callable[[str], str]:
    """Somebody who types these lines."""
    left = iter(lines)
    return lambda prompt: next(left)


CHOICE = Question("choice", "Which model?", options=["svm", "forest", "2"])


@pytest.mark.parametrize(
    ("question", "typed", "answer"),
    [
        (Question("text", "Name?"), "Ada ", "Ada "),
        (CHOICE, "1", "svm"),
        (CHOICE, "forest", "forest"),
        (CHOICE, " SVM ", "SVM"),
        (CHOICE, "2", "2"),  # itself an option
        (Question("choice", "?", options=["a", "b", "c"], multiple=True), "1, c", ["a", "c"]),
        (Question("approval", "Go?", options=["Approve", "Reject"]), "2", "Reject"),
        (Question("number", "How many?", min=1, max=5), "3", "3"),
    ],
)
def test_what_is_typed_is_understood(question: Question, typed: str, answer: Any) -> None:
    assert notebook.ask_by_stdin(question, "t", read=typing(typed)) == answer


def test_it_asks_again_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert notebook.ask_by_stdin(CHOICE, "t", "too late", read=typing("9", "svm")) == "svm"
    said = capsys.readouterr().out
    assert said.startswith("Which model?\n  1. svm\n  2. forest\n  3. 2\nThat does not fit: too late\n")
    assert "That does not fit: '9' is none of 'svm', 'forest', '2'" in said


def test_paths_are_asked_for_below_a_cell_until_they_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.csv").write_text("x,y")
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")
    with runtime.use():
        question = make("files", "Data?", accept=".csv", multiple=True)
        read = typing("", str(tmp_path / "a.txt"), str(tmp_path / "a.csv"))
        (found,) = notebook.ask_by_stdin(question, "t", read=read)["files"]
    runtime.close()
    assert (found["name"], found["size"]) == ("a.csv", 3)
    said = capsys.readouterr().out
    assert "at least one file is needed" in said and "'a.txt' is text/plain" in said


def test_a_form_is_asked_below_a_cell_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    question = make("form", "Which model?", form=[Field("name", shortest=1), Field("rows", "number", min=1)])
    assert notebook.ask_by_stdin(question, "t", read=typing("", "svm", "0", "3")) == {"name": "svm", "rows": 3.0}
    said = capsys.readouterr().out
    assert said.startswith("Which model?\nname\n! is empty\nname\n") and "! 0 is below 1" in said


def test_an_empty_line_is_asked_for_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """The line takes the keyboard when it appears: an Enter may have been meant for something else."""
    name = Question("text", "Name?")
    assert notebook.ask_by_stdin(name, "t", read=typing("", "Ada")) == "Ada"
    assert "Press Enter once more" in capsys.readouterr().out
    assert notebook.ask_by_stdin(name, "t", read=typing("", "")) == ""


def test_prompts_say_what_may_be_typed() -> None:
    asked: list[str] = []

    def read(prompt: str) -> str:
        asked.append(prompt)
        return "1"

    for question in (CHOICE, Question("number", "?", min=0, max=9), Question("text", "?")):
        notebook.ask_by_stdin(question, "t", read=read)
    assert asked == ["1-3 or the text: ", "number from 0 to 9: ", "> "]


def test_a_cell_is_told_by_its_id_and_execution(kernel: SimpleNamespace) -> None:
    kernel.get_parent = lambda: {"header": {"msg_id": "m1"}, "metadata": {"cellId": "c1"}}
    assert notebook.cell() == "c1#m1"
    kernel.get_parent = lambda: {"header": {"msg_id": "m1"}, "metadata": []}
    assert notebook.cell() == ""
    with inside(FakeDesk()):
        first, second = notebook.cell(), notebook.cell()
    assert first.startswith("nested ") and first != second


@pytest.fixture
def asked(kernel: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Asks an open question from a blocked thread; gives the answer, "typed" where it was asked by stdin."""
    kernel._supports_kernel_subshells = True
    monkeypatch.setattr(notebook, "PATIENCE_S", 0.0)
    monkeypatch.setattr(
        notebook, "ask_by_stdin", lambda question, token, refused: "typed" if is_asked_below(token) else "?"
    )
    monkeypatch.setattr(run_view, "heard_off_main", lambda: False)
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")

    def ask(channel: str = "notebook", state: str = "open") -> Any:
        question = Question("text", "Name?", channel=channel)
        row = waiting.WaitRow("t", "run-1", "ask", 1, question, 0.0, state=state)
        with runtime.store.transact() as rows:
            waiting.open_op(row)(rows)
        return notebook.ask_while_blocked(question, "t")

    with runtime.use():
        yield ask
    runtime.close()


def test_a_blocked_cell_asks_by_stdin(asked: Callable[..., Any]) -> None:
    assert asked() == "typed"


def test_but_not_where_the_view_is_heard(asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_view, "heard_off_main", lambda: True)
    assert asked() is None


def test_a_kernel_that_can_hear_no_view_asks_at_once(
    asked: Callable[..., Any], kernel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel._supports_kernel_subshells = False
    monkeypatch.setattr(notebook, "PATIENCE_S", 1e9)
    assert asked() == "typed"


def test_nor_where_nobody_is(asked: Callable[..., Any], kernel: SimpleNamespace) -> None:
    kernel._allow_stdin = False
    assert asked() is None


@pytest.mark.parametrize(("channel", "state"), [("inbox", "open"), ("console", "open"), ("notebook", "answered")])
def test_nor_what_others_ask_or_have_answered(asked: Callable[..., Any], channel: str, state: str) -> None:
    assert asked(channel, state) is None


def test_settings_name_what_there_is() -> None:
    settings = Settings()
    settings.set("echo", "on")
    assert str(settings) == "echo=on  (off | on)\nstatic=full  (full | small | off)"
    with pytest.raises(ValueError, match="no setting 'color'; there are: echo, static"):
        settings.set("color", "on")
    with pytest.raises(ValueError, match="static is one of full, small, off; got 'big'"):
        settings.set("static", "big")
