"""What a question is and which answers fit it. Pure: the same check runs in any process."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import BadAnswer
from ..values.canonical import plain
from . import files, forms, uploads
from .forms import Field

FILES, FORM = "files", "form"
ASKED = frozenset({"text", "approval", "choice", "number", FILES, FORM})  # kinds that a person answers
EXTERNAL, EVENT = "external", "event"  # kinds that no person is asked: another system answers, a signal comes
KINDS = ("text", "approval", "choice", "number", FILES, FORM, EXTERNAL)
YES = frozenset({"yes", "ok", "okay", "approve", "approved", "accept", "proceed", "continue"})


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question to a person, declaratively: whoever has the store can show it and check an answer.

    Everything else that a run waits for durably has this form too, and is no question to anybody: see `by_person`.

    kind: "text", "approval", "choice", "number", "files" or "form"; "timer", which its deadline ends; "external" for
        what another system answers, with any plain value; "event" for a signal, whose name is `name`.
    options: the choices of "approval" and "choice", in order.
    default: used when the deadline passes, or where nobody can be asked; `has_default` says whether there is one.
    channel: where it is asked ("notebook", "console", "inbox", ...).
    silent: for "text": do not echo the answer in transcripts.
    accept: for "files": endings and types of those that are taken, all where it is empty; see `files.kinds`.
    max_size: for "files": bytes of the largest that is taken.
    max_files: for "files" with `multiple`: how many are taken.
    form: for "form": its fields, in order.
    model: for "form": names what else checks the answer, where that is loaded; see `forms.models`.
    """

    kind: str
    prompt: str
    name: str = ""
    options: list[str] = []
    multiple: bool = False
    min: float | None = None
    max: float | None = None
    step: float | None = None
    default: Any = None
    has_default: bool = False
    timeout_s: float | None = None
    channel: str = ""
    silent: bool = False
    accept: list[str] = []
    max_size: int | None = None
    max_files: int | None = None
    form: list[Field] = []
    model: str = ""

    @property
    def by_person(self) -> bool:
        """Whether a person is to answer it."""
        return self.kind in ASKED


_decoder = msgspec.msgpack.Decoder(Question)


def timer(seconds: float) -> Question:
    """A wait that ends by itself, `seconds` after it was opened."""
    return Question("timer", f"sleep {seconds:g} s", timeout_s=seconds, has_default=True)


def limit(timeout_s: Any, what: str) -> float | None:
    """`timeout_s` as it was given, None for no limit.

    Raises:
        TypeError, ValueError: it is no number of seconds above 0; says so.
    """
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
        raise TypeError(f"timeout_s of {what!r} is a number of seconds, got {type(timeout_s).__name__}: {timeout_s!r}")
    if not timeout_s > 0 or not math.isfinite(timeout_s):
        raise ValueError(f"timeout_s={timeout_s:g} of {what!r} is not above 0, or has no end; None is no limit")
    return timeout_s if type(timeout_s) in (int, float) else float(timeout_s)  # numpy's are none to the store


def make(
    kind: str,
    prompt: str,
    *,
    name: str = "",
    options: Sequence[str] = (),
    timeout_s: float | None = None,
    default: Any = None,
    **more: Any,
) -> Question:
    """A question that can be asked: what cannot be answered is refused here. A `default` of None is none.

    Raises:
        TypeError, ValueError: it has no prompt, no such kind, a name that is no text, options that are none, bounds
            that are no numbers or that nothing is between, a time limit not above 0, or a default that does not fit.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} of {prompt!r}: expected one of {_listed(list(KINDS))}")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(f"a question needs a prompt, got {prompt!r}")
    timeout_s = limit(timeout_s, prompt)
    if kind in ("approval", "choice"):
        _check_options(prompt, options)
    elif options:
        raise ValueError(f'options of {prompt!r} are for kind="choice" and kind="approval", not for kind={kind!r}')
    if not isinstance(name, str):
        raise TypeError(f"name of {prompt!r} is a text, got {name!r}")
    low, high, step = (_bound(prompt, bound, more) for bound in ("min", "max", "step"))
    if low is not None and high is not None and low > high:
        raise ValueError(f"no number can answer {prompt!r}: min={low:g} is above max={high:g}")
    if step is not None and step <= 0:
        raise ValueError(f"step={step:g} of {prompt!r} is not above 0")
    if kind == FORM and not more.get("form"):
        raise ValueError(f"{prompt!r} has no fields to ask for; `ask_form(Model)` takes them from a pydantic model")
    if kind == FILES:
        more["accept"] = files.kinds(more.get("accept"), f"accept of {prompt!r}")
        for limit_ in ("max_size", "max_files"):
            _check_limit(prompt, limit_, more.get(limit_))
    elif not more.get("accept"):
        more.pop("accept", None)
    question = Question(kind, prompt, name, list(options), timeout_s=timeout_s, **more)
    _check_stored(question)
    return question if default is None else with_default(question, default)


def _check_stored(question: Question) -> None:
    """Raises TypeError where the store would take it but not give it back: its run could not be read again."""
    try:
        _decoder.decode(msgspec.msgpack.encode(question))
    except (msgspec.ValidationError, OverflowError, TypeError) as error:
        why = str(error).replace(" - at `$.", ", as its `")
        raise TypeError(f"{question.prompt!r} cannot be asked: {why}") from None


def _bound(prompt: str, name: str, given: dict[str, Any]) -> float | None:
    """A bound of a number, which stands in `given` as a plain number then: the store takes no other."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} of {prompt!r} is a number, got {type(value).__name__}: {value!r}")
    if math.isnan(value):
        raise ValueError(f"{name}=nan of {prompt!r} bounds nothing; None is no bound")
    given[name] = plain = int(value) if isinstance(value, numbers.Integral) else float(value)
    return plain


