"""Asking and telling at a terminal."""

from __future__ import annotations

import asyncio
import io
import queue
import threading
from pathlib import Path
from typing import Any

import pytest

from aethergraph import NodeContext, Runtime, graph_fn
from aethergraph.channels.adapter import Message, Progress
from aethergraph.channels.console import Console, bar, prompt, understand
from aethergraph.engine import ANSWERED
from aethergraph.errors import RunPaused
from aethergraph.record.forms import Field
from aethergraph.record.schema import Question, make

TEXT = Question("text", "Name?")
PICK = Question("choice", "Which?", options=["svm", "forest", "2"])
MANY = Question("choice", "Which?", options=["a", "b", "c"], multiple=True)
GO = Question("approval", "Go?", options=["Approve", "Reject"])


@graph_fn
async def asking(*, context: NodeContext) -> str:
    return await context.channel("desk").ask_text("Name?")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Keyboard:
    """What a person types, line by line; each prompt is told to the test."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str | BaseException] = queue.Queue()
        self.prompts: queue.Queue[str] = queue.Queue()

    def read(self, shown: str) -> str:
        self.prompts.put(shown)
        line = self.lines.get(timeout=20)
        if isinstance(line, BaseException):
            raise line
        return line


@pytest.mark.parametrize(
    ("question", "line", "means"),
    [
        (TEXT, " Ada ", " Ada "),
        (PICK, "1", "svm"),
        (PICK, "2", "2"),  # the text of an option goes before its number
        (PICK, " forest ", "forest"),
        (PICK, "9", "9"),
        (PICK, "", ""),
        (MANY, "1, c", ["a", "c"]),
        (MANY, "", []),
        (GO, "2", "Reject"),
        (Question("number", "n"), " 3.5 ", "3.5"),
        (Question("text", "n", default="Ada", has_default=True), "", "Ada"),
    ],
)
def test_what_a_typed_line_means(question: Question, line: str, means: Any) -> None:
    assert understand(question, line) == means


def test_a_prompt_shows_reason_question_options_and_hint() -> None:
    question = Question("choice", "Which?", options=["a", "b"], multiple=True, default=["a", "b"], has_default=True)
    assert prompt(question, "'z' is none of 'a', 'b'").splitlines() == [
        "! 'z' is none of 'a', 'b'",
        "Which?",
        "  1. a",
        "  2. b",
        "[several, separated by commas; Enter for a, b] > ",
    ]
    assert prompt(TEXT) == "Name?\n> "
    assert prompt(Question("number", "n?", min=1, max=9)) == "n?\n[from 1 to 9] > "
    approval = Question(
        "approval", "Go?", options=["Yes"], default={"approved": True, "choice": "Yes"}, has_default=True
    )
    assert "[Enter for Yes] > " in prompt(approval)
    secret = Question("text", "Key?", default="hunter2", has_default=True, silent=True)
    assert "hunter2" not in prompt(secret)


def test_paths_are_typed_as_a_shell_takes_them(tmp_path: Path) -> None:
    plain, spaced = tmp_path / "a.csv", tmp_path / "b c.csv"
    plain.write_text("x")
    spaced.write_text("y")
    many, one = Question("files", "Data?", multiple=True), Question("files", "Data?")
    assert understand(many, f" {spaced} ") == [str(spaced)]  # a file as it stands
    assert understand(many, f"'{spaced}' {plain}") == [str(spaced), str(plain)]
    assert understand(many, str(spaced).replace(" ", "\\ ")) == [str(spaced)]  # as a terminal writes what is dropped
    assert understand(many, "what's.csv") == ["what's.csv"]  # no such file, and no words
    assert understand(one, f'"{spaced}"') == [str(spaced)]
    assert understand(one, "not there.csv") == ["not there.csv"]
    assert understand(many, " ") == []


def test_a_prompt_for_files_tells_the_limits_and_what_comes_by_default() -> None:
    question = make(
        "files",
        "Data?",
        accept=".csv",
        max_size=5000,
        multiple=True,
        default={"text": "", "files": [{"path": "a.csv"}]},
    )
    assert prompt(question).splitlines()[1] == (
        "[paths of files, those with spaces in quotes; .csv; at most 5.0 kB each; Enter for a.csv] > "
    )
    assert prompt(make("files", "Data?")).splitlines()[1] == "[path of a file] > "
    assert understand(question, "") == question.default


FORM = make(
    "form",
    "Which model?",
    form=[
        Field("name", title="Name", shortest=1),
        Field("rows", "number", whole=True, min=1, default=10, has_default=True, needed=False),
        Field("day", "date", nullable=True, needed=False),
        Field("fast", "bool"),
        Field("tags", "texts", needed=False),
        Field("split", "form", fields=[Field("how", "choice", options=["rows", "days"])]),
    ],
)


def form(console: Console, refused: str = "") -> Any:
    return asyncio.run(console._ask(FORM, "t", refused))


def test_a_form_is_asked_field_by_field_each_until_it_fits() -> None:
    keyboard = Keyboard()
    for line in ("", "svm", "0", "", "", "yes", "a, b", "2"):
        keyboard.lines.put(line)
    assert form(Console(keyboard.read)) == {
        "name": "svm", "rows": 10, "day": None, "fast": True, "tags": ["a", "b"], "split": {"how": "days"}
    }  # fmt: skip
    assert [keyboard.prompts.get() for _ in range(8)] == [
        "Which model?\nName\n> ",
        "! is empty\nName\n> ",
        "rows\n[Enter for 10] > ",
        "! 0 is below 1\nrows\n[Enter for 10] > ",
        "day (Enter for none)\n> ",
        "fast\n  1. yes\n  2. no\n> ",
        "tags (several, separated by commas; Enter for none)\n> ",
        "split: how\n  1. rows\n  2. days\n> ",
    ]


def test_a_form_that_is_refused_as_a_whole_is_asked_again_with_what_was_typed() -> None:
    keyboard = Keyboard()
    console = Console(keyboard.read)
    for line in ("svm", "3", "2026-03-31", "no", "a, b", "rows"):
        keyboard.lines.put(line)
    first = form(console)
    for _ in range(6):
        keyboard.prompts.get()
        keyboard.lines.put("")
    assert form(console, "name: is taken") == first
    assert keyboard.prompts.get() == "! name: is taken\nWhich model?\nName\n[Enter for svm] > "


def test_a_line_answers_the_question() -> None:
    keyboard = Keyboard()
    keyboard.lines.put("1")
    assert asyncio.run(Console(keyboard.read)._ask(PICK, "t", "")) == "svm"


def test_a_silent_question_is_read_silently() -> None:
    hidden = Keyboard()
    hidden.lines.put("secret")
    console = Console(Keyboard().read, hidden.read)
    assert asyncio.run(console._ask(Question("text", "Key?", silent=True), "t", "")) == "secret"


@pytest.mark.parametrize("error", [EOFError(), OSError("reading from stdin"), NotImplementedError("no stdin")])
def test_a_closed_input_is_an_end_of_file(error: BaseException) -> None:
    keyboard = Keyboard()
    keyboard.lines.put(error)
    with pytest.raises(EOFError):
        asyncio.run(Console(keyboard.read)._ask(TEXT, "t", ""))


def test_questions_at_once_are_asked_one_after_the_other() -> None:
    keyboard = Keyboard()

    async def both() -> list[Any]:
        console = Console(keyboard.read)
        first = asyncio.ensure_future(console._ask(TEXT, "t1", ""))
        second = asyncio.ensure_future(console._ask(PICK, "t2", ""))
        assert await asyncio.to_thread(keyboard.prompts.get, timeout=20) == prompt(TEXT)
        assert keyboard.prompts.empty()
        keyboard.lines.put("Ada")
        assert await asyncio.to_thread(keyboard.prompts.get, timeout=20) == prompt(PICK)
        keyboard.lines.put("svm")
        return list(await asyncio.gather(first, second))

    assert asyncio.run(both()) == ["Ada", "svm"]


def test_a_prompt_whose_question_was_answered_elsewhere_hands_its_line_on() -> None:
    keyboard, out = Keyboard(), io.StringIO()

    async def story() -> Any:
        console = Console(keyboard.read, out=out)
        first = asyncio.ensure_future(console._ask(TEXT, "t1", ""))
        await asyncio.to_thread(keyboard.prompts.get, timeout=20)
        first.cancel(ANSWERED)
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.ensure_future(console._ask(PICK, "t2", ""))
        await asyncio.sleep(0)
        keyboard.lines.put("forest")
        return await second

    assert asyncio.run(story()) == "forest"
    assert out.getvalue() == "(answered elsewhere)\n" + prompt(PICK)


@pytest.mark.parametrize(("end", "said"), [("answer", "(answered elsewhere)\n"), ("pause", "\n")])
def test_a_prompt_that_stands_when_its_question_is_over_says_why(tmp_path: Path, end: str, said: str) -> None:
    """A run that is paused by Ctrl-C leaves its question open: nobody answered it."""
    keyboard, out = Keyboard(), io.StringIO()
    runtime = Runtime(tmp_path / "store")
    runtime.bus.register("desk", Console(keyboard.read, out=out))
    run = runtime.start(asking, {})
    keyboard.prompts.get(timeout=20)
    if end == "answer":
        runtime.answer(run.waits[0].token, "Ada")
        assert dict(run.result(20)) == {"result": "Ada"}
    else:
        run.pause()
        with pytest.raises(RunPaused):
            run.result(20)
    runtime.close()
    assert out.getvalue() == said
    keyboard.lines.put("too late")


def test_a_line_for_nobody_is_dropped_and_the_console_still_works() -> None:
    keyboard, out = Keyboard(), io.StringIO()
    console = Console(keyboard.read, out=out)

    async def abandoned() -> None:
        task = asyncio.ensure_future(console._ask(TEXT, "t1", ""))
        await asyncio.to_thread(keyboard.prompts.get, timeout=20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(abandoned())
    reader = next(thread for thread in threading.enumerate() if thread.name == "aether-console")
    keyboard.lines.put("too late")
    reader.join(20)
    keyboard.lines.put("Ada")
    assert asyncio.run(console._ask(TEXT, "t2", "")) == "Ada"


def test_messages_are_printed() -> None:
    out = io.StringIO()
    asyncio.run(Console(out=out).send(Message("text", "hello", "console", "r", "n"), "1"))
    assert out.getvalue() == "hello\n"


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    for err in (terminal, file):
        Console(err=err).progress(Progress("1", "train", 1, 2, "", False))
        Console(err=err).progress(Progress("1", "train", 2, 2, "done", True))
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("] 2/2 done\n")
    assert file.getvalue() == ""


def test_a_bar_shows_its_part() -> None:
    assert bar(Progress("1", "train", 6, 12, "epoch 6", False)) == "train [############------------] 6/12 epoch 6"
    assert bar(Progress("1", "", 7, 0, "", False)) == "[------------------------] 7"
    assert bar(Progress("1", "", 30, 10, "", True)).startswith("[########################]")
