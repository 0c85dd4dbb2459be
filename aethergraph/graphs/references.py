"""What stands for a value while a static graph is built: an input, an output of a node, a part of one, a condition.

None of them has a value yet, so whatever needs one (a loop, a sum, an `if`) is refused on the user's own line, with
what to write instead.
"""

from __future__ import annotations

import operator
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from ..errors import GraphBuildError
from .held import captured, members

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
SKIPPED = object()  # what `evaluate` is told for an output of a node that was skipped
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "and": lambda left, right: left and right, "or": lambda left, right: left or right, "not": operator.not_,
}  # fmt: skip


def user_line() -> str:
    """`file:line` of the innermost frame that is the user's.

    Installed code that a body handed a reference (`Path(x)`, `statistics.mean(x)`) is passed over, up to the body.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    outer: types.FrameType | None = frame
    while outer is not None and not outer.f_code.co_filename.startswith(_OURS):
        if not _installed(outer.f_code.co_filename):
            frame = outer
            break
        outer = outer.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _installed(file: str) -> bool:
    return file.startswith((_LIBRARY, "<frozen")) or "site-packages" in file or "dist-packages" in file


def refuse(what: str, where: str = "") -> NoReturn:
    """Raise a GraphBuildError at `where`, or on the user's current line."""
    raise GraphBuildError(what, where=where or user_line())


def _refusal(what: str, instead: str) -> Callable[..., Any]:
    def method(self: Any, *_: Any, **__: Any) -> NoReturn:
        refuse(f"{self!r} has no value while the graph is built, so it cannot {what}: {instead}")

    return method


def _comparison(name: str) -> Callable[[Any, Any], Condition]:
    def method(self: Any, other: Any) -> Condition:
        return Condition(name, self, other)

    return method


_TOOL = "do that in a @tool and pass it the reference"
_IF = "write `_condition=` on the calls that depend on it, or use a @graph_fn, where `if` works"


class Expression:
    """What references and conditions have in common: they can be compared and combined, and have no value."""

    __slots__ = ()

    __hash__ = object.__hash__
    __eq__ = _comparison("==")  # type: ignore[assignment]
    __ne__ = _comparison("!=")  # type: ignore[assignment]
    __lt__, __le__, __gt__, __ge__ = map(_comparison, ("<", "<=", ">", ">="))
    __and__, __or__ = map(_comparison, ("and", "or"))

    def __rand__(self, other: Any) -> Condition:
        return Condition("and", other, self)

    def __ror__(self, other: Any) -> Condition:
        return Condition("or", other, self)

    def __invert__(self) -> Condition:
        return Condition("not", self)

    __bool__ = _refusal("decide an `if`, `while`, `not`, `and` or `or`", f"combine with ~, & and |, and {_IF}")
    __iter__ = _refusal("be iterated or unpacked", "use `handle.unpack(...)` for several outputs, else " + _TOOL)
    __len__ = _refusal("be measured with len()", _TOOL)
    __contains__ = _refusal("be searched with `in`", _TOOL)
    __int__ = __float__ = __complex__ = __index__ = __round__ = _refusal("be made a number", _TOOL)
    __format__ = _refusal("be formatted into a text", _TOOL)
    __str__ = _refusal("be made a text", f"{_TOOL} (to look at it here: `repr(...)`)")
    __call__ = _refusal("be called, and neither can its methods", _TOOL)
    __await__ = _refusal("be awaited", "leave the `await` out: the graph waits by itself; `await` is for @graph_fn")
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refusal("be calculated with", _TOOL)
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __add__
    __matmul__ = __rmatmul__ = __neg__ = __pos__ = __abs__ = __add__
    __setitem__ = __delitem__ = _refusal("be changed", _TOOL)
    __enter__ = __exit__ = _refusal("be used in `with`", _TOOL)
    __fspath__ = _refusal("be used as a path, as in `open()`", _TOOL)