def _check_limit(prompt: str, name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name}={value!r} of {prompt!r} is not a whole number above 0; None is no limit")


def essence(question: Question) -> Question:
    """What makes two questions the same, and an answer to one fit the other: not where, for how long or for whom."""
    q = question
    return Question(
        q.kind, q.prompt, q.name, q.options, q.multiple, q.min, q.max, q.step,
        accept=q.accept, max_size=q.max_size, max_files=q.max_files, form=q.form,
    )  # fmt: skip


def with_default(question: Question, default: Any) -> Question:
    """`question`, which is answered with `default` when its time is up.

    Raises:
        ValueError: the default does not fit.
    """
    try:
        # What is to be uploaded by default is looked at when it is wanted: it may be made, or be gone, by then.
        given = list(default) if isinstance(default, tuple) else default
        checked = given if question.kind == FILES else check(question, given)
    except BadAnswer as error:
        raise ValueError(f"default={default!r} does not fit {question.prompt!r}: {error.why}") from None
    return msgspec.structs.replace(question, default=checked, has_default=True)


def _check_options(prompt: str, options: Sequence[str]) -> None:
    if isinstance(options, str) or not all(isinstance(option, str) for option in options):
        raise TypeError(f"the options of {prompt!r} are a list of texts, got {options!r}")
    if not options:
        raise ValueError(f"{prompt!r} has no options to choose from")
    if len(set(options)) != len(options):
        raise ValueError(f"options of {prompt!r} are there twice: {', '.join(map(repr, options))}")


def encode(question: Question) -> bytes:
    """`question` as msgpack."""
    return msgspec.msgpack.encode(question)


def decode(data: bytes) -> Question:
    """The question that `encode` wrote."""
    return msgspec.msgpack.decode(data, type=Question)


def check(question: Question, answer: Any) -> Any:
    """`answer` in the form the asking code gets.

    text: a str. approval: `{"approved": bool, "choice": str}`. choice: the option, or a list of them with `multiple`.
    number: an int where step and bounds are whole numbers, else a float. files: see `uploads.check`. form: a dict by
    the names of its fields. external, event: any plain value, as it is.

    Raises:
        BadAnswer: it does not fit; says why and what would.
    """
    match question.kind:
        case "text":
            return _text(answer)
        case "approval":
            return _approval(question, answer)
        case "choice":
            return _choice(question, answer)
        case "number":
            return _number(question, answer)
        case "files":
            return uploads.check(question, answer)
        case "form":
            return forms.check(question, answer)
        case "timer":
            raise BadAnswer("a timer ends by itself, at its time")
        case "external" | "event":
            return _payload(answer)
        case other:
            raise BadAnswer(f"a question of kind {other!r} is unknown to this version")


def _payload(answer: Any) -> Any:
    if not plain(answer):
        raise BadAnswer(
            f"expected plain data (None, bool, number, text, bytes, and lists and dicts of these), got a value of type "
            f"{type(answer).__name__} that is not, or holds what is not"
        )
    return answer


def _text(answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, (int, float)) and not isinstance(answer, bool):
        return str(answer)
    raise BadAnswer(f"expected text, got {type(answer).__name__}")


def _approval(question: Question, answer: Any) -> dict[str, Any]:
    options = question.options
    if isinstance(answer, dict):
        answer = answer.get("choice", answer.get("approved"))
    if isinstance(answer, bool):
        answer = options[0] if answer else options[-1]
    choice = _one_of(options, answer)
    return {"approved": choice == options[0] or choice.strip().lower() in YES, "choice": choice}


def _choice(question: Question, answer: Any) -> Any:
    if not question.multiple:
        return _one_of(question.options, answer)
    if isinstance(answer, str):
        answer = [answer]
    if not isinstance(answer, (list, tuple)):
        raise BadAnswer(f"expected a list of {_listed(question.options)}")
    chosen = {_one_of(question.options, one) for one in answer}
    return [option for option in question.options if option in chosen]


def _one_of(options: list[str], answer: Any) -> str:
    if isinstance(answer, str):
        if answer in options:
            return answer
        folded = [option for option in options if option.strip().lower() == answer.strip().lower()]
        if len(folded) == 1:
            return folded[0]
    raise BadAnswer(f"{answer!r} is none of {_listed(options)}")


def _listed(options: list[str]) -> str:
    return ", ".join(repr(option) for option in options)


def _number(question: Question, answer: Any) -> int | float:
    try:
        value = float(answer)
    except (TypeError, ValueError):
        raise BadAnswer(f"{answer!r} is not a number") from None
    if isinstance(answer, bool) or not math.isfinite(value):
        raise BadAnswer(f"{answer!r} is not a number")
    low, high, step = question.min, question.max, question.step
    if low is not None and value < low:
        raise BadAnswer(f"{value:g} is below {low:g}")
    if high is not None and value > high:
        raise BadAnswer(f"{value:g} is above {high:g}")
    if step:
        count = (value - (low or 0.0)) / step
        if abs(count - round(count)) > 1e-9 * max(1.0, abs(count)):
            raise BadAnswer(f"{value:g} is not a step of {step:g} from {low or 0:g}")
        if float(step).is_integer() and float(low or 0.0).is_integer():
            return int(value)
    return value
