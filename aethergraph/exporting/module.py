"""An agent of a notebook as the text of a module."""

from __future__ import annotations

import ast
import builtins
import datetime
import inspect
import json
import re
import textwrap
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from ..authoring.reactive import Agent
from ..authoring.static import StaticGraph
from ..code import source
from ..code.gathering import name_of
from ..code.importing import import_of
from ..errors import ExportError, GraphBuildError
from ..lifecycle import resuming
from ..record.scopes import free
from . import hidden, parts
from .bindings import CONTEXT, Unliftable
from .draft import Draft
from .lifting import Function, lift
from .printing import Page
from .words import Words, indented

_OF_THE_RUN = {
    "continue_as_new": "ends the run of this agent and starts another",
    "node_id": "names the node that the agent is",
    "graph_id": "names the agent's graph",
}
_DEFAULTS: dict[str, Any] = {"version": "0.1.0", "max_concurrency": None, "tags": ()}


def module(
    agent: Agent, path: Path | None = None, *, origin: str = "", run_id: str = "", today: datetime.date | None = None
) -> str:
    """The text of a module that does what `agent` does.

    Args:
        path: where it will lie.
        origin: where the agent comes from, such as the path of a notebook; run_id: the run that it is taken from.
            Both stand in the docstring of the module, with the date.

    Raises:
        ExportError: it cannot be done without changing what the agent does; names the line.
    """
    refuse_others(agent)
    title = _title(agent, origin, run_id, today or datetime.date.today())
    if isinstance(agent, StaticGraph):
        return _as_it_is(agent, title, path)
    made = _Exported(agent, title, path)
    try:
        page = made.lifted()
        _check(page, made.name)
    except (Unliftable, _NotBuilt) as error:
        page = made.whole(error)
        try:
            _check(page, made.name)
        except _NotBuilt as broken:
            raise ExportError(f"{made.name} cannot be one node of a static graph: {broken}") from broken
    return page


def refuse_others(agent: Any) -> None:
    """Raises ExportError: it is no agent."""
    if not isinstance(agent, Agent):
        raise ExportError(f"{agent!r:.80} is no agent: export the @graph_fn or @graphify that uses it")


def _as_it_is(agent: StaticGraph, title: str, path: Path | None) -> str:
    name = name_of(agent)
    names = getattr(agent.function, "__globals__", {})
    found = parts.parts({name: agent}, names, set())
    imports = {*found.imports, "from aethergraph import run"}
    page = Page(title, imports, found.texts, "", "", found.future)
    page.script, more = _script(name, bool(agent.inputs), "run")
    page.imports |= more
    return page.text(path)


def _title(agent: Any, origin: str, run_id: str, today: datetime.date) -> str:
    name = getattr(agent, "name", "")
    head = inspect.getdoc(getattr(agent, "fn", None)) or f"The agent `{name}`."
    origins = [f"from {origin}" if origin else "from a notebook", f"as of run {run_id}" if run_id else ""]
    told = f"Exported {' '.join(filter(None, origins))} by `%aether export {name}` on {today.isoformat()}."
    text = f"{head.splitlines()[0]}\n\n" + "\n".join(textwrap.wrap(told, 96, break_long_words=False))
    return '"""' + text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + '\n"""'


def _script(name: str, takes: bool, run: str) -> tuple[str, set[str]]:
    """What runs the module as a script, and the imports for it."""
    if not takes:
        return f'if __name__ == "__main__":\n    print({run}({name}))', set()
    lines = [
        'if __name__ == "__main__":',
        "    # inputs are JSON: python MODULE.py '{\"name\": value}'",
        "    inputs = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}",
        f"    print({run}({name}, inputs))",
    ]
    return "\n".join(lines), {"import json", "import sys"}


def _check(text: str, name: str) -> None:
    """Build the graph of a module that was just written.

    Raises:
        _NotBuilt: it cannot be built.
    """
    made = types.ModuleType(f"exported_{name}")
    with resuming.apart():
        try:
            exec(compile(text, f"<export of {name}>", "exec", dont_inherit=True), vars(made))
            vars(made)[name].build()
        except GraphBuildError as error:
            raise _NotBuilt(error.what) from error
        except Exception as error:
            raise _NotBuilt(f"{type(error).__name__}: {error}") from error


