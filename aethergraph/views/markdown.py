"""Markdown as a tree that views draw: what people write in messages, no HTML, and no link but to the web.

A part of the tree is a text, or `[tag, attributes, children]` with a tag of `TAGS`. Text stays text: `<b>` is shown as
it was typed. Pictures are links, since a view loads nothing that nobody asked for.
"""

from __future__ import annotations

import re
from typing import Any

DEEP = 6  # quotes and lists within each other; further ones are text
LONG = 10_000  # characters of one paragraph from which on it is plain text
LINE = (
    2_000  # of a line from which on it is no heading, item or the like: what could take long to find is not looked for
)
TAGS = frozenset(
    {
        "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
        "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
    }
)  # fmt: skip

Part = Any  # str | list

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^`]*$")
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?: (.*))?$")
_RULE = re.compile(r"^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$")
_QUOTE = re.compile(r"^ {0,3}> ?")
_ITEM = re.compile(r"^( {0,3})([-*+]|\d{1,9}[.)])(?:( {1,4})(.*)|)$")
_DIVIDER = re.compile(r"^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_INLINE = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?<!`)(?P<ticks>`{1,3})(?!`)(?P<code>.{1,500}?)(?<!`)(?P=ticks)(?!`)"
    r"|!?\[(?P<text>[^\[\]]{0,1000})\]\((?P<href>[^\s()<>]{1,2000}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200})?)(?:\s+\"[^\"]{0,200}\")?\)"
    r"|<(?P<auto>(?:https?://|mailto:)[^\s<>]{1,2000})>"
    r"|(?P<bare>https?://[^\s<>()\[\]]{1,2000})"
    r"|(?P<strong>\*\*|__)(?=\S)(?P<bold>.{1,500}?)(?<=\S)(?P=strong)"
    r"|~~(?=\S)(?P<struck>.{1,500}?)(?<=\S)~~"
    r"|\*(?=[^\s*])(?P<star>.{1,500}?)(?<=[^\s*])\*(?!\*)"
    r"|(?<!\w)_(?=[^\s_])(?P<under>.{1,500}?)(?<=[^\s_])_(?!\w)"
    r"|(?P<hard> {2,20}|\\)\n",
    re.DOTALL,
)
_LINK = re.compile(r"(?:https?://|mailto:)\S+", re.IGNORECASE)


def _like(form: re.Pattern[str], line: str) -> re.Match[str] | None:
    return form.match(line) if len(line) <= LINE else None


def parse(text: str) -> list[Part]:
    """The blocks of a text."""
    return _blocks(text.expandtabs(4).splitlines(), 0)


def _blocks(lines: list[str], depth: int) -> list[Part]:
    parts: list[Part] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif fence := _like(_FENCE, line):
            body, at = _fenced(lines, at + 1, fence[1])
            parts.append(["pre", {}, [["code", {}, ["\n".join(body)]]]])
        elif heading := _like(_HEADING, line):
            parts.append([f"h{len(heading[1])}", {}, inline((heading[2] or "").strip().rstrip("#").strip())])
            at += 1
        elif _like(_RULE, line):
            parts.append(["hr", {}, []])
            at += 1
        elif _like(_QUOTE, line) and depth < DEEP:
            quoted, at = _while(lines, at, lambda one: _like(_QUOTE, one))
            parts.append(["blockquote", {}, _blocks([_QUOTE.sub("", one, count=1) for one in quoted], depth + 1)])
        elif _like(_ITEM, line) and depth < DEEP:
            found, at = _list(lines, at, depth)
            parts.append(found)
        elif _is_table(lines, at):
            rows, at = _while(lines, at, lambda one: "|" in one and bool(one.strip()))
            parts.append(_table(rows))
        else:
            paragraph, at = _paragraph(lines, at, depth)
            parts.append(["p", {}, inline("\n".join(one.lstrip() for one in paragraph).rstrip())])
    return parts


def _while(lines: list[str], at: int, fits: Any) -> tuple[list[str], int]:
    begin = at
    while at < len(lines) and fits(lines[at]):
        at += 1
    return lines[begin:at], at


def _fenced(lines: list[str], at: int, mark: str) -> tuple[list[str], int]:
    body: list[str] = []
    while at < len(lines):
        stripped = lines[at].strip()
        if stripped.startswith(mark) and not stripped.strip(mark[0]):
            return body, at + 1
        body.append(lines[at])
        at += 1
    return body, at


def _paragraph(lines: list[str], at: int, depth: int) -> tuple[list[str], int]:
    begin = at
    at += 1
    while at < len(lines) and lines[at].strip():
        line = lines[at]
        if _like(_FENCE, line) or _like(_HEADING, line) or _like(_RULE, line) or _is_table(lines, at):
            break
        if depth < DEEP and (_like(_QUOTE, line) or _like(_ITEM, line)):
            break
        at += 1
    return lines[begin:at], at


