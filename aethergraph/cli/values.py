"""Values on the command line: inputs of agents, answers of people; and values of runs as JSON."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..channels import typed
from ..channels.typed import value
from ..record.schema import Question
from .codes import Wrong


def inputs(agent: Any, given: Iterable[str], file: Path | None) -> dict[str, Any]:
    """The inputs of `KEY=VALUE` words and of a JSON file; words win. An input that is annotated `str` stays a text.

    Raises:
        Wrong: a word has no `=`, or the file holds no JSON object.
    """
    found = from_file(file) if file is not None else {}
    for key, text in pairs(given, "--input"):
        found[key] = text if _is_text(agent, key) else value(text)
    return found


def pairs(words: Iterable[str], option: str) -> list[tuple[str, str]]:
    """`KEY=VALUE` words, taken apart."""
    found = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise Wrong(f"write {option} KEY=VALUE, got {word!r}")
        found.append((key, text))
    return found


def from_file(file: Path) -> dict[str, Any]:
    """The JSON object in a file; `-` is the standard input. It may be UTF-8, 16 or 32, with a mark of that or without.

    What is piped is read as it is: the encoding of the locale is another one on Windows.
    """
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        found = json.loads(data)
    except OSError as error:
        raise Wrong(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise Wrong(f"{file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Wrong(f'{file} holds {type(found).__name__}: expected an object, {{"input": value}}')
    return found


def _is_text(agent: Any, key: str) -> bool:
    parameter = agent.signature.parameters.get(key)
    wanted = parameter.annotation if parameter is not None else inspect.Parameter.empty
    return wanted in (str, "str") or (
        parameter is not None and wanted is inspect.Parameter.empty and isinstance(parameter.default, str)
    )


def answer(question: Question, text: str) -> Any:
    """What was meant by a typed answer: JSON for lists and objects, an option by its number, else as it is."""
    try:
        return typed.given(question, text)
    except ValueError as error:
        raise Wrong(str(error)) from None


def plain(thing: Any) -> Any:
    """`thing` as JSON can hold it; what JSON has no form for is told in words."""
    return msgspec.json.decode(msgspec.json.encode(thing, enc_hook=_hook))


def _hook(thing: Any) -> Any:
    if hasattr(thing, "model_dump"):
        return thing.model_dump(mode="json")
    if hasattr(thing, "tolist"):  # numpy
        return thing.tolist()
    return repr(thing)
