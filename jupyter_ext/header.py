"""The first line of a `%%graph_fn`, `%%graphify` or `%%tool` cell: `%%graph_fn [--run] name(x: int = 3) -> y, z`."""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from dataclasses import dataclass

KINDS = ("graph_fn", "graphify", "tool")
FIRST_LINE = re.compile(rf"%%(?P<kind>{'|'.join(KINDS)})(?=[ \t(]|$)(?P<rest>.*)", re.DOTALL)
OPTION = re.compile(r"\s*--(?P<name>[\w-]*)(?P<value>=\S*)?")


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed first line. `params` is the text between the parentheses, as typed; `outputs` the names after `->`."""

    kind: str
    name: str
    params: str
    outputs: tuple[str, ...]
    runs: bool

    def signature(self, *, context: bool) -> str:
        """`name(x: int = 3, *, context)`: as typed, with the parameter `context` added where it is missing."""
        arguments = _arguments(self.params)
        names = [a.arg for a in _all_arguments(arguments)]
        if not context or "context" in names:
            return f"{self.name}({self.params})"
        head, tail = self.params, ""
        if arguments.kwarg is not None:  # nothing may follow **kw
            at = arguments.kwarg.col_offset - len("def f(")  # in bytes of UTF-8
            head = self.params.encode()[:at].decode().rstrip().removesuffix("**")
            tail = ", " + self.params[len(head) :].rstrip().rstrip(",")
        head = head.rstrip().rstrip(",").rstrip()
        star = [] if arguments.vararg or arguments.kwonlyargs else ["*"]
        return f"{self.name}({', '.join(([head] if head else []) + star + ['context'])}{tail})"

    @property
    def parameters(self) -> frozenset[str]:
        """The names that the parameters bind in the body."""
        return frozenset(a.arg for a in _all_arguments(_arguments(self.params)))

    @property
    def required(self) -> tuple[str, ...]:
        """Parameters without a default, `context` aside."""
        arguments = _arguments(self.params)
        positional = arguments.posonlyargs + arguments.args
        bare = positional[: len(positional) - len(arguments.defaults)]
        bare += [a for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
        return tuple(a.arg for a in bare if a.arg != "context")


def parse(line: str) -> Header | None:
    """The header in `line`, or None if it is no such line.

    Raises:
        SyntaxError: it is one, but not a right one; in the words of the line, with its position.
    """
    match = FIRST_LINE.fullmatch(line.rstrip("\r\n"))
    if match is None:
        return None
    kind, rest = match["kind"], match["rest"]
    start = match.start("rest")
    runs, taken = _options(line, kind, rest)
    signature, arrow, names = _split(rest[taken:])
    at = start + taken
    name, params = _named(line, kind, signature, at)
    outputs = _outputs(line, kind, name, names, at + len(signature) + 2) if arrow else ()
    header = Header(kind, name, params, outputs, runs)
    if runs and kind == "tool":
        raise wrong(line, "--run is for agents: a %%tool is called in one", 0)
    if runs and header.required:
        needs = ", ".join(header.required)
        raise wrong(line, f"--run starts {name} without inputs, but {needs} has no default; give it one", at)
    return header


def wrong(line: str, why: str, at: int, number: int = 1) -> SyntaxError:
    """A SyntaxError that shows `line` (the `number`-th of its cell) with a caret at column `at`, from 0."""
    return SyntaxError(why, ("<cell>", number, at + 1, line.rstrip("\r\n") + "\n"))


def _options(line: str, kind: str, rest: str) -> tuple[bool, int]:
    runs, taken = False, 0
    while option := OPTION.match(rest, taken):
        if option["name"] != "run" or option["value"]:
            said = option[0].strip()
            raise wrong(line, f"%%{kind} has no option {said}; it knows --run", line.index(said))
        runs, taken = True, option.end()
    return runs, taken


def _split(text: str) -> tuple[str, str, str]:
    """Cut `text` at the `->` that stands outside all parentheses and strings; a comment at its end is left out."""
    depth, arrow, end = 0, None, len(text)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                end = token.start[1]
            elif token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                if token.string == "->" and depth == 0 and arrow is None:
                    arrow = token.start[1]
    except (tokenize.TokenError, SyntaxError):
        return text, "", ""  # an open parenthesis or quote: named when the signature is parsed
    if arrow is None:
        return text[:end], "", ""
    return text[:arrow], "->", text[arrow + 2 : end]


def _named(line: str, kind: str, signature: str, at: int) -> tuple[str, str]:
    text = signature.strip()
    if not text:
        raise wrong(line, f"%%{kind} needs a name: %%{kind} study(x: int = 3) -> y", at)
    name, paren, rest = text.partition("(")
    name, at = name.rstrip(), line.index(text, at)
    if not name.isidentifier() or keyword.iskeyword(name):
        raise wrong(line, f"{name!r} is no name for a {kind}: write %%{kind} study(x: int = 3) -> y", at)
    if paren and not rest.endswith(")"):
        raise wrong(line, f"the parameters of {name} must end with ) on this line", len(line.rstrip()))
    params = rest[:-1].strip() if paren else ""
    try:
        statements = ast.parse(f"def {name}({params}): pass").body
    except SyntaxError as error:
        raise wrong(line, f"{text} is not a signature: {error.msg}", at) from None
    if len(statements) != 1 or len(getattr(statements[0], "body", ())) != 1:
        raise wrong(line, f"{text} is not a signature", at)
    return name, params


def _outputs(line: str, kind: str, name: str, text: str, at: int) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    for output in names:
        if not output.isidentifier() or keyword.iskeyword(output):
            what = repr(output) if output else "nothing"
            raise wrong(line, f"after -> come the names of the outputs, like `-> y, z`; got {what}", at)
    if len(set(names)) < len(names):
        raise wrong(line, f"an output of {name} is named twice after ->", at)
    return names


def _arguments(params: str) -> ast.arguments:
    (node,) = ast.parse(f"def f({params}): pass").body
    assert isinstance(node, ast.FunctionDef)
    return node.args


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return found + [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
