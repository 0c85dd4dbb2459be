"""`%%graph_fn name(x) -> y`, and `%%graphify` and `%%tool` likewise: the cell is the body of one function.

A clean-up transformer turns the cell into one real `def`, line for line, before IPython looks for magics. So
tracebacks, `inspect.getsource`, `return` and syntax errors are those of a function that was typed by hand:

    %%graph_fn study(x) -> y            async def study(x):
    z = await double(x)                     z = await double(x)
    y = z + 1                               y = z + 1
                                            return {"y": y}
                                        study = graph_fn(outputs=["y"])(study)

The last line spells `graph_fn` without needing the name, and nothing of Jupyter: it is kept with the function's source
when a run is stored, and makes the agent again where no cell was run.
"""

from __future__ import annotations

import ast
import html
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from typing import Any

from aethergraph.values.annotations import signature_of

from .body import assigned, awaits, ends, first_yield, returns, uses
from .header import KINDS, Header, parse, wrong

INDENT = "    "
STARTS = re.compile(rf"%%(?:{'|'.join(KINDS)})\b")
SAY = f'__import__("{__name__}", fromlist=["say"]).say'  # the user's namespace is left as it is

Transform = Callable[[str], str]  # IPython's own: `!cmd`, `%magic` and `obj?` become Python


def transform(lines: list[str], ipython: Transform) -> list[str]:
    """The lines of a cell; one that begins with `%%graph_fn` or the like becomes a function and its definition.

    Raises:
        SyntaxError: the first line is wrong, or is not the first; or the body can never give a declared output.
    """
    if lines and lines[0].startswith("%%") and not STARTS.match(lines[0]):
        return lines  # another magic's body, which is transformed when that magic runs it
    header = parse(lines[0]) if lines else None
    _refuse_later(lines, 0 if header is None else 1)
    if header is None:
        return lines
    return function(header, lines[0], _own_transforms(lines[1:], ipython)).splitlines(keepends=True)


def function(header: Header, line: str, body: str) -> str:
    """The text of the cell as Python; `line` is its first line as typed."""
    try:
        tree = ast.parse("\n" + body)  # so that its line numbers are those of the cell
        inside = _inside_strings(body)
    except (SyntaxError, tokenize.TokenError, ValueError):
        return _broken(header, body)
    if number := first_yield(tree):
        why = f"the body of {header.name} cannot yield; return its outputs, or name them after ->"
        raise wrong(body.split("\n")[number - 2], why, 0, number)
    is_async = header.kind == "graph_fn" or bool(awaits(tree))
    if is_async and header.kind == "graphify":
        why = f"{header.name} is a static graph: it is written, not run, and awaits nothing; leave out `await`"
        raise wrong(body.split("\n")[awaits(tree) - 2], why, 0, awaits(tree))
    signature = header.signature(context=uses(tree, "context") and header.kind != "graphify")
    out = [f"{'async ' if is_async else ''}def {signature}:\n"]
    for number, text in enumerate(_lines(body)):
        out.append(text if number in inside or not text.strip() else INDENT + text)
    if out[-1][-1:] != "\n":
        out[-1] += "\n"
    out += _ending(header, line, tree)
    outputs = f"(outputs={list(header.outputs)!r})" if header.outputs else ""
    out.append(f'{header.name} = __import__("aethergraph").{header.kind}{outputs}({header.name})\n')
    out.append(f"{SAY}({header.kind!r}, {header.name})\n")
    if header.runs:
        call = (
            f"{header.name}()" if header.kind == "graph_fn" else f'__import__("aethergraph").run_async({header.name})'
        )
        out.append(f"await {call}\n")
    return "".join(out)


