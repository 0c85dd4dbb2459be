"""Answers that were written down beforehand: for tests, papermill, nbclient and scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from ..engine import Asker
from ..record.schema import Question
from ..storage import waiting
from ..storage.store import Store
from .adapter import KINDS, Message

VARIABLE = "AETHERGRAPH_ANSWERS"


class Asked(msgspec.Struct, frozen=True):
    """A question as a script sees it. `name` is "" where the question has none."""

    question: Question
    token: str
    run_id: str

    @property
    def prompt(self) -> str:
        """What is asked."""
        return self.question.prompt

    @property
    def name(self) -> str:
        """How the script may know it."""
        return self.question.name

    @property
    def kind(self) -> str:
        """ "text", "approval", "choice", "number", "files" or "form"."""
        return self.question.kind

    @property
    def options(self) -> list[str]:
        """What can be chosen."""
        return self.question.options


Answers = Mapping[str, Any] | Sequence[Any] | Callable[[Asked], Any]


class Script:
    """Answers by name or prompt, in order, or from a function. None is no answer.

    A list under a name or prompt gives one answer each time that its run asks it. For a question that takes several
    options or files, a list of plain ones is one answer; a list of lists gives one answer each time. Files are given
    by paths, by bytes or as `(name, bytes)`.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def knows(self, question: Question) -> bool:
        """Whether there may be an answer to it."""
        return not isinstance(self.answers, Mapping) or self._key(question) is not None

    def answer(self, asked: Asked, store: Store) -> Any:
        """The answer, or None where there is none (any more)."""
        answers, question = self.answers, asked.question
        if isinstance(answers, Mapping):
            key = self._key(question)
            if key is None:
                return None
            entry = answers[key]
            if callable(entry):
                return entry(asked)
            if not isinstance(entry, list) or (question.multiple and not any(isinstance(e, list) for e in entry)):
                return entry
            return _nth(entry, earlier(store, asked, lambda other: key in (other.name, other.prompt)))
        if isinstance(answers, Sequence):
            return _nth(answers, earlier(store, asked, lambda other: True))
        return answers(asked)

    def _key(self, question: Question) -> str | None:
        assert isinstance(self.answers, Mapping)
        return next((key for key in (question.name, question.prompt) if key and key in self.answers), None)


def earlier(store: Store, asked: Asked, alike: Callable[[Question], bool]) -> int:
    """How many questions like this one its run asked before it.

    Counted in the store and not in this process, so that a run that was killed and resumed goes on in its list
    where it was.
    """
    rows = [row for row in waiting.everything(store) if row.run_id == asked.run_id and row.state != "withdrawn"]
    own = next((row.no for row in rows if row.token == asked.token), None)
    return sum(1 for row in rows if row.token != asked.token and alike(row.question) and (own is None or row.no < own))


def _nth(entries: Sequence[Any], index: int) -> Any:
    return entries[index] if index < len(entries) else None


def from_environment(text: str, named: str = VARIABLE) -> Script | None:
    """The script in the variable AETHERGRAPH_ANSWERS: JSON, or the path of a file of JSON. `named`: what gave it.

    Raises:
        ValueError: it is neither.
    """
    if not text.strip():
        return None
    where, source = named, text
    if text.lstrip()[0] not in "{[":
        where, path = f"{text} (named by {named})", Path(text).expanduser()
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{named} is neither JSON nor a file that can be read ({error}): "
                f'set it to {{"name or prompt": answer}} or to the path of such a file'
            ) from error
    import json  # slow to load, and only needed here

    try:
        answers = json.loads(source)
    except json.JSONDecodeError as error:
        raise ValueError(f'{where} is not valid JSON ({error}): expected {{"name or prompt": answer}}') from error
    if not isinstance(answers, (dict, list)):
        raise ValueError(f'{where} holds {type(answers).__name__}: expected {{"name or prompt": answer}}')
    return Script(answers)


_active: list[ScriptedChannel] = []
_active_lock = threading.Lock()


def active() -> ScriptedChannel | None:
    """The innermost `with ScriptedChannel(...)` of this process."""
    with _active_lock:
        return _active[-1] if _active else None


class ScriptedChannel:
    """The default channel inside its `with` or `async with` block, for all runs of the process, whatever their thread.

    >>> with ScriptedChannel({"Your name?": "Ada", "keep": ["svm", "forest"]}) as channel:
    ...     pass  # run(agent)
    >>> channel.sent, channel.asked
    ([], [])

    A question without an answer takes its `default=`, else it raises NoOneToAsk.

    Args:
        answers: by name or prompt (a list there gives one answer each time), a list in the order in which a run
            asks, or a function of `Asked`.
    """

    capabilities = KINDS
    ask: Asker | None = None  # the bus asks the script itself, which needs to know the run

    def __init__(self, answers: Answers = ()) -> None:
        if isinstance(answers, (str, bytes)) or not (isinstance(answers, (Mapping, Sequence)) or callable(answers)):
            raise TypeError(
                f'ScriptedChannel takes {{"name or prompt": answer}}, a list of answers or a function, '
                f"not {type(answers).__name__}"
            )
        self.script = Script(answers)
        self.messages: list[Message] = []
        self.questions: list[Asked] = []
        self._ids: set[str] = set()

    @property
    def sent(self) -> list[str]:
        """The texts that were sent, in order; `messages` holds them whole."""
        return [message.text for message in self.messages]

    @property
    def asked(self) -> list[str]:
        """The prompts that were asked, in order; `questions` holds them whole."""
        return [asked.prompt for asked in self.questions]

    async def send(self, message: Message, id: str) -> None:
        """Keep the message, once."""
        if id not in self._ids:
            self._ids.add(id)
            self.messages.append(message)

    def __enter__(self) -> ScriptedChannel:
        with _active_lock:
            _active.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _active_lock:
            _active.remove(self)

    async def __aenter__(self) -> ScriptedChannel:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
