"""The body of a reactive agent, statement by statement, as the body of a static graph.

What is awaited becomes a node, plain Python between two nodes a small tool. Whatever is not understood here raises
`Unliftable`: then the body stays as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..code.importing import import_of
from . import aliases, branching, picking, small
from .bindings import Binding, Known, Mapped, Outs, Row, Service, Unliftable, Value, field, passed, placed
from .draft import Draft
from .expressions import awaited, awaited_inside, bind, gathered, known_items, listed_inside, node, refer, step
from .loops import emptied
from .reading import augmented, changes, loads, own, reads_first, surely, writes
from .recognising import STEPS, callee, is_gather, is_node, question, refuse_engine
from .rounds import SHORT, rounds
from .words import Words

Function = ast.AsyncFunctionDef | ast.FunctionDef
_COMPOUND = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.AsyncFor)
_LISTS = ("list", "tuple", "set", "frozenset", "Sequence", "List", "range")
_CONTAINERS = (ast.List, ast.Dict, ast.Set)


def lift(
    words: Words,
    function: Function,
    names: Mapping[str, Any],
    inputs: Iterable[str],
    outputs: tuple[str, ...] | None,
    *,
    taken: Iterable[str] = (),
    callers: Iterable[str] = (),
) -> Draft:
    """The body of `function` as a static graph.

    Args:
        names: the globals that it sees; inputs, outputs: those that it declares.
        taken: names of the module that are in use; callers: the agents around it, and itself.

    Raises:
        Unliftable: some statement cannot be said in a static graph.
    """
    body = [each for each in function.body if not _is_docstring(function, each)]
    imported = _imported(body, names)
    body = [each for each in body if not isinstance(each, (ast.Import, ast.ImportFrom))]
    env: dict[str, Binding] = {name: Value(name) for name in inputs}
    local = {*env, *writes(ast.Module(body, []))}
    draft = Draft(words, {**names, **imported}, env, local, outputs, taken, callers)
    draft.lists = frozenset(_lists(function.args))
    aliases.refuse(draft, body)
    _Lifting(draft, body, function.body[0].lineno - 1).all()
    return draft


def _lists(arguments: ast.arguments) -> Iterator[str]:
    """The inputs that are lists, by their type hint or default."""
    defaults = [*arguments.defaults[::-1], *[None] * len(arguments.args)]
    pairs = [
        *zip(arguments.args[::-1], defaults, strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for each, default in pairs:
        hint = each.annotation.value if isinstance(each.annotation, ast.Subscript) else each.annotation
        if isinstance(hint, ast.Name) and hint.id in _LISTS or isinstance(default, (ast.List, ast.Tuple)):
            yield each.arg


def _imported(body: Sequence[ast.stmt], names: Mapping[str, Any]) -> dict[str, Any]:
    """What the import statements of a body bind; they go to the top of the module.

    Raises:
        Unliftable: the module would have two meanings of one name.
    """
    found: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            exec(compile(ast.Module([statement], []), "<import>", "exec", dont_inherit=True), found)
    found.pop("__builtins__", None)
    for name, value in found.items():
        if names.get(name, value) is not value or import_of(name, value) is None:
            raise Unliftable(f"`{name}` is imported in the agent, and is something else outside", body[0])
    return found


def _is_docstring(function: Function, statement: ast.stmt) -> bool:
    first = statement is function.body[0] and isinstance(statement, ast.Expr)
    return first and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)  # type: ignore[attr-defined]


class _Lifting:
    def __init__(self, draft: Draft, body: list[ast.stmt], line: int, rest: Sequence[ast.stmt] = ()) -> None:
        self.draft, self.body, self.rest = draft, body, list(rest)
        self.number = 0
        self.plain: list[ast.stmt] = []  # waits to become one small tool
        self.line = line  # the last that was dealt with
        self.why = ""  # why the last loop or `if` could not be nodes

    def all(self) -> None:
        """Lift the whole body."""
        for number, statement in enumerate(self.body):
            if isinstance(statement, ast.Return) and number < len(self.body) - 1:
                raise Unliftable("there are lines after a `return`", statement)
            self.number = number
            if isinstance(statement, ast.If) and _returns(statement):
                self._flush(number)
                self._comments(statement)
                self._either_return(statement)
                return
            self._statement(statement)
            self.line = statement.end_lineno or self.line
        self._flush(len(self.body))

    @property
    def following(self) -> list[ast.stmt]:
        """The statements after the one that is dealt with."""
        return [*self.body[self.number + 1 :], *self.rest]

    def _comments(self, statement: ast.stmt) -> None:
        self.draft.comments += self.draft.words.comments(self.line + 1, statement.lineno - 1)

    def _statement(self, statement: ast.stmt) -> None:
        draft, mark = self.draft, self.draft.mark()
        if self._is_filled_next(statement):
            if not all(emptied(each) for each in self.plain):
                self._flush(self.number)
            self.plain.append(statement)
            return
        if not self.plain:
            self._comments(statement)
        elif not self._is_plain(statement):
            if self._apart(statement) or self._with_plain(statement):
                return
            self._flush(self.number)
            mark = draft.mark()  # what was flushed stays, whatever this statement is
            self._comments(statement)
        if self.plain or not self._referred(statement):
            if not self.plain:
                draft.back(mark)
            self.plain.append(statement)
            return
        beside = draft.words.beside(statement)
        if beside and len(draft.lines) > mark[0]:
            draft.lines[-1].beside = beside

    def _is_plain(self, statement: ast.stmt) -> bool:
        """Whether it calls no tool, so that it can go into one small tool with the plain statements before it."""
        draft, mark = self.draft, self.draft.mark()
        unknown = set().union(*(writes(each) for each in self.plain))
        for each in ast.walk(statement):
            if isinstance(each, (ast.Await, ast.Return)) or (isinstance(each, ast.expr) and callee(draft, each)):
                return False
        if not unknown & loads(statement):
            try:
                if self._referred(statement):
                    return False
            except Unliftable:
                return True
            finally:
                draft.back(mark)
        return True

    def _flush(self, upto: int) -> None:
        """Make a small tool of the plain statements that were put by."""
        if not self.plain:
            return
        block, self.plain = self.plain, []
        later: set[str] = set()
        for each in [*self.body[upto:], *self.rest]:
            later |= loads(each) | augmented(each)
        words = self.draft.words
        self.draft.comments += words.comments(self.line_before(block[0]) + 1, block[0].lineno - 1)
        bound = writes(ast.Module(block, []))
        small.statements(self.draft, block, later, listed_inside(self.draft, block, bound))

    def line_before(self, statement: ast.stmt) -> int:
        """The last line of the statement before this one."""
        place = self.body.index(statement)
        return (self.body[place - 1].end_lineno or 0) if place else self.line

    # ------------------------------------------------------------------ one statement

    def _referred(self, statement: ast.stmt) -> bool:
        """Write a statement as references and nodes; False where it is plain Python."""
        match statement:
            case ast.Pass():
                return True
            case ast.Return(value=value):
                self._return(value)
                return True
            case ast.Assign() if picking.picked(self.draft, statement, self.following):
                return True
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                return self._assign(target, value)
            case ast.Expr(value=value):
                return self._for_effect(value)
            case ast.If() | ast.For() | ast.While() | ast.Try() | ast.With() | ast.AsyncWith() | ast.AsyncFor():
                return self._compound(statement)
        return False

    def _compound(self, statement: ast.stmt) -> bool:
        """A statement around others; what no static graph has stays as it is, as one node."""
        why = self._engine_inside(statement)
        if why and not self._in_nodes(statement):
            small.region(self.draft, [statement], self.why or why, self.following)
        return bool(why)

    def _in_nodes(self, statement: ast.stmt, fresh: Sequence[ast.stmt] = ()) -> bool:
        """Write a statement around calls as nodes of this graph; False where it cannot be said so."""
        self.why = ""
        if isinstance(statement, ast.For):
            return (not fresh and self._unrolled(statement)) or self._rounds(statement, fresh)
        return not fresh and self._either(statement)

    def _apart(self, statement: ast.stmt) -> bool:
        """Write a statement around calls as nodes, after the plain ones that wait; False where it cannot be said so."""
        if not isinstance(statement, _COMPOUND) or not self._engine_inside(statement):
            return False
        mark, plain, line = self.draft.mark(), self.plain, self.line
        fresh = self._fresh(statement)
        self.plain = plain[: len(plain) - len(fresh)]
        try:
            self._flush(self.number - len(fresh))
            first = fresh[0] if fresh else statement
            self.draft.comments += self.draft.words.comments(self.line_before(first) + 1, first.lineno - 1)
            if fresh:
                last = fresh[-1].end_lineno or 0
                self.draft.comments += self.draft.words.comments(last + 1, statement.lineno - 1)
            done = self._unrolled_after(statement, fresh) or self._in_nodes(statement, fresh)
        except Unliftable as error:
            self.why, done = error.why, False
        if not done:
            self.draft.back(mark)
            self.plain, self.line = plain, line
        return done

    def _fresh(self, statement: ast.stmt) -> list[ast.stmt]:
        """The last plain statements, as far as they make empty what a loop fills."""
        if not isinstance(statement, ast.For):
            return []
        filled = _filled(statement)
        number = len(self.plain)
        while number and emptied(self.plain[number - 1]) in filled:
            number -= 1
        return self.plain[number:]

    def _is_filled_next(self, statement: ast.stmt) -> bool:
        """Whether a statement makes empty what the next one fills, a loop around calls."""
        name = emptied(statement)
        for each in self.following if name else ():
            if not emptied(each):
                return isinstance(each, ast.For) and name in _filled(each) and bool(self._engine_inside(each))
        return False

    def _unrolled_after(self, statement: ast.stmt, fresh: Sequence[ast.stmt]) -> bool:
        """A short loop after what it begins with, which its rounds give other values."""
        mark = self.draft.mark()
        try:
            done = bool(fresh) and all(self._referred(each) for each in fresh) and self._unrolled(statement)
        except Unliftable:
            done = False
        if not done:
            self.draft.back(mark)
        return done

    def _rounds(self, statement: ast.For, fresh: Sequence[ast.stmt]) -> bool:
        """A loop that calls a tool in each round and collects what it gives."""
        mark = self.draft.mark()
        try:
            rounds(self.draft, fresh, statement, self.following)
        except Unliftable as error:
            self.draft.back(mark)
            self.why = error.why
            return False
        return True

    def _unrolled(self, statement: ast.stmt) -> bool:
        """A short loop over a list that is known beforehand: its calls become nodes, one after the other."""
        if not isinstance(statement, ast.For) or not isinstance(statement.target, ast.Name) or statement.orelse:
            return False
        leaves = any(isinstance(each, (ast.Break, ast.Continue)) for each in ast.walk(statement))
        if leaves or any(changes(each) for each in statement.body):
            return False
        mark = self.draft.mark()
        try:
            found = known_items(self.draft, statement.iter)
            if found is None or len(found) > SHORT:
                return False
            line = statement.lineno
            for item in found:
                self.draft.env[statement.target.id] = item
                self._side(statement.body, line, [*statement.body, *self.following])
                line = statement.end_lineno or line
        except Unliftable:
            self.draft.back(mark)
            return False
        return True

    def _either(self, statement: ast.stmt) -> bool:
        """`if` around calls: both sides become nodes with a condition; False where a side cannot be said so."""
        if not isinstance(statement, ast.If):
            return False
        mark = self.draft.mark()
        try:
            branching.either(self.draft, statement, self._side, self.following)
        except Unliftable:
            self.draft.back(mark)
            return False
        return True

    def _either_return(self, statement: ast.If) -> None:
        """`if` with a `return` inside: what follows is its other side, and both sides return."""
        orelse = statement.orelse or self.body[self.number + 1 :]
        if not orelse or not _returns_at_end(statement.body) or not _returns_at_end(orelse):
            raise Unliftable("`return` stands on some ways through an `if` only", statement)
        branching.either_return(self.draft, statement, orelse, self._side)

    def _side(self, body: list[ast.stmt], line: int, following: Sequence[ast.stmt]) -> None:
        """Lift one side of an `if`."""
        _Lifting(self.draft, body, line, following).all()

    def _with_plain(self, statement: ast.stmt) -> bool:
        """Let what was only prepared for a statement that stays as it is stay with it."""
        why = self._engine_inside(statement) if isinstance(statement, _COMPOUND) else ""
        why = why and (self.why or why)
        if why:
            block, self.plain = [*self.plain, statement], []
            first = self.line_before(block[0]) + 1
            self.draft.comments += self.draft.words.comments(first, block[0].lineno - 1)
            small.region(self.draft, block, why, self.following)
        return bool(why)

    def _engine_inside(self, statement: ast.stmt) -> str:
        """What in a statement belongs into the body of an agent; "" where it is plain."""
        try:
            refuse_engine(self.draft, [statement])
        except Unliftable as error:
            return error.why
        return ""

    def _return(self, value: ast.expr | None) -> None:
        draft = self.draft
        if draft.condition:
            if not isinstance(value, ast.Dict):
                raise Unliftable("a `return` inside an `if` gives its outputs by name", value or ast.Pass())
            draft.returned = self._by_name(value)
            return
        if value is None:
            return
        text = self._returned(value) if isinstance(value, ast.Dict) else self._returned_value(value)
        draft.line("", f"return {text}")

    def _returned_value(self, value: ast.expr) -> str:
        """Something else than a dict that is written out: a dict would give all outputs, anything else is the one."""
        draft = self.draft
        found = refer(draft, value)
        if isinstance(found, Outs):
            keys = draft.outputs or found.keys
            if keys is None:
                raise Unliftable("what is returned declares no outputs", value)
            pairs = ", ".join(f'"{key}": {field(found, key, value).text}' for key in keys)
            return f"{{{pairs}}}"
        if isinstance(found, Row) and not found.mutable or small.is_no_dict(value):
            return passed(found if found is not None else bind(draft, value, "result"), value)
        if draft.outputs is None:
            raise Unliftable("what is returned may be a dict, whose keys only the run knows", value)
        made = small.returned(draft, value, draft.outputs)
        pairs = ", ".join(f'"{key}": {made.var}.{key}' for key in draft.outputs)
        return f"{{{pairs}}}"

    def _returned(self, value: ast.Dict) -> str:
        """A dict of outputs as it is written: what no reference can say is calculated before."""
        given = self._by_name(value)
        names = [str(key.value) for key in value.keys if isinstance(key, ast.Constant)]
        changed: dict[ast.AST, str] = {each: given[name] for name, each in zip(names, value.values, strict=True)}
        return self.draft.words.changed(value, changed)

    def _by_name(self, value: ast.Dict) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, each in zip(value.keys, value.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                raise Unliftable("outputs are named by texts", value)
            found[key.value] = passed(bind(self.draft, each, key.value if key.value.isidentifier() else "output"), each)
        return found

    def _for_effect(self, value: ast.expr) -> bool:
        draft = self.draft
        if isinstance(value, ast.Constant):
            return True
        if isinstance(value, ast.Await):
            return awaited(draft, value.value) is not None
        if isinstance(value, ast.Call) and callee(draft, value.func) is not None:
            return refer(draft, value) is not None
        return False

    def _assign(self, target: ast.expr, value: ast.expr) -> bool:
        draft = self.draft
        if isinstance(target, (ast.Tuple, ast.List)) and all(isinstance(each, ast.Name) for each in target.elts):
            return self._unpack([each.id for each in target.elts if isinstance(each, ast.Name)], value)
        if not isinstance(target, ast.Name):
            return False
        name = target.id
        if isinstance(value, ast.Await) and isinstance(call := value.value, ast.Call):
            if callee(draft, call.func) is not None:
                draft.env[name] = node(draft, call, name)
                return True
            if is_gather(draft, call.func):
                draft.env[name] = gathered(draft, call, [name])
                return True
            if (asked := question(call, draft.env)) is not None and STEPS[asked[0]].gives:
                draft.env[name] = step(draft, call, *asked, name)
                return True
        if isinstance(value, ast.Call) and callee(draft, value.func) is not None:
            draft.env[name] = node(draft, value, name, awaited=False)
            return True
        found = refer(draft, value)
        inside = [each.value for each in ast.walk(value) if isinstance(each, ast.Await)]
        if found is None and any(is_node(draft, each) for each in inside):
            draft.env[name] = small.expression(draft, value, name, awaited_inside(draft, value), own=True)
            return True
        if found is None or (self._changes_later(name) and not isinstance(found, (Outs, Service, Mapped))):
            return False
        draft.env[name] = self._kept(name, found, value)
        return True

    def _kept(self, name: str, found: Binding, value: ast.expr) -> Binding:
        """What a name stands for from now on; lists get a variable of their own."""
        draft = self.draft
        if isinstance(found, Row) and isinstance(value, (ast.Tuple, ast.List, ast.ListComp)):
            if found.mutable and self._times(name) > 1 and self._is_passed(name):
                return small.held(draft, name, found)  # a tool could change it: all have to get the same list
            var = draft.fresh(name, own=True)
            draft.line(var, found.text)
            return placed(found, var)
        if isinstance(found, Value) and isinstance(value, (ast.Attribute, ast.Subscript)) and _is_deep(found):
            return small.expression(draft, value, name, own=True)
        if isinstance(found, Value) and isinstance(value, ast.Dict) and self._times(name) > 1:
            return small.expression(draft, value, name, own=True)
        if isinstance(found, Known) and not isinstance(value, (ast.Constant, ast.Name)):
            if isinstance(value, _CONTAINERS) and self._times(name) > 1 and self._is_passed(name):
                return small.expression(draft, value, name, own=True)
            var = draft.fresh(name, own=True)
            draft.line(var, found.text)
            return Known(var)
        return found

    def _unpack(self, names: list[str], value: ast.expr) -> bool:
        draft = self.draft
        if isinstance(value, ast.Await) and isinstance(call := value.value, ast.Call) and is_gather(draft, call.func):
            starred = any(isinstance(each, ast.Starred) for each in call.args)
            found: Binding | None = gathered(draft, call, ["results"] if starred else names)
        else:
            found = refer(draft, value)
        if not isinstance(found, Row):
            return False
        if len(found.items) != len(names):
            raise Unliftable(f"{len(names)} names for {len(found.items)} values", value)
        if any(self._changes_later(name) for name in names):
            return False
        draft.env.update(zip(names, found.items, strict=True))
        return True

    def _changes_later(self, name: str) -> bool:
        """Whether the value of `name` is changed in place in what follows."""
        return any(name in changes(each) for each in self.following)

    def _times(self, name: str) -> int:
        """How often what follows reads `name`."""
        rest = ast.Module(self.following, [])
        return sum(isinstance(each, ast.Name) and each.id == name for each in ast.walk(rest))

    def _is_passed(self, name: str) -> bool:
        """Whether what follows gives `name` itself to a call, so that a tool could change it."""
        rest = ast.Module(self.following, [])
        for each in ast.walk(rest):
            if isinstance(each, ast.Call):
                given = [*each.args, *(keyword.value for keyword in each.keywords)]
                if any(isinstance(inner, ast.Name) and inner.id == name for inner in given):
                    return True
        return False


def _filled(loop: ast.For) -> set[str]:
    """The names whose values go from round to round of a loop."""
    body = ast.Module(loop.body, [])
    anew = writes(body) & (reads_first(loop.body) | (writes(body) - surely(loop.body)))
    return changes(body) | augmented(body) | anew


def _returns(statement: ast.stmt) -> bool:
    return any(isinstance(each, ast.Return) for each in own(statement))


def _returns_at_end(body: Sequence[ast.stmt]) -> bool:
    """Whether statements end with a `return`, or with an `if` both sides of which do."""
    last = body[-1]
    if isinstance(last, ast.If):
        return bool(last.orelse) and _returns_at_end(last.body) and _returns_at_end(last.orelse)
    return isinstance(last, ast.Return)


def _is_deep(value: Value) -> bool:
    """Whether it is a part of an output, which may be another part by the time when it is read."""
    return "[" in value.text or value.text.count(".") > 1