def say(kind: str, made: Any) -> None:
    """Show one quiet line about what a cell has defined; called by the transformed cell."""
    from IPython.display import publish_display_data

    signature = signature_of(made.fn) if kind != "graphify" else made.signature
    shown = [p for p in signature.parameters.values() if p.name != "context"]
    text = f"{kind} {made.name}{signature.replace(parameters=shown)}"
    text += f" -> {', '.join(made.outputs)}" if made.outputs else ""
    text += f"   ({made.name}() draws it)" if kind == "graphify" else ""
    style = "opacity:.65;font-family:var(--jp-code-font-family,monospace);font-size:90%"
    page = f'<span style="{style}">{html.escape(text)}</span>'
    publish_display_data({"text/plain": text, "text/html": page})  # type: ignore[no-untyped-call,unused-ignore]


def _own_transforms(body: list[str], ipython: Transform) -> str:
    """The body after IPython's transforms, which drop blank lines at the top: they are put back."""
    blank = 0
    while blank < len(body) and not body[blank].strip():
        blank += 1
    rest = "".join(body[blank:])
    if rest.startswith("%%"):
        raise wrong(rest.split("\n")[0], "a cell magic cannot stand inside another cell", 0, blank + 2)
    try:
        return "\n" * blank + (ipython(rest) if rest else "")
    except SyntaxError as error:  # its line is counted from the text that IPython was given
        raise wrong(error.text or "", error.msg, (error.offset or 1) - 1, (error.lineno or 1) + blank + 1) from None


def _broken(header: Header, body: str) -> str:
    """Text for a body that is no Python: indented plainly, so that the compiler names the error and its line."""
    text = f"async def {header.signature(context=False)}:\n" + "".join(
        INDENT + line if line.strip() else line for line in _lines(body)
    )
    try:
        compile(text, "<cell>", "exec", flags=ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError):
        return text
    ast.parse("\n" + body)  # indenting made it parse, which would change its meaning: the error is the body's own
    raise SyntaxError("the cell cannot be read as Python", ("<cell>", 1, 1, body.split("\n")[0]))


def _ending(header: Header, line: str, tree: ast.Module) -> Iterator[str]:
    """The lines after the body: a `return` of the declared outputs, unless the body always ends with its own."""
    if not ends(tree.body) and header.outputs:
        bound = assigned(tree) | header.parameters
        missing = [name for name in header.outputs if name not in bound]
        if missing and not returns(tree):
            names = ", ".join(missing)
            why = f"{header.name} declares {names} after ->, but its body never assigns {names} and returns nothing"
            raise wrong(line, why, line.rindex("->"))
        pairs = ", ".join(f'"{name}": {name}' for name in header.outputs if name in bound)
        yield f"{INDENT}return {{{pairs}}}\n"
    elif not tree.body:
        yield f"{INDENT}pass\n"


def _refuse_later(lines: list[str], start: int) -> None:
    """Raise where a header stands on a later line, as code: there nothing could read it."""
    for number, line in enumerate(lines[start:], start + 1):
        if (found := STARTS.match(line)) and _is_code(lines, number):
            why = f"{found[0]} must be the first line of its cell; move what stands above it to another cell or below"
            raise wrong(line, why, 0, number)


def _is_code(lines: list[str], number: int) -> bool:
    from IPython.core.inputtransformer2 import make_tokens_by_line

    tokens = (token for row in make_tokens_by_line(list(lines)) for token in row)
    return any(token.start == (number, 0) and token.string.startswith("%") for token in tokens)


def _inside_strings(body: str) -> set[int]:
    """Numbers, from 0, of the lines that begin inside a string, whose text must not be indented."""
    inside, opened = set[int](), list[int]()
    for token in tokenize.generate_tokens(io.StringIO(body).readline):
        name = tokenize.tok_name[token.type]
        if name == "STRING":
            inside.update(range(token.start[0], token.end[0]))
        elif name in ("FSTRING_START", "TSTRING_START"):  # one token a part, from Python 3.12
            opened.append(token.start[0])
        elif name in ("FSTRING_END", "TSTRING_END"):
            inside.update(range(opened.pop(), token.end[0]))
    return inside


def _lines(text: str) -> list[str]:
    """Lines as Python counts them; `str.splitlines` also cuts at form feeds and the like, inside strings too."""
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + parts[-1:] * bool(parts[-1])
