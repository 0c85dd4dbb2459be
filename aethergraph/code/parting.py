"""The text of a module as the cells of a notebook: the way back from a module that was exported, or any other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .parsing import parse

ABOUT, IMPORTS, PLAIN, DEFINITION = "about", "imports", "plain", "definition"
_LEFT_OUT = frozenset({"__all__", "__version__", "__author__"})  # say something of a module, and nothing in a notebook


@dataclass(frozen=True, slots=True)
class Part:
    """One cell.

    kind: "about" for the docstring, whose `text` is no code; "imports"; "plain" for other statements; "definition" for
        one function or class.
    name: of what a definition defines, else "".
    """

    kind: str
    text: str
    name: str = ""


def parts(source: str) -> list[Part]:
    """The cells of a module, in order, with its comments. A function or class has a cell of its own.

    What runs only when the module is a script (`if __name__ == "__main__":`) and names such as `__all__` are left out.

    Raises:
        SyntaxError: it is no Python.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    body = parse(source).body
    lines = source.split("\n")
    found: list[Part] = []
    if body and _is_docstring(body[0]):
        found.append(Part(ABOUT, ast.literal_eval(_expression(body[0])).strip()))
    for kind, text, name in _pieces(body, lines):
        if kind in (IMPORTS, PLAIN) and found and found[-1].kind == kind:
            found[-1] = Part(kind, f"{found[-1].text}\n{text}")
        else:
            found.append(Part(kind, text, name))
    return [Part(part.kind, part.text.strip("\n"), part.name) for part in found]


def agents(found: list[Part]) -> list[str]:
    """The names of the agents among the definitions: those with `@graph_fn` or `@graphify`."""
    return [part.name for part in found if part.kind == DEFINITION and _is_agent(part.text)]


def _pieces(body: list[ast.stmt], lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each statement with the comments and blank lines above it. Statements on one line stay together."""
    begun, at = 0, 0
    for number, statement in enumerate(body):
        following = body[number + 1] if number + 1 < len(body) else None
        end = statement.end_lineno or statement.lineno
        if following is not None and _first_line(following) <= end:
            continue
        together, at = body[at : number + 1], number + 1
        if following is None:
            end = len(lines)  # comments at the end of the file
        text, begun = "\n".join(lines[begun:end]), end
        is_docstring = together == body[:1] and _is_docstring(body[0])
        if is_docstring or all(map(_is_left_out, together)):
            continue  # with the comments above it, which belong to it
        yield _kind(together), text, getattr(together[-1], "name", "")


def _kind(statements: list[ast.stmt]) -> str:
    if all(isinstance(one, (ast.Import, ast.ImportFrom)) for one in statements):
        return IMPORTS
    last = statements[-1]
    return DEFINITION if isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else PLAIN


def _first_line(statement: ast.stmt) -> int:
    """Where it begins, its decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _expression(statement: ast.stmt) -> ast.expr:
    assert isinstance(statement, ast.Expr)
    return statement.value


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_left_out(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return all(isinstance(one, ast.Name) and one.id in _LEFT_OUT for one in statement.targets)
    return isinstance(statement, ast.If) and _asks_for_main(statement.test)


def _asks_for_main(test: ast.expr) -> bool:
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    texts = {node.value for node in ast.walk(test) if isinstance(node, ast.Constant)}
    return "__name__" in names and "__main__" in texts


def _is_agent(text: str) -> bool:
    last = parse(text).body[-1]
    for decorator in getattr(last, "decorator_list", []):
        made = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", "")) in ("graph_fn", "graphify"):
            return True
    return False
