"""Source text with the tree that was read from it: pieces of the text as they were written, and pieces with changes.

Comments, line breaks and quotation marks are not in the tree, so whatever can stay is cut out of the text.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence

_FSTRINGS_HAVE_PLACES = sys.version_info >= (3, 12)  # before, what stands in an f-string is placed wrongly


class Words:
    """The text of one cell, file or definition, and its tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._data = text.encode()
        self._starts = [0]
        for line in self._data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._comments = dict(_comments(text))

    def span(self, node: ast.stmt | ast.expr | ast.keyword | ast.arg) -> tuple[int, int]:
        """Where a node stands, in bytes; a decorated definition begins at its first decorator."""
        line, column = node.lineno, node.col_offset
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        if decorators:
            line, column = decorators[0].lineno, decorators[0].col_offset - 1
            while self._data[self._starts[line - 1] + column : self._starts[line - 1] + column + 1] != b"@":
                column -= 1
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[line - 1] + column, self._starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.stmt | ast.expr | ast.keyword | ast.arg) -> str:
        """The text of a node."""
        begin, end = self.span(node)
        return self._data[begin:end].decode()

    def changed(self, node: ast.stmt | ast.expr, changes: Mapping[ast.AST, str]) -> str:
        """The text of `node`, with other text in place of some expressions inside it."""
        begin, end = self.span(node)
        return self._between(node, begin, end, changes)

    def block(self, statements: Sequence[ast.stmt], changes: Mapping[ast.AST, str]) -> str:
        """The text of statements that follow each other, with their comments, at the left margin."""
        first, end = self.span(statements[0])[0], self.line_end(statements[-1])
        begin = self._data.rfind(b"\n", 0, first) + 1
        if self._data[begin:first].strip():
            begin, end = self.span(statements[0])[0], self.span(statements[-1])[1]  # several on one line
            head = b""
        else:
            head = self._data[begin : self.span(statements[0])[0]]
        whole = ast.Module(list(statements), [])
        text = self._between(whole, begin + len(head), end, changes)
        return dedented(head.decode() + text).rstrip()

    def line_end(self, statement: ast.stmt) -> int:
        """Where a statement ends, with the comment after it."""
        end = self.span(statement)[1]
        assert statement.end_lineno is not None
        rest = self._data[end : self._starts[statement.end_lineno] - 1]
        return end + len(rest.rstrip()) if rest.strip().startswith(b"#") else end

    def comments(self, first: int, last: int) -> list[str]:
        """The comments that have the lines `first` to `last` for themselves."""
        return [text for line, (text, own) in self._comments.items() if own and first <= line <= last]

    def beside(self, statement: ast.stmt) -> str:
        """The comment at the end of a statement's last line, or ""."""
        text, own = self._comments.get(statement.end_lineno or 0, ("", True))
        return "" if own else text

    def _between(self, node: ast.AST, begin: int, end: int, changes: Mapping[ast.AST, str]) -> str:
        edits = sorted(self._edits(node, changes))
        out, at = [], begin
        for start, stop, text in edits:
            out += [self._data[at:start].decode(), text]
            at = stop
        return "".join([*out, self._data[at:end].decode()])

    def _edits(self, node: ast.AST, changes: Mapping[ast.AST, str]) -> Iterator[tuple[int, int, str]]:
        if node in changes:
            assert isinstance(node, (ast.expr, ast.stmt))
            yield (*self.span(node), changes[node])
        elif isinstance(node, ast.JoinedStr) and not _FSTRINGS_HAVE_PLACES:
            if any(inner in changes for inner in ast.walk(node)):
                yield (*self.span(node), ast.unparse(_Replace(changes).visit(ast.parse(ast.unparse(node)).body[0])))
        else:
            for child in ast.iter_child_nodes(node):
                yield from self._edits(child, changes)


class _Replace(ast.NodeTransformer):
    """For f-strings of Python 3.11: the changes, by the text of what is replaced."""

    def __init__(self, changes: Mapping[ast.AST, str]) -> None:
        self._changes = {ast.unparse(node): text for node, text in changes.items()}

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and (text := self._changes.get(ast.unparse(node))) is not None:
            return ast.parse(text, mode="eval").body
        return self.generic_visit(node)


def _comments(text: str) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Each comment by its line, with whether it has the line for itself."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], (token.string, not token.line[: token.start[1]].strip())


def indented(text: str, by: str = "    ") -> str:
    """Statements, further in; lines that begin inside a string stay as they are."""
    inside = _inside_strings(text)
    lines = text.split("\n")
    return "\n".join(
        by + line if line.strip() and number not in inside else line for number, line in enumerate(lines, 1)
    )


def dedented(text: str) -> str:
    """Statements at the left margin; lines that begin inside a string stay as they are."""
    margin = len(text) - len(text.lstrip(" \t"))
    if not margin:
        return text
    inside = {number - 1 for number in _inside_strings("if 1:\n" + text)}
    lines = text.split("\n")
    return "\n".join(
        line if number in inside else line[margin:] if line[:margin].isspace() else line.lstrip()
        for number, line in enumerate(lines, 1)
    )


def _inside_strings(text: str) -> set[int]:
    """Numbers, from 1, of the lines that begin inside a string."""
    inside: set[int] = set()
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "STRING":
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
        elif name in ("FSTRING_START", "TSTRING_START"):  # one token a part, from Python 3.12
            opened.append(token.start[0])
        elif name in ("FSTRING_END", "TSTRING_END"):
            inside.update(range(opened.pop() + 1, token.end[0] + 1))
    return inside
