"""A form, asked and answered field by field, where there is only one line at a time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from ..errors import BadAnswer
from ..record import forms
from ..record.forms import Field
from ..record.schema import Question

Asking = Generator[tuple[Question, str], Any, dict[str, Any]]

_LISTS = ("texts", "numbers", "choices")


def asking(question: Question, refused: str = "", known: dict[str, Any] | None = None) -> Asking:
    """Yields a question of one line for each field, with why the last line was refused; is sent what was meant by it.

    Its value is the answer to the form. What is `known` was typed before, and comes with Enter.
    """
    answer: dict[str, Any] = {}
    heading, why = f"{question.prompt}\n", refused
    for path, field in forms.leaves(question.form):
        asked = _line(path, field, _at(known or {}, path))
        while True:
            meant = yield msgspec.structs.replace(asked, prompt=heading + asked.prompt), why
            heading = ""
            try:
                value = value_of(field, meant)
            except BadAnswer as error:
                why = error.why
            else:
                break
        why = ""
        _put(answer, path, value)
    return answer


def value_of(field: Field, meant: Any) -> Any:
    """What a line means for a field, as plain data; None where it may be left out, and was.

    Raises:
        BadAnswer: it does not fit.
    """
    if meant in ("", []) and (field.nullable or not field.needed):
        meant = None
    elif field.kind in _LISTS and isinstance(meant, str):
        meant = [part.strip() for part in meant.split(",") if part.strip()]
    return forms.check_field(field, meant)


def _line(path: tuple[str, ...], field: Field, known: Any) -> Question:
    default = known if known is not None else field.default if field.has_default else None
    told = [field.help] if field.help else []
    told += ["several, separated by commas"] if field.kind in ("texts", "numbers") else []
    told += ["Enter for none"] if default is None and (field.nullable or not field.needed) else []
    label = ": ".join((*path[:-1], field.label))
    kind, options = "text", list[str]()
    if field.kind == "bool":
        kind, options, default = "choice", ["yes", "no"], None if default is None else "yes" if default else "no"
    elif field.kind in ("choice", "choices"):
        kind, options = "choice", [str(option) for option in field.options]
    if default is not None:
        default = list(map(str, default)) if isinstance(default, list) else str(default)
    return Question(
        kind, f"{label} ({'; '.join(told)})" if told else label, ".".join(path), options, field.kind == "choices",
        default=default, has_default=default is not None,
    )  # fmt: skip


def _at(known: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        known = known.get(name) if isinstance(known, dict) else None
    return known


def _put(answer: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        answer = answer.setdefault(name, {})
    answer[path[-1]] = value
