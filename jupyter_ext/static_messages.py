"""Pictures, files, buttons and rich text in the static copy: what a notebook that is not trusted still shows."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import Any

from aethergraph.errors import AetherGraphError
from aethergraph.record import files
from aethergraph.storage.store import Blobs
from aethergraph.views import messages
from aethergraph.views.markdown import TAGS, Part
from aethergraph.views.transcript import Entry

from .theming import CODE, LINE, SHADE, SMALL, WHITE, WRONG

ONE, ALL = 400_000, 800_000  # bytes of the largest picture that is saved with the notebook, and of all of them
TEXT = 20_000  # characters of the longest rich text that is
_PRE = f"margin:2px 0;padding:2px 6px;background:{SHADE};color:inherit;white-space:pre-wrap;font-size:12px"
_BUTTON = f"border:1px solid {LINE};border-radius:6px;padding:0 8px;margin-right:6px"
_CELL = f"border:1px solid {LINE};padding:1px 8px;text-align:left;background:none;color:inherit"
_STYLES = {
    "pre": _PRE,
    "table": "border-collapse:collapse;margin:4px 0;background:none;color:inherit",
    "th": _CELL,
    "td": _CELL,
    "blockquote": f"margin:4px 0;padding:0 10px;border-left:3px solid {LINE};color:inherit;{SMALL}",
    "code": CODE,
    "p": "margin:4px 0",
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "margin:6px 0 2px;font-size:14px;color:inherit"),
}


def under(entry: Entry) -> str:
    """What stands under the text of a message; of a picture a mark, in whose place `with_pictures` puts it."""
    if entry.data is None:
        return ""
    about = messages.shown(entry.kind, entry.data)
    if entry.kind == "buttons":
        drawn = (_link(one["url"], one["label"]) or f"<span>{escape(one['label'])}</span>" for one in about["buttons"])
        return "<div>" + "".join(f'<span style="{_BUTTON}">{one}</span>' for one in drawn) + "</div>"
    if entry.kind == "rich":
        html = "".join(map(_element, about["tree"]))
        if len(html) > TEXT:
            html = f'<pre style="{_PRE}">{escape(messages.rich_text(entry.data["rich"])[:TEXT])} ...</pre>'
        return f'<div style="margin:2px 0 4px 14px">{html}</div>'
    size = f", {files.amount(about['size'])}" if about["size"] else ""
    name = _link(about["url"], about["filename"]) or escape(about["filename"])
    return f'<div>{name} <span style="{SMALL}">({entry.kind}{size})</span>{_mark(entry)}</div>'


def with_pictures(html: str, entries: Iterable[Entry], blobs: Blobs) -> str:
    """`html` with the pictures in the places of their marks, the last ones first, as many as are to be saved."""
    room = ALL
    for entry in reversed(list(entries)):
        mark = _mark(entry)
        if not mark or mark not in html or entry.data is None:
            continue
        about = messages.shown(entry.kind, entry.data)
        drawn = ""
        if about["sha256"] and 0 < about["size"] <= min(ONE, room):
            room -= about["size"]
            drawn = _picture(about, blobs)
        html = html.replace(mark, drawn)
    return html


def _mark(entry: Entry) -> str:
    """No text of a run can look like this: what is in one is escaped."""
    return f"<!--picture {entry.id}-->" if entry.kind == "image" else ""


def _picture(about: dict[str, Any], blobs: Blobs) -> str:
    try:
        data = base64.b64encode(blobs.get(about["sha256"])).decode("ascii")
    except (AetherGraphError, OSError) as error:
        return f'<div style="{WRONG}">{escape(str(error))}</div>'
    alt, source = escape(about["alt"]), f"data:{escape(about['mime'])};base64,{data}"
    style = f"max-width:min(100%,420px);max-height:320px;{WHITE}"
    return f'<div><img alt="{alt}" src="{source}" style="{style}"></div>'


def _link(url: str, text: str) -> str:
    return _anchor(url, escape(text or url)) if url.lower().startswith(("http://", "https://", "mailto:")) else ""


def _anchor(url: str, inner: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{inner}</a>'


def _element(part: Part) -> str:
    if isinstance(part, str):
        return escape(part)
    tag, attributes, children = part
    inner = "".join(map(_element, children))
    if tag == "a":
        url = str(attributes["href"])
        return (
            f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{inner}</a>'
            if _link(url, "")
            else inner
        )
    if tag not in TAGS:
        return inner
    style = _STYLES.get(tag, "") + (";text-align:right" if attributes.get("class") == "n" else "")
    start = f' start="{int(attributes["start"])}"' if "start" in attributes else ""
    opened = f"<{tag}{start}" + (f' style="{style}"' if style else "") + ">"
    return opened if tag in ("br", "hr") else f"{opened}{inner}</{tag}>"
