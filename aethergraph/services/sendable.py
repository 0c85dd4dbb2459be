"""Pictures, files and buttons that are sent, as plain data. No store in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from ..record import files
from .scope import clean

BUTTONS = 25
STYLES = ("default", "primary", "danger")
_WEB = ("http", "https")
_SVG = (b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")

Json = Any


@dataclass(frozen=True, slots=True)
class Button:
    """One button of `send_buttons`.

    With a `url` it is a link. Else a press answers an open question of its run: one that has the button among its
    options, else the first that takes text. `value` is what it answers, the label where it is left out.

    Raises:
        TypeError, ValueError: it has no label, both value and url, another style, or a url that is no link.
    """

    label: str
    value: str | None = None
    style: Literal["default", "primary", "danger"] = "default"
    url: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label.strip():
            raise ValueError(f"a button needs a label, got {self.label!r}")
        if self.style not in STYLES:
            raise ValueError(f"style={self.style!r} of the button {self.label!r} is none of: {', '.join(STYLES)}")
        if self.value is not None and not isinstance(self.value, str):
            raise TypeError(f"the value of the button {self.label!r} is a text, got {type(self.value).__name__}")
        if self.url is not None:
            link(self.url, f"the button {self.label!r}", (*_WEB, "mailto"))
            if self.value is not None:
                raise ValueError(f"the button {self.label!r} has a value and a url: it can answer or lead somewhere")


def link(url: str, what: str, schemes: Sequence[str] = _WEB) -> str:
    """`url`, which a view may follow.

    Raises:
        TypeError, ValueError: it is none, or could do something else.
    """
    if not isinstance(url, str):
        raise TypeError(f"the url of {what} is a text, got {type(url).__name__}")
    parts = urlsplit(url.strip())
    if parts.scheme not in schemes or (parts.scheme in _WEB and not parts.hostname):
        raise ValueError(
            f"the url of {what} begins with {' or '.join(f'{one}:' for one in schemes)}, got {url!r:.80}; "
            f"a file of this machine is given by path=, bytes by file_bytes="
        )
    return clean(url.strip())


# ---------------------------------------------------------------------- pictures and files


def picture_mime(head: bytes) -> str:
    """The type of a picture by its first bytes; "" where browsers show none like it."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "image/svg+xml" if text.startswith(_SVG) and b"<svg" in text else ""


def name_of(url: str) -> str:
    """The last part of a URL's path, which may be ""."""
    return PurePath(unquote(urlsplit(url).path)).name


def called(given: str, otherwise: str) -> str:
    """The name of a file that is sent: safe in any folder."""
    return files.file_name(clean(given)) if given else otherwise


# ---------------------------------------------------------------------- buttons


def buttons(given: Iterable[Button | str | Mapping[str, Any]]) -> list[dict[str, Json]]:
    """Buttons as plain data. A text is a button of that label.

    Raises:
        TypeError, ValueError: one is none, two have the same label, or there are none or too many.
    """
    if isinstance(given, (str, Mapping, Button)) or not isinstance(given, Iterable):
        raise TypeError(f"send_buttons takes a list of buttons, got {type(given).__name__}: write [Button('Yes')]")
    found = [_button(one) for one in given]
    labels = [one.label for one in found]
    if not found or len(found) > BUTTONS:
        raise ValueError(f"send_buttons takes 1 to {BUTTONS} buttons, got {len(found)}")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"two buttons have the same label: {', '.join(map(repr, twice))}")
    return [
        {
            "label": clean(one.label),
            "value": "" if one.url else clean(one.label if one.value is None else one.value),
            "style": one.style,
            "url": clean(one.url or "").strip(),
        }
        for one in found
    ]


def _button(given: Any) -> Button:
    if isinstance(given, Button):
        return given
    if isinstance(given, str):
        return Button(given)
    if isinstance(given, Mapping):
        try:
            return Button(**given)
        except TypeError as error:
            raise TypeError(f"a button has label, value, style and url, got {sorted(map(str, given))}") from error
    raise TypeError(f"a button is a Button, a text or a dict, got {type(given).__name__}")
