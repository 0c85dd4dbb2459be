"""A form, asked and answered field by field, where there is only one line at a time."""

from __future__ import annotations

from typing import Any

from ..record import forms
from ..record.forms import Field
from ..record.schema import Question


def lines(question: Question, known: dict[str, Any] | None = None) -> list[tuple[tuple[str, ...], Field, Question]]:
    """The fields of a form as questions of one line each; what is `known` was typed before, and is then the default."""
    return [(path, field, _asking(path, field, _at(known or {}, path))) for path, field in forms.leaves(question.form)]


def _at(known: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        known = known.get(name) if isinstance(known, dict) else None
    return known


def _asking(path: tuple[str, ...], field: Field, known: Any) -> Question:
    label = ".".join((*path[:-1], field.label))
    told = [field.help] if field.help else []
    told += ["Enter for none"] if not field.needed and not field.has_default and known is None else []
    prompt = f"{label} ({'; '.join(told)})" if told else label
    default = known if known is not None else field.default if field.has_default else None
    kind, options = "text", list[str]()
    if field.kind == "bool":
        kind, options = "choice", ["yes", "no"]
        default = None if default is None else "yes" if default else "no"
    elif field.kind in ("choice", "choices"):
        kind, options = "choice", [str(option) for option in field.options]
    if default is not None:
        default = [str(one) for one in default] if isinstance(default, list) else str(default)
    return Question(
        kind, prompt, ".".join(path), options, field.kind == "choices", default=default, has_default=default is not None
    )  # fmt: skip


def value_of(field: Field, text: Any) -> Any:
    """What a line means for a field, as plain data. `text` is None where nothing was typed.

    Raises:
        BadAnswer: it does not fit.
    """
    if text is None or text == "" or text == []:
        if field.nullable and not field.has_default:
            return None
        if not field.needed or (field.kind == "text" and text == ""):
            return forms.check_field(field, "" if field.kind == "text" and field.needed else None)
    if field.kind in ("texts", "numbers", "choices") and isinstance(text, str):
        text = [part.strip() for part in text.split(",") if part.strip()]
    return forms.check_field(field, text)


def put(answer: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set the value of a field in an answer."""
    for name in path[:-1]:
        answer = answer.setdefault(name, {})
    answer[path[-1]] = value
