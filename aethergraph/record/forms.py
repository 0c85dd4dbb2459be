"""The fields of a form, and which answers fit them. Pure: what a pydantic model adds is known where it is loaded."""

from __future__ import annotations

import datetime
import enum
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadAnswer

if TYPE_CHECKING:
    from .schema import Question

KINDS = frozenset(
    {"text", "number", "bool", "choice", "date", "datetime", "time", "texts", "numbers", "choices", "form"}
)


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a form.

    kind: "text", "number", "bool", "choice" (one of `options`), "date", "datetime", "time", a list of them ("texts",
        "numbers", "choices"), or "form": fields of its own.
    help: what it is for, in a sentence.
    needed: there has to be a value; else None is one, or its default is taken where it is left out.
    whole: a number without a fraction.
    over, under: bounds that the number itself is not to reach; `min` and `max` are included.
    shortest, longest: how many characters a text has, or a list members.
    """

    name: str
    kind: str = "text"
    title: str = ""
    help: str = ""
    needed: bool = True
    nullable: bool = False
    default: Any = None
    has_default: bool = False
    options: list[Any] = []
    whole: bool = False
    min: float | None = None
    max: float | None = None
    over: float | None = None
    under: float | None = None
    step: float | None = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str = ""
    fields: list[Field] = []

    @property
    def label(self) -> str:
        """How it is called on the form."""
        return self.title or self.name


Check = Callable[[dict[str, Any]], list[tuple[str, str]]]

# What else checks an answer, by the `model` of the question: (name of the field, what is wrong) for each that is.
models: dict[str, Check] = {}


def check(question: Question, answer: Any) -> dict[str, Any]:
    """`answer` as plain data by the names of the fields. A field that is left out takes its default.

    Raises:
        BadAnswer: fields do not fit; names each of them and says why.
    """
    if not isinstance(answer, Mapping):
        raise BadAnswer(f"expected a dict with {_names(question.form)}, got {type(answer).__name__}")
    problems: list[tuple[str, str]] = []
    checked = _fields(question.form, answer, "", problems)
    if not problems and question.model in models:
        problems = models[question.model](checked)
    if problems:
        raise BadAnswer("; ".join(f"{name}: {why}" if name else why for name, why in problems))
    return checked


def check_field(field: Field, value: Any) -> Any:
    """`value` as plain data. Raises BadAnswer where it does not fit."""
    problems: list[tuple[str, str]] = []
    checked = _fields([field], {field.name: value}, "", problems)
    if problems:
        raise BadAnswer("; ".join(why if name == field.name else f"{name}: {why}" for name, why in problems))
    return checked.get(field.name)


def _names(fields: list[Field]) -> str:
    return ", ".join(repr(field.name) for field in fields)


def _fields(
    fields: list[Field], given: Mapping[str, Any], under: str, problems: list[tuple[str, str]]
) -> dict[str, Any]:
    checked = {}
    for field in fields:
        where = under + field.name
        if field.name not in given or (given[field.name] is None and not field.nullable):
            if field.has_default:
                checked[field.name] = field.default
            elif field.needed:
                problems.append((where, "is needed"))
            continue
        try:
            checked[field.name] = _value(field, given[field.name], where, problems)
        except BadAnswer as error:
            problems.append((where, error.why))
    unknown = [name for name in given if name not in {field.name for field in fields}]
    problems += [(under + str(name), f"is no field; there are {_names(fields)}") for name in unknown]
    return checked


def _value(field: Field, value: Any, where: str, problems: list[tuple[str, str]]) -> Any:
    if value is None and field.nullable:
        return None
    match field.kind:
        case "form":
            if not isinstance(value, Mapping):
                raise BadAnswer(f"expected a dict with {_names(field.fields)}, got {type(value).__name__}")
            return _fields(field.fields, value, where + ".", problems)
        case "texts" | "numbers" | "choices":
            return _members(field, value)
        case _:
            return _one(field, field.kind, value)


def _members(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise BadAnswer(f"expected a list, got {type(value).__name__}")
    _length(field, len(value), "members")
    kind = field.kind.removesuffix("s")
    plain = msgspec.structs.replace(field, shortest=None, longest=None)
    members = []
    for number, member in enumerate(value, 1):
        try:
            members.append(_one(plain, kind, member))
        except BadAnswer as error:
            raise BadAnswer(f"{number}. member: {error.why}") from None
    return members


def _one(field: Field, kind: str, value: Any) -> Any:
    return _READ[kind](field, value)


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise BadAnswer(f"expected text, got {type(value).__name__}")
    _length(field, len(value), "characters")
    if field.pattern and re.search(field.pattern, value) is None:
        raise BadAnswer(f"{value!r:.80} does not match {field.pattern}")
    return value


def _length(field: Field, length: int, of: str) -> None:
    if field.shortest is not None and length < field.shortest:
        raise BadAnswer("is empty" if not length else f"has {length} {of}, at least {field.shortest} are needed")
    if field.longest is not None and length > field.longest:
        raise BadAnswer(f"has {length} {of}, at most {field.longest} are taken")


def _number(field: Field, value: Any) -> int | float:
    try:
        number = value if type(value) is int else float(value)
    except (TypeError, ValueError):
        raise BadAnswer(f"{value!r:.80} is not a number") from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise BadAnswer(f"{value!r:.80} is not a number")
    if field.whole and number != int(number):
        raise BadAnswer(f"{number:g} is not a whole number")
    for bound, wrong, word in (
        (field.min, operator.lt, "below"),
        (field.max, operator.gt, "above"),
        (field.over, operator.le, "not above"),
        (field.under, operator.ge, "not below"),
    ):
        if bound is not None and wrong(number, bound):
            raise BadAnswer(f"{number:g} is {word} {bound:g}")
    if field.step and abs(number / field.step - round(number / field.step)) > 1e-9 * max(1.0, abs(number / field.step)):
        raise BadAnswer(f"{number:g} is no multiple of {field.step:g}")
    return int(number) if field.whole else number


_YES, _NO = frozenset({"true", "yes", "y", "1", "on"}), frozenset({"false", "no", "n", "0", "off"})


def _bool(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word not in _YES | _NO:
        raise BadAnswer(f"{value!r:.80} is neither yes nor no")
    return word in _YES


def _choice(field: Field, value: Any) -> Any:
    value = value.value if isinstance(value, enum.Enum) else value
    for option in field.options:
        if type(option) is type(value) and option == value:
            return option
    alike = [option for option in field.options if str(option).strip().lower() == str(value).strip().lower()]
    if len(alike) == 1 and not isinstance(value, (bool, Mapping, list, tuple)):
        return alike[0]
    raise BadAnswer(f"{value!r:.80} is none of {', '.join(map(repr, field.options))}")


def _moment(kind: Any, like: str) -> Callable[[Field, Any], str]:
    def read(field: Field, value: Any) -> str:
        if isinstance(value, kind) and type(value) is kind:
            return str(value.isoformat())
        try:
            return str(kind.fromisoformat(value.strip()).isoformat())
        except (AttributeError, TypeError, ValueError):
            raise BadAnswer(f"{value!r:.80} is no {kind.__name__}: write it as {like}") from None

    return read


_READ: dict[str, Callable[[Field, Any], Any]] = {
    "text": _text,
    "number": _number,
    "bool": _bool,
    "choice": _choice,
    "date": _moment(datetime.date, "2026-03-31"),
    "datetime": _moment(datetime.datetime, "2026-03-31T14:30"),
    "time": _moment(datetime.time, "14:30"),
}


def leaves(fields: list[Field], under: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    """All fields that hold a value, those of nested forms in their place, with the path to each."""
    for field in fields:
        if field.kind == "form":
            yield from leaves(field.fields, (*under, field.name))
        else:
            yield (*under, field.name), field


def told(answer: Any) -> str:
    """An answer as a line: `name: Ada, size.rows: 3`."""
    if not isinstance(answer, Mapping):
        return str(answer)
    parts = []
    for name, value in answer.items():
        if isinstance(value, Mapping):
            parts += [f"{name}.{part}" for part in told(value).split(", ") if part]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
            parts.append(f"{name}: {shown}")
    return ", ".join(parts)
