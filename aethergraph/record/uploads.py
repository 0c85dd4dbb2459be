"""What a question for files takes, and the files that came. Pure: contents are known here by their sha256 alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BadAnswer
from .files import amount, file_name, is_one_of, mime

if TYPE_CHECKING:
    from .schema import Question

SCHEME = "aether://sha256/"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that somebody gave. Plain data: it can be passed on, returned and stored, and opened as a path.

    name: as it was called, without folders and without what some system forbids in names.
    path: where its content lies on this machine, under that name; read only, and the same content for ever.
    size: in bytes.
    mime: the type that its name stands for.
    uri: takes the place of an artifact's; the file itself does, too: `context.artifacts().load_bytes(ref)`.
    """

    name: str
    path: str
    size: int
    mime: str
    sha256: str
    uri: str

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return f"{self.name} ({self.mime}, {amount(self.size)})"


def check(question: Question, answer: Any) -> dict[str, Any]:
    """`answer` as `{"text": str, "files": [{"name", "size", "mime", "sha256"}]}`, whose contents are in the store.

    Raises:
        BadAnswer: it is of another form, or beyond the limits of the question; says which file and why.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("files"), (list, tuple)):
        raise BadAnswer(f"expected files, got {type(answer).__name__}")
    text, given = answer.get("text") or "", answer["files"]
    if not isinstance(text, str):
        raise BadAnswer(f"the text that comes with files is a text, got {type(text).__name__}")
    check_count(question, len(given))
    return {"text": text, "files": [_checked(question, one) for one in given]}


def _checked(question: Question, one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping) or not isinstance(one.get("name"), str) or not _is_digest(one.get("sha256")):
        raise BadAnswer("a file is given by a path, by bytes or by what its upload gave, not by " + type(one).__name__)
    size = one.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadAnswer(f"the size of {one['name']!r} is not known")
    name = check_file(question, one["name"], size)
    return {"name": name, "size": size, "mime": mime(name), "sha256": one["sha256"]}


def _is_digest(text: Any) -> bool:
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def check_count(question: Question, count: int) -> None:
    """Raises BadAnswer where so many files are too few or too many."""
    most = (question.max_files if question.multiple else 1) or 0
    if not count:
        raise BadAnswer("a file is needed" if most == 1 else "at least one file is needed")
    if most and count > most:
        raise BadAnswer(f"{count} files are too many: {'one is' if most == 1 else f'at most {most} are'} asked for")


def check_file(question: Question, name: str, size: int) -> str:
    """The safe name of a file that fits.

    Raises:
        BadAnswer: its name, type or size does not.
    """
    try:
        safe = file_name(name)
    except (TypeError, ValueError) as error:
        raise BadAnswer(str(error)) from None
    if not is_one_of(safe, question.accept):
        raise BadAnswer(f"{safe!r} is {mime(safe)}, and {' or '.join(question.accept)} is asked for")
    if question.max_size is not None and size > question.max_size:
        raise BadAnswer(f"{safe!r} has {amount(size)}, and at most {amount(question.max_size)} are taken")
    return safe


def limits(question: Question) -> str:
    """What fits, in a few words; "" where everything does."""
    parts = [", ".join(question.accept)] if question.accept else []
    if question.max_size is not None:
        parts.append(f"at most {amount(question.max_size)}" + (" each" if question.multiple else ""))
    if question.multiple and question.max_files:
        parts.append(f"at most {question.max_files} files")
    return "; ".join(parts)


def told(answer: Any) -> str:
    """An answer as a line: `text: a.csv (1.2 kB), b.csv (3.4 kB)`; "" where it is none."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("files"), (list, tuple)):
        return ""
    files = [one for one in answer["files"] if isinstance(one, Mapping)]
    names = [
        f"{one.get('name') or one.get('path')}"
        + (f" ({amount(one['size'])})" if isinstance(one.get("size"), int) else "")
        for one in files
    ]
    text = str(answer.get("text") or "")
    return f"{text}: {', '.join(names)}" if text and names else text or ", ".join(names) or "no file"