def _list(lines: list[str], at: int, depth: int) -> tuple[Part, int]:
    first = _like(_ITEM, lines[at])
    assert first is not None
    ordered = first[2][0].isdigit()
    items: list[Part] = []
    while at < len(lines):
        item = _like(_ITEM, lines[at])
        if item is None or item[2][0].isdigit() is not ordered or _like(_RULE, lines[at]):
            break
        indent = len(item[1]) + len(item[2]) + len(item[3] or " ")
        body, at = [item[4] or ""], at + 1
        while at < len(lines):
            line, blank = lines[at], not lines[at].strip()
            if not blank and len(line) - len(line.lstrip()) < indent and (not body[-1].strip() or _begins(line)):
                break
            body.append("" if blank else line[min(indent, len(line) - len(line.lstrip())) :])
            at += 1
        items.append(["li", {}, _tight(_blocks(body, depth + 1))])
    start = {"start": int(first[2][:-1])} if ordered and first[2][:-1] != "1" else {}
    return ["ol" if ordered else "ul", start, items], at


def _begins(line: str) -> bool:
    """Whether a line that is not indented ends the list's item before it."""
    return any(_like(form, line) for form in (_ITEM, _HEADING, _RULE, _QUOTE, _FENCE))


def _tight(parts: list[Part]) -> list[Part]:
    """An item of one paragraph without the paragraph."""
    if (
        parts
        and isinstance(parts[0], list)
        and parts[0][0] == "p"
        and all(one[0] in ("p", "ul", "ol") for one in parts)
    ):
        return [*parts[0][2], *parts[1:]]
    return parts


def _is_table(lines: list[str], at: int) -> bool:
    if at + 1 >= len(lines) or "|" not in lines[at]:
        return False
    return "-" in lines[at + 1] and "|" in lines[at + 1] and _like(_DIVIDER, lines[at + 1]) is not None


def _table(rows: list[str]) -> Part:
    head, divider, *body = map(_cells, rows)
    right = [cell.strip().endswith(":") and not cell.strip().startswith(":") for cell in divider]
    return table([inline(cell) for cell in head], [[inline(cell) for cell in row] for row in body], right)


def table(head: list[list[Part]], body: list[list[list[Part]]], right: list[bool]) -> Part:
    """A table of cells; `right`: which columns stand at the right, as numbers do."""

    def row(tag: str, cells: list[list[Part]]) -> Part:
        ends = [*right, *[False] * len(cells)]
        return ["tr", {}, [[tag, {"class": "n"} if ends[i] else {}, cell] for i, cell in enumerate(cells)]]

    heads = [["thead", {}, [row("th", head)]]] if any(head) else []
    return ["table", {}, [*heads, ["tbody", {}, [row("td", cells) for cells in body]]]]


def _cells(row: str) -> list[str]:
    text = row.strip().removeprefix("|")
    text = text[:-1] if text.endswith("|") and not text.endswith("\\|") else text
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", text)]


def inline(text: str, depth: int = 0) -> list[Part]:
    """What stands in a line: emphasis, code, links."""
    if len(text) > LONG or depth > DEEP:
        return [text] if text else []
    parts: list[Part] = []
    at = 0
    for found in _INLINE.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        parts += _mark(found, depth)
        at = found.end()
    return parts + ([text[at:]] if at < len(text) else [])


def _mark(found: re.Match[str], depth: int) -> list[Part]:
    groups = found.groupdict()
    if groups["escaped"] is not None:
        return [groups["escaped"]]
    if groups["code"] is not None:
        code = groups["code"].replace("\n", " ")
        return [["code", {}, [code.strip() or code]]]
    if groups["href"] is not None:
        shown = inline(groups["text"], depth + 1) or [groups["href"]]
        return [["a", {"href": groups["href"]}, shown]] if _LINK.fullmatch(groups["href"]) else [found[0]]
    if groups["auto"] is not None:
        return [["a", {"href": groups["auto"]}, [groups["auto"].removeprefix("mailto:")]]]
    if groups["bare"] is not None:
        href = groups["bare"].rstrip(".,;:!?'\"*_~")
        return [["a", {"href": href}, [href]], *filter(None, [groups["bare"][len(href) :]])]
    if groups["hard"] is not None:
        return [["br", {}, []]]
    for name, tag in (("bold", "strong"), ("struck", "del"), ("star", "em"), ("under", "em")):
        if groups[name] is not None:
            return [[tag, {}, inline(groups[name], depth + 1)]]
    raise AssertionError(found[0])  # every branch of the pattern is above