class Reference(Expression):
    """An input (`_node` is ""), an output of a node, or a part of either: `ref[0]`, `ref["k"]`, `ref.field`.

    `_key` None stands for the only output of a node that declares none.
    """

    __slots__ = ("_key", "_node", "_path")

    def __init__(self, node: str, key: str | None, path: tuple[tuple[str, Any], ...] = ()) -> None:
        self._node, self._key, self._path = node, key, path

    def __getitem__(self, item: Any) -> Reference:
        return Reference(self._node, self._key, (*self._path, ("item", item)))

    def __getattr__(self, name: str) -> Reference:
        if name.startswith("_"):
            raise AttributeError(name)
        return Reference(self._node, self._key, (*self._path, ("attr", name)))

    def __repr__(self) -> str:
        base = f"{self._node}.{self._key}" if self._node and self._key else self._node or f"input {self._key}"
        return "<" + base + "".join(f"[{key!r}]" if kind == "item" else f".{key}" for kind, key in self._path) + ">"


class Condition(Expression):
    """A comparison or combination of references, decided when the run knows their values.

    The sign "branch" has three operands: a condition, what it is where that holds, and what it is elsewhere.
    """

    __slots__ = ("_operands", "_sign")

    def __init__(self, sign: str, *operands: Any) -> None:
        self._sign, self._operands = sign, tuple(map(plain, operands))

    def __repr__(self) -> str:
        if len(self._operands) == 1:
            return f"not {self._operands[0]!r}"
        if self._sign == "branch":
            return "({1!r} if {0!r} else {2!r})".format(*self._operands)
        left, right = self._operands
        return f"({left!r} {self._sign} {right!r})"


class NodeHandle:
    """A node of a graph that is being built. `h.out` and `h["out"]` are its outputs; `h` itself its only one."""

    __slots__ = ("_keys", "node_id")

    def __init__(self, node_id: str, keys: tuple[str, ...] | None) -> None:
        self.node_id, self._keys = node_id, keys

    @property
    def output_keys(self) -> list[str]:
        """The names of its outputs."""
        return list(self._keys or ("result",))

    def unpack(self, *names: str) -> tuple[Reference, ...]:
        """References to these outputs, or to all: `a, b = h.unpack("a", "b")`."""
        return tuple(self[name] for name in names or self.output_keys)

    def only(self, where: str = "") -> Reference:
        """Its one output.

        Raises:
            GraphBuildError: it has several.
        """
        if self._keys is not None and len(self._keys) != 1:
            told = ", ".join(f"{self.node_id}.{key}" for key in self._keys) or "none"
            refuse(f"{self.node_id} has {len(self._keys)} outputs, not one: name which ({told})", where)
        return Reference(self.node_id, self._keys[0] if self._keys else None)

    def __getitem__(self, key: str) -> Reference:
        if self._keys is not None and key not in self._keys:
            refuse(f"{self.node_id} has no output {key!r}; its outputs are: {', '.join(self._keys) or 'none'}")
        if not isinstance(key, str):
            refuse(
                f"outputs of {self.node_id} go by name, not by {key!r}; a part of one is {self.node_id}.name[{key!r}]"
            )
        return Reference(self.node_id, key)

    def __getattr__(self, key: str) -> Reference:
        if key.startswith("__"):
            raise AttributeError(key)
        return self[key]

    def __repr__(self) -> str:
        return f"<node {self.node_id}>"

    __hash__ = object.__hash__


def _by_output(name: str) -> Callable[..., Any]:
    """On a handle, an operator means its only output."""

    def method(self: NodeHandle, *args: Any) -> Any:
        return getattr(Expression, name)(self.only(), *args)

    return method


_COMPARED = ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__and__", "__or__", "__rand__", "__ror__"]
_REFUSED = [name for name, value in vars(Expression).items() if getattr(value, "__name__", "") == "method"]
for _name in {*_COMPARED, *_REFUSED, "__invert__"}:
    if _name == "__iter__":  # must name the node, which may have several outputs
        setattr(NodeHandle, _name, Expression.__iter__)
    else:
        setattr(NodeHandle, _name, _by_output(_name))


def plain(value: Any, where: str = "") -> Any:
    """`value` with each handle, at any depth of lists, tuples and dicts, replaced by the reference it stands for.

    Raises:
        GraphBuildError: there is one elsewhere in it, as in a set or an object: no run would put its value there.
    """
    kind = type(value)
    if kind in _ATOMS or kind is Reference or kind is Condition:
        return value
    if kind is NodeHandle:
        return value.only(where)
    if kind is list:
        return [plain(member, where) for member in value]
    if kind is tuple:
        return tuple(plain(member, where) for member in value)
    if kind is dict:
        _refuse_within(value.keys(), "the keys of a dict", where)
        return {key: plain(member, where) for key, member in value.items()}
    _refuse_within(members(value), f"a {kind.__name__}", where)
    return value


