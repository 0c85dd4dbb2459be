#!/usr/bin/env python3
"""Write `docs/services.md`: what a context can do, from the signatures and docstrings of its services.

`python3 dev.py docs` calls it. `--check` writes nothing and exits with 1 where the file is not what it would be.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aethergraph import context, runtime
from aethergraph import services as package
from aethergraph.context import NodeContext
from aethergraph.services.logger import RunLogger
from aethergraph.services.runs import Runs
from aethergraph.services.service import Service
from aethergraph.services.waits import Waits

PAGE = Path(__file__).with_name("services.md")
COMMAND = "python3 dev.py docs"
HEAD = f"""# What a context can do

<!-- Made by `{COMMAND}` from the docstrings; what is changed here by hand is lost. -->

A tool or an agent that has a parameter `context` reaches people, files and the store through it. In an async body or
tool its methods are awaited; in a sync tool they block, and `async with` becomes `with`. What is done or read through
it is recorded once and replayed, never repeated. `help(context.channel().ask_text)`, or `?` in a notebook, tells all.
"""
UNTOLD: dict[type, tuple[str, ...]] = {  # what only the engine or the standard library calls
    NodeContext: ("close", "pending"),
    RunLogger: ("process", "isEnabledFor"),
    Service: ("bind",),
}
SIMPLE = (bool, int, float, str, bytes, type(None), tuple)


def services() -> dict[str, type]:
    """The class behind each accessor of a context, in the order in which the accessors are written."""
    found: dict[str, type] = {}
    for name in [*vars(NodeContext), *context.SERVICES]:
        if name.startswith("_") or name in found:
            continue
        factory = context.SERVICES.get(name)
        kind = factory if inspect.isclass(factory) else given(vars(NodeContext).get(name)) or given(factory)
        if kind is not None and kind.__module__.startswith("aethergraph.services") and any(methods(kind)):
            found[name] = kind
    return found


@functools.cache
def classes() -> dict[str, type]:
    """The classes of all services by name: a context imports them only when they are used."""
    modules = [
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    ]
    return {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__
    }


def given(fn: Any) -> type | None:
    """The class that a function says it returns."""
    if not inspect.isfunction(fn):
        return None
    try:
        kind = typing.get_type_hints(fn, localns=classes()).get("return")
    except NameError:  # imported for type checkers alone
        return None
    kind = typing.get_origin(kind) or kind
    return kind if inspect.isclass(kind) else None


def methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The documented methods of a class and of its bases that are ours, in the order in which they are written."""
    seen = set(UNTOLD.get(kind, ()))
    for base in kind.__mro__:
        if not base.__module__.startswith("aethergraph"):
            continue
        for name, value in vars(base).items():
            fn = inspect.unwrap(value) if callable(value) else None
            if inspect.isfunction(fn) and not name.startswith("_") and name not in seen and fn.__doc__:
                seen.add(name)
                yield name, fn


def shown(value: Any) -> str:
    """A default as a reader would type it."""
    if value is ...:
        return "..."
    return repr(value) if isinstance(value, SIMPLE) else "..."


def signature(name: str, fn: Callable[..., Any], *, awaited: bool = False) -> str:
    """How it is called; annotations are for the docstring and the type checker."""
    parts, star = [], False
    for p in inspect.signature(fn).parameters.values():
        if p.name == "self":
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            star = True
            parts.append("*")
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        star = star or p.kind is p.VAR_POSITIONAL
        parts.append(f"{mark}{p.name}" + ("" if p.default is p.empty else f"={shown(p.default)}"))
    return f"{'await ' if awaited or inspect.iscoroutinefunction(fn) else ''}{name}({', '.join(parts)})"


def sentence(fn: Any) -> str:
    """The first sentence of a docstring, on one line."""
    text = " ".join((inspect.getdoc(fn) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`\"])", text)[0]


def table(rows: list[tuple[str, str]]) -> str:
    """A Markdown table."""
    lines = [
        f"| `{how}` | {what} |".replace("\\", "\\\\") for how, what in ((h, w.replace("|", "\\|")) for h, w in rows)
    ]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def section(title: str, what: str, rows: list[tuple[str, str]]) -> str:
    """One heading with its table."""
    return f"## {title}\n\n{what}\n\n{table(rows)}\n"


def of_class(kind: type, prefix: str = "", leave: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """The rows of a class."""
    rows = [(name, fn) for name, fn in methods(kind) if name not in leave]
    waits = vars(Waits) if kind is NodeContext else {}
    return [(signature(prefix + name, fn, awaited=name in waits), sentence(fn)) for name, fn in rows]


def page() -> str:
    """The whole page."""
    known = services()
    parts = [HEAD]
    for name, kind in known.items():
        accessor = vars(NodeContext).get(name)
        how = signature(f"context.{name}", accessor) if accessor is not None else f"context.{name}()"
        parts.append(section(f"`{how}`", sentence(accessor or kind), of_class(kind)))
    own = of_class(NodeContext, "context.", frozenset({*known, *(name for name, _ in methods(Runs))}))
    parts.append(section("Other runs", sentence(Runs), of_class(Runs, "context.")))
    parts.append(section("The rest of a context", "What belongs to no service.", own))
    parts.append(section("`class Trainer(Service)`", sentence(Service), of_class(Service, "self.")))
    names = [(signature(name, getattr(runtime, name)), sentence(getattr(runtime, name))) for name in runtime.__all__]
    parts.append(section("`aethergraph.runtime`", sentence(runtime), names))
    return "\n".join(parts)


def main(argv: list[str]) -> int:
    """Write the page, or tell whether it is up to date."""
    text = page()
    if "--check" in argv:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print(f"docs/services.md is not what the docstrings say: type {COMMAND}")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