def is_reactive(agent: Any, name: str) -> TypeGuard[Agent]:
    """Whether `name` is an agent of a cell, written with `@graph_fn`."""
    reactive = isinstance(agent, Agent) and not isinstance(agent, StaticGraph)
    return reactive and import_of(name, agent) is None


class _NotBuilt(Exception):
    """A module that was written does not give a graph."""


class _Exported:
    """One reactive agent on its way into a module."""

    def __init__(self, agent: Agent, title: str, path: Path | None) -> None:
        self.agent, self.title, self.path = agent, title, path
        self.function = source.unwrap(agent)
        code = source.code_of(self.function)
        if code is None or not isinstance(code.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            raise ExportError(f"the source of {agent.name} is not known: define it with `def` in a cell or file")
        self.code = code
        self.words = Words(code.text)
        node = self.words.tree.body[0]
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        self.node: Function = node
        self.name = name_of(agent)
        cells = source.closure(self.function)
        if set(cells) - {node.name}:
            name = sorted(set(cells) - {node.name})[0]
            what = f"{self.name} uses `{name}` of the function around it; define the agent at the top of a cell"
            raise ExportError(what, where=self._where(0))
        self.names: Mapping[str, Any] = self.function.__globals__
        self._refuse_own_run()
        hidden.refuse(code, self.words.tree, self.names, self.function)

    def _where(self, line: int) -> str:
        return f"{self.code.file}:{self.code.line + max(line, 1) - 1}"

    def _refuse_own_run(self) -> None:
        """Raises ExportError: the agent does what only the body of a run of its own can do."""
        for each in ast.walk(self.node):
            match each:
                case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self.agent.context_name:
                    if attr in _OF_THE_RUN:
                        what = f"`{attr}` {_OF_THE_RUN[attr]}, and in a module the agent is no run of its own"
                        raise ExportError(what, where=self._where(each.lineno))

    # ------------------------------------------------------------------ taken apart

    def lifted(self) -> str:
        """The module with the body as a static graph, and those of the agents that it calls where they can be one.

        Raises:
            Unliftable: it cannot be one.
        """
        draft = self.draft()
        kept: set[str] = set()  # agents that stay as they are: something else than a graph calls them, too
        while True:
            inner = self._inner(draft, kept)
            drafts = [(self, draft), *inner.values()]
            needs = {name: made.names for one, made in drafts for name in {*made.uses, *one.header()[1]}}
            wanted = {name: self._global(name, names) for name, names in needs.items() if self._is_global(name)}
            own = {self.name, *inner}
            found = parts.parts({name: value for name, value in wanted.items() if name not in own}, self.names, own)
            if self.name in found.asked:
                raise Unliftable(f"what `{self.name}` uses calls it", self.node)
            if not found.asked & inner.keys():
                break
            kept |= found.asked
        texts = [text for one, made in reversed(inner.values()) for text in [*made.tools, one.graph(made)]]
        ours = {pair for _, made in drafts for pair in made.ours.items()}
        return self._page(draft, found, [*texts, *draft.tools], self.graph(draft), ours)

    def draft(self, taken: Iterable[str] = (), callers: Iterable[str] = ()) -> Draft:
        """The body as a static graph.

        Raises:
            Unliftable: it cannot be one.
        """
        if self._is_decorated():
            raise Unliftable("another decorator is around it", self.node)
        if self.agent.context_name not in ("", CONTEXT):
            raise Unliftable(f"its context is called `{self.agent.context_name}`", self.node)
        hidden.refuse_moves(self.node, self.names)
        agent, around = self.agent, {*callers, self.name}
        draft = lift(self.words, self.node, self.names, agent.inputs, agent.outputs, taken=taken, callers=around)
        for name in ("graphify", "run"):
            draft.our(name)
        return draft

    def graph(self, draft: Draft) -> str:
        """The text of the static graph."""
        comments = self.words.comments((self.node.body[-1].end_lineno or 0) + 1, self.words.text.count("\n") + 1)
        lines = [*self._docstring(), *_lines(draft), *comments]
        return self._function(draft, self.agent.outputs, lines)

    def _inner(self, draft: Draft, kept: set[str]) -> dict[str, tuple[_Exported, Draft]]:
        """The agents that it calls, and that those call, as far as they can be static graphs."""
        found: dict[str, tuple[_Exported, Draft]] = {}
        todo = [(name, self.names, draft.callers) for name in sorted(draft.uses)]
        taken = set(draft.taken)
        while todo:
            name, names, callers = todo.pop(0)
            agent = names.get(name)
            if name in found or name in kept or not is_reactive(agent, name):
                continue
            try:
                one = _Exported(agent, "", None)
                made = one.draft(taken, callers)
            except (Unliftable, ExportError):
                continue  # it stays an agent of its own, which is one node
            if one.name != name:
                continue
            taken |= made.taken
            found[name] = one, made
            todo += [(other, one.names, made.callers) for other in sorted(made.uses)]
        return found

    def _is_decorated(self) -> bool:
        return len(self.node.decorator_list) > 1 or hasattr(self.function, "__wrapped__")

    def _docstring(self) -> list[str]:
        first = self.node.body[0]
        if ast.get_docstring(self.node) is None:
            return []
        return [self.words.block([first], {})]

    def _function(self, draft: Draft, outputs: tuple[str, ...] | None, lines: list[str]) -> str:
        body = indented("\n".join(lines or ["pass"]))
        return f"{self._decorator(draft, 'graphify', outputs)}\ndef {self.name}({self.header()[0]}):\n{body}"

    def _page(
        self, draft: Draft, found: parts.Parts, own: list[str], agent: str, ours: Iterable[tuple[str, str]]
    ) -> str:
        script, more = _script(self.name, bool(self.agent.inputs), draft.our("run"))
        imports = {*found.imports, *more, *(_import(name, called) for name, called in ours)}
        return Page(self.title, imports, [*found.texts, *own], agent, script, found.future).text(self.path)

    def _is_global(self, name: str) -> bool:
        return name in self.names or name not in vars(builtins)

    def _global(self, name: str, names: Mapping[str, Any]) -> Any:
        if name not in names:
            raise ExportError(f"`{name}` is not defined; run the cell that defines it", where=self._where(0))
        return names[name]

    def header(self) -> tuple[str, frozenset[str]]:
        """The parameters without the context, as they are written, and the names that they need."""
        arguments = self.node.args
        plain = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
        defaults += arguments.defaults
        pairs = [*zip(plain, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
        if arguments.kwarg or arguments.vararg:
            what = f"{self.name} takes inputs that have no names of their own: name each of them"
            raise ExportError(what, where=self._where(self.node.lineno))
        shown: list[str] = []
        needs: frozenset[str] = frozenset()
        for argument, default in pairs:
            if argument.arg == self.agent.context_name:
                continue
            if argument in arguments.kwonlyargs and "*" not in shown:
                shown.append("*")
            text = self.words.of(argument)
            equals = " = " if argument.annotation else "="
            shown.append(text if default is None else f"{text}{equals}{self.words.of(default)}")
            for part in (argument.annotation, default):
                needs |= free(part)[0] if part is not None else frozenset()
        return ", ".join(shown), needs

    def _decorator(self, draft: Draft, kind: str, outputs: tuple[str, ...] | None) -> str:
        agent = self.agent
        options: list[str] = []
        if agent.name != self.name:
            options.append(f"name={json.dumps(agent.name)}")
        if outputs is not None:
            options.append(f"outputs=[{', '.join(json.dumps(name) for name in outputs)}]")
        for option, default in _DEFAULTS.items():
            if (value := getattr(agent, option)) != default:
                options.append(f"{option}={value!r}")
        options += [f"{option}={value!r}" for option, value in agent.metadata.items() if value]
        if agent.description and agent.description != (inspect.getdoc(agent.fn) or ""):
            options.append(f"description={agent.description!r}")
        given = f"({', '.join(options)})" if options else ""
        return f"@{draft.our(kind)}{given}"

    # ------------------------------------------------------------------ kept whole

    def whole(self, error: Exception) -> str:
        """The module with the agent as it is, called as one node of a static graph."""
        draft = Draft(self.words, self.names, {}, ())
        kept = draft.fresh(f"{self.name}_steps")
        outputs = self.agent.outputs or self._returned()
        text = self._renamed(kept, draft, outputs)
        why, line = (error.why, error.line) if isinstance(error, Unliftable) else (str(error), 0)
        reason = f"# Stays as it is, as one node: {why}"
        if line:
            reason += f" (line {line} of {kept})"
        arguments = [p.name if p.kind is not p.KEYWORD_ONLY else f"{p.name}={p.name}" for p in self._inputs()]
        lines = [*self._docstring(), *textwrap.wrap(reason, 96, subsequent_indent="# ")]
        lines.append(f"return {kept}({', '.join(arguments)})")
        uses = free(self.node)[0] - {self.node.name, self.name, self.agent.context_name}
        wanted = {name: self._global(name, self.names) for name in uses if self._is_global(name)}
        found = parts.parts(wanted, self.names, {self.name})
        if self.name in found.asked:
            what = f"what {self.name} uses calls {self.name} again, which no static graph can: let it be an input"
            raise ExportError(what, where=self._where(self.node.lineno))
        for name in ("graphify", "run"):
            draft.our(name)
        return self._page(draft, found, [text], self._function(draft, tuple(outputs), lines), draft.ours.items())

    def _renamed(self, kept: str, draft: Draft, outputs: tuple[str, ...]) -> str:
        """The agent as it is written, under the name `kept`, with its outputs declared."""
        own = self.node.name
        changed: dict[ast.AST, str] = {}
        for each in ast.walk(self.node):
            if isinstance(each, ast.Name) and each.id in (own, self.name) and isinstance(each.ctx, ast.Load):
                changed[each] = kept
        decorators = self.node.decorator_list
        if decorators and self.agent.outputs is None:
            shown = f"outputs=[{', '.join(json.dumps(name) for name in outputs)}]"
            made = self.words.of(decorators[0])
            more = (
                ", " if isinstance(decorators[0], ast.Call) and (decorators[0].args or decorators[0].keywords) else ""
            )
            changed[decorators[0]] = f"{made[:-1]}{more}{shown})" if made.endswith(")") else f"{made}({shown})"
        text = self.words.block([self.node], changed)
        text = re.sub(rf"^((?:async )?def ){own}\b", rf"\g<1>{kept}", text, count=1, flags=re.MULTILINE)
        return text if decorators else f"{self._decorator(draft, 'graph_fn', outputs)}\n{text}"

    def _inputs(self) -> list[inspect.Parameter]:
        return [p for name, p in self.agent.signature.parameters.items() if name != self.agent.context_name]

    def _returned(self) -> tuple[str, ...]:
        """The outputs of an agent that declares none, where each `return` gives a dict with the same names.

        Raises:
            ExportError: that is not so.
        """
        given = [each for each in ast.walk(self.node) if isinstance(each, ast.Return) and each.value is not None]
        found: set[tuple[str, ...]] = set()
        for each in given:
            keys = each.value.keys if isinstance(each.value, ast.Dict) else [None]
            texts = tuple(key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
            found.add(texts if len(texts) == len(keys) else ())
        if len(found) != 1 or found == {()}:
            what = f"the outputs of {self.name} are not known before it runs: declare them, `@graph_fn(outputs=[...])`"
            raise ExportError(what, where=self._where(given[0].lineno if given else self.node.lineno))
        return found.pop()


def _lines(draft: Draft) -> list[str]:
    """The statements of the graph; what nothing refers to is not held by a variable."""
    texts: list[str] = []
    for number, line in enumerate(draft.lines):
        later = ast.parse("\n".join(other.text for other in draft.lines[number + 1 :]))
        used = line.target in free(later)[0]
        text = f"{line.target} = {line.text}" if used else line.text
        texts += [*line.above, f"{text}  {line.beside}" if line.beside else text]
    return [*texts, *draft.comments]


def _import(name: str, called: str) -> str:
    home = "aethergraph" if name in ("tool", "graph_fn", "graphify", "run", "branch") else "aethergraph.tools"
    return f"from {home} import {name}" + (f" as {called}" if called != name else "")
