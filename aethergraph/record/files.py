"""What is known of a file without a store: its type by its name, a name that is safe, whether it can be read."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Iterable
from os import PathLike
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mimetypes

BINARY = "application/octet-stream"
MIMES = {
    ".arrow": "application/vnd.apache.arrow.file",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".npy": "application/x-npy",
    ".parquet": "application/vnd.apache.parquet",
    ".toml": "application/toml",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
LONGEST = 150  # bytes of a file's name in UTF-8: systems take 255, and something may be put before or after it
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"})
_PORT = re.compile(r"(com|lpt)[0-9¹²³]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')  # on Windows; a colon also begins the name of a stream
_DRIVE = re.compile(r"[A-Za-z]:")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})  # categories: control, format (also bidi), surrogates, ...


@functools.cache
def _known() -> mimetypes.MimeTypes:
    """The table of Python, without those of the system: a name has the same type on every machine."""
    import mimetypes

    return mimetypes.MimeTypes()


def mime(name: str, otherwise: str = BINARY) -> str:
    """The type that the ending of `name` stands for, in lower case; `otherwise` where it stands for none.

    Raises:
        TypeError: `name` is neither a text nor a path.
    """
    if not isinstance(name, (str, PathLike)):
        raise TypeError(f"the name of an artifact is a text, got {name!r:.80} ({type(name).__name__})")
    ending = PurePath(name).suffix.lower()
    return MIMES.get(ending) or _known().guess_type("x" + ending, strict=False)[0] or otherwise


def readable(path: str | PathLike[str], what: str = "the file") -> Path:
    """`path`, with `~` written out, which is a file that can be read. `what` begins the messages.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: it is not; says what was looked for, and where.
        TypeError, ValueError: this is no path.
    """
    if not isinstance(path, (str, PathLike)):
        raise TypeError(f"{what} is named by a path, got {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValueError(f"{what} is named by a path, and {text!r} is none")
    found = Path(text).expanduser()
    if found.is_dir():
        raise IsADirectoryError(f"{what}: {text!r} is a folder, name a file in it")
    if not found.exists():
        raise FileNotFoundError(f"{what}: there is no file {text!r}" + _looked_in(found))
    if not found.is_file():  # a pipe or a device might never end
        raise ValueError(f"{what}: {text!r} is no regular file")
    if not os.access(found, os.R_OK):
        raise PermissionError(f"{what}: {text!r} may not be read by you")
    return found


def _looked_in(path: Path) -> str:
    return "" if path.is_absolute() else f" (looked in {Path.cwd()})"


def file_name(given: str) -> str:
    """A name for a file that stays in its folder on every system, made of what somebody called it.

    Folders before it are left out, what some system forbids becomes `_`, what cannot be seen goes, and a name that is
    too long loses the end of its stem and keeps its ending.

    >>> file_name("../../etc/passwd"), file_name("C:\\\\data\\\\run:1?.csv"), file_name("con.txt")
    ('passwd', 'run_1_.csv', '_con.txt')

    Raises:
        ValueError: nothing is left that could be a name.
    """
    if not isinstance(given, str):
        raise TypeError(f"the name of a file is a text, got {type(given).__name__}")
    last = re.split(r"[/\\]", given)[-1]
    last = _DRIVE.sub("", last, count=1) if _DRIVE.match(last) else last
    seen = "".join(char for char in unicodedata.normalize("NFC", last) if unicodedata.category(char) not in _INVISIBLE)
    name = _FORBIDDEN.sub("_", seen).strip().rstrip(". ")
    if not name.strip("._ "):
        raise ValueError(f"{given!r:.80} is no name for a file: give it one such as 'data.csv'")
    device = name.partition(".")[0].rstrip().lower()
    return _cut(f"_{name}" if device in _DEVICES or _PORT.fullmatch(device) else name)


def _cut(name: str) -> str:
    """`name` in at most LONGEST bytes, with its ending where that is no longer than endings are."""
    if len(name.encode()) <= LONGEST:
        return name
    ending = PurePath(name).suffix
    ending = ending if len(ending.encode()) <= 20 else ""
    stem = name.removesuffix(ending).encode()[: LONGEST - len(ending.encode())].decode("utf-8", "ignore")
    return stem.rstrip(". ") + ending


def kinds(accept: str | Iterable[str] | None, what: str = "accept") -> list[str]:
    """What `accept` takes, as the `accept` of a file field in HTML has it: ".csv", "image/*", "text/plain".

    A text may hold several with commas between them; an ending may be written without its dot. Empty takes all files.

    Raises:
        TypeError, ValueError: one is neither an ending nor a type.
    """
    if not isinstance(accept, (str, Iterable, type(None))):
        raise TypeError(f"{what} is a list of endings and types such as ['.csv', 'image/*'], got {accept!r}")
    given = accept.split(",") if isinstance(accept, str) else list(accept or ())
    found = []
    for one in given:
        if not isinstance(one, str):
            raise TypeError(f"{what} is a list of endings and types such as ['.csv', 'image/*'], got {one!r}")
        kind = one.strip().lower()
        if kind in ("", "*", "*/*", "*.*"):
            return []
        kind = kind.removeprefix("*")
        if "/" not in kind and not kind.startswith("."):
            kind = "." + kind
        if not re.fullmatch(r"\.[^\s/.][^\s/]*|[a-z0-9][a-z0-9.+-]*/(\*|[a-z0-9][a-z0-9.+-]*)", kind):
            raise ValueError(f"{what}={one!r} is neither an ending such as '.csv' nor a type such as 'image/*'")
        found.append(kind)
    return list(dict.fromkeys(found))


def is_one_of(name: str, accept: Iterable[str]) -> bool:
    """Whether a file of this name is of one of the `kinds`; none given: yes."""
    accepted, kind, low = list(accept), mime(name), name.lower()
    return not accepted or any(
        low.endswith(one)
        if one.startswith(".")
        else kind == one or (one.endswith("/*") and kind.startswith(one.removesuffix("*")))
        for one in accepted
    )


def amount(size: int) -> str:
    """A number of bytes for people: `12.3 kB`."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
