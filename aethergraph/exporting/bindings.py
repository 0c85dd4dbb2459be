"""What a name of an agent's body stands for while the body is written down as a static graph."""

from __future__ import annotations

import ast
from dataclasses import dataclass

NO_ROOTS: frozenset[str] = frozenset()
CONTEXT = "context"  # the parameter of an agent or tool that gets its context


class Unliftable(Exception):
    """A statement that no static graph can say, or not surely the same: the body stays as it is."""

    def __init__(self, why: str, node: ast.AST) -> None:
        self.why, self.line = why, int(getattr(node, "lineno", 0))
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Value:
    """One value that is known when the graph runs.

    text: how the graph refers to it. tail: what has to come between, where an attribute or index follows; None where
    none can follow. roots: the variables of the graph whose nodes it comes from.
    """

    text: str
    tail: str | None = ""
    roots: frozenset[str] = NO_ROOTS

    def part(self, text: str) -> Value | None:
        """`.attribute` or `[index]` of it; None where it has no such references."""
        return None if self.tail is None else Value(f"{self.text}{self.tail}{text}", "", self.roots)


@dataclass(frozen=True, slots=True)
class Outs:
    """All outputs of a node, as `await tool(...)` gives them. keys: None where the tool does not declare them.

    whole: the same as a plain dict of references, where the agent's code sees a plain dict. prefix: what stands before
    each key in the names of the node's outputs. made: the outputs by name, where they come from one node or another.
    """

    var: str
    keys: tuple[str, ...] | None
    roots: frozenset[str] = NO_ROOTS
    whole: str = ""
    prefix: str = ""
    made: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A list or tuple whose length is known when the graph is built; `text` is a variable or a display of it."""

    text: str
    items: tuple[Binding, ...]
    mutable: bool = False

    @property
    def roots(self) -> frozenset[str]:
        """The variables of the graph that its items come from."""
        return NO_ROOTS.union(*(roots_of(item) for item in self.items))


@dataclass(frozen=True, slots=True)
class Known:
    """A value that is there when the graph is built: a constant, or what is calculated from constants."""

    text: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the context, bound to a name; `text` is the expression that gives it."""

    text: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """What calls for each item of a list gave, whose length is known only when the graph runs: outputs are lists."""

    var: str
    keys: tuple[str, ...] | None
    roots: frozenset[str] = NO_ROOTS


Binding = Value | Outs | Row | Known | Service | Mapped


def roots_of(binding: Binding) -> frozenset[str]:
    """The variables of the graph that a value comes from."""
    return NO_ROOTS if isinstance(binding, (Known, Service)) else binding.roots


def passed(binding: Binding, node: ast.AST) -> str:
    """A value as an argument or output.

    Raises:
        Unliftable: a node cannot be given it.
    """
    match binding:
        case Value(text=text) | Known(text=text):
            return text
        case Row(text=text, items=items):
            for item in items:
                passed(item, node)
            return text
        case Outs(whole=whole) if whole:
            return whole
        case Outs(var=var):
            raise Unliftable(f"the outputs of `{var}` are used as a whole, not one by one", node)
        case Mapped(var=var):
            raise Unliftable(f"what the calls of `{var}` gave is used as a whole, not output by output", node)
    raise Unliftable("a service of the context is used as a value", node)


def field(outs: Outs, key: str, node: ast.AST) -> Value:
    """One output of a node.

    Raises:
        Unliftable: it has no such output, so this is an attribute or method of the `Outputs` themselves.
    """
    if outs.made and key in dict(outs.made):
        return dict(outs.made)[key]
    if outs.keys is not None and key not in outs.keys:
        raise Unliftable(f"`.{key}` is no output of `{outs.var}`", node)
    if outs.keys is None and hasattr(dict, key):
        raise Unliftable(f"`.{key}` is a method of the outputs of `{outs.var}`", node)
    return Value(f"{outs.var}.{outs.prefix}{key}", "", outs.roots)


def placed(row: Row, name: str) -> Row:
    """`row`, once it is held by the variable `name`."""
    return Row(name, tuple(_at(item, f"{name}[{place}]") for place, item in enumerate(row.items)), row.mutable)


def _at(item: Binding, text: str) -> Binding:
    match item:
        case Value(tail=tail, roots=roots):
            return Value(text, tail, roots)
        case Outs(keys=keys, roots=roots, whole=whole):
            return Outs(text, keys, roots, whole.replace(item.var, text))
        case Row():
            return placed(item, text)
        case Known():
            return Known(text)
    return item