def _refuse_within(values: Iterable[Any], what: str, where: str) -> None:
    found = _hidden(values, set(), 3)
    if found is not None:
        told = (
            f"{found!r} is inside {what}, where no run puts its value: give it by itself, or in a list, tuple or dict"
        )
        refuse(told, where)


def _hidden(values: Iterable[Any], seen: set[int], depth: int) -> Any:
    """A handle or reference among `values`, or not too deep in them."""
    for value in values:
        if isinstance(value, (NodeHandle, Expression)):
            return value
        if depth and type(value) not in _ATOMS and id(value) not in seen:
            seen.add(id(value))
            found = _hidden(members(value), seen, depth - 1)
            if found is not None:
                return found
    return None


def refuse_captured(function: Any, name: str, where: str) -> None:
    """Raises GraphBuildError: a tool uses a reference of the body around it, which has no value when it runs."""
    if isinstance(function, types.FunctionType) and function.__closure__:
        found = _hidden(captured(function), set(), 1)
        if found is not None:
            refuse(f"{name} uses {found!r} of the body around it, which has no value there: make it an argument", where)


def references(value: Any) -> Iterator[Reference]:
    """The references in `value`, at any depth of lists, tuples, dicts and conditions."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Condition):
        for operand in value._operands:
            yield from references(operand)
    elif type(value) in (list, tuple):
        for member in value:
            yield from references(member)
    elif type(value) is dict:
        for member in value.values():
            yield from references(member)


def standing(value: Any, identity: Callable[[str], str]) -> Any:
    """`value` with references by what they stand for: the identity of a node, the output, the part."""
    if isinstance(value, Reference):
        return ["ref", identity(value._node) if value._node else "", value._key, repr(value._path)]
    if isinstance(value, Condition):
        return ["condition", value._sign, [standing(operand, identity) for operand in value._operands]]
    if type(value) in (list, tuple):
        return [type(value).__name__, *(standing(member, identity) for member in value)]
    if type(value) is dict:
        return {key: standing(member, identity) for key, member in value.items()}
    return value


def evaluate(value: Any, look: Callable[[str, str | None], Any]) -> Any:
    """`value` with what its references stand for; `look(node, key)` gives inputs (node "") and outputs,
    or SKIPPED, which counts as None with all its parts.

    Raises:
        GraphBuildError: a value has no such part; names the reference.
    """
    if isinstance(value, Reference):
        found = look(value._node, value._key)
        if found is SKIPPED:
            return None
        for kind, key in value._path:
            try:
                found = found[key] if kind == "item" else getattr(found, key)
            except (LookupError, TypeError, AttributeError) as error:
                raise GraphBuildError(f"{value!r} is not there: {type(error).__name__}: {error}") from error
        return found
    if isinstance(value, Condition):
        if value._sign in ("and", "or"):  # as Python does: the right side counts only where the left does not decide
            left = evaluate(value._operands[0], look)
            return evaluate(value._operands[1], look) if bool(left) is (value._sign == "and") else left
        if value._sign == "branch":
            return evaluate(chosen(value, look), look)
        return _OPERATIONS[value._sign](*(evaluate(operand, look) for operand in value._operands))
    if type(value) is list:
        return evaluated(value, look)
    if type(value) is tuple:
        return tuple(evaluated(value, look))
    if type(value) is dict:
        return dict(zip(value, evaluated(value.values(), look), strict=True))
    return value


def evaluated(values: Iterable[Any], look: Callable[[str, str | None], Any]) -> list[Any]:
    """Each of `values` as `evaluate` gives it."""
    found = []
    for value in values:
        if type(value) is Reference and not value._path:  # as nearly all are
            given = look(value._node, value._key)
            found.append(None if given is SKIPPED else given)
        else:
            found.append(evaluate(value, look))
    return found


def chosen(value: Any, look: Callable[[str, str | None], Any]) -> Any:
    """The side that a branch takes, as it was written; anything else is itself."""
    while isinstance(value, Condition) and value._sign == "branch":
        condition, then, otherwise = value._operands
        value = then if evaluate(condition, look) else otherwise
    return value


def node_of(reference: Reference) -> str:
    """The id of the node whose output it is; "" for an input."""
    return reference._node


def key_of(reference: Reference) -> str | None:
    """The name of the output or input; None for the only output of a node that declares none."""
    return reference._key
