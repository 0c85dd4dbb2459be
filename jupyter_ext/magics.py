"""`%aether`, and `%%graph_fn`, `%%graphify` and `%%tool` for `?`, Tab and `run_cell_magic`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from aethergraph.errors import AetherGraphError
from aethergraph.lifecycle import hub

from . import commands
from .header import parse

_F = TypeVar("_F", bound=Callable[..., Any])


def _told(text: str) -> Callable[[_F], _F]:
    """What `%aether?` shows."""

    def set_on(fn: _F) -> _F:
        fn.__doc__ = text
        return fn

    return set_on


@magics_class
class AetherMagics(Magics):
    """What `%load_ext aethergraph` registers."""

    shell: Any

    @line_magic
    @_told(f"Runs of this store, and what can be done with them.\n{commands.HELP}")
    def aether(self, line: str) -> None:
        try:
            to_wait_for = commands.do(self.shell, line)
        except (AetherGraphError, ValueError) as error:
            raise UsageError(str(error)) from error
        if to_wait_for is not None:
            self._wait(to_wait_for)

    def _wait(self, to_wait_for: Callable[[], object]) -> None:
        """A ValueError is that of a step here, not of the line: it keeps its traceback."""
        try:
            to_wait_for()
        except AetherGraphError as error:
            raise UsageError(str(error)) from error

    @cell_magic
    def graph_fn(self, line: str, cell: str) -> Any:
        """%%graph_fn [--run] name(x: int = 3) -> y, z

        The cell is the body of an agent: an `async def` with these parameters, and `context` in scope. Tools are
        called with `await`. The names after -> are its outputs, taken from `return {...}`, or from the variables of
        these names at the end of the body. Running the cell defines the agent; --run also runs it.
        """
        return self._define("graph_fn", line, cell)

    @cell_magic
    def graphify(self, line: str, cell: str) -> Any:
        """%%graphify [--run] name(x: int = 3) -> y, z

        The cell is the body of a static graph, which is written and not run: tools are called without `await`, and
        what they give is passed on by reference. Running the cell defines the graph; `name()` draws it, and
        `run(name, x=3)` or `await run_async(name, x=3)` runs it, as --run does.
        """
        return self._define("graphify", line, cell)

    @cell_magic
    def tool(self, line: str, cell: str) -> Any:
        """%%tool name(x: int = 3) -> y, z

        The cell is the body of a tool: each call of it in an agent is one node. It is an `async def` if the body
        awaits, else a plain function, which runs in a thread of its own. The names after -> are its outputs, taken
        from `return`, or from the variables of these names at the end of the body.
        """
        return self._define("tool", line, cell)

    def _define(self, kind: str, line: str, cell: str) -> Any:
        """Only for `run_cell_magic`: a typed cell never gets here, it has become a function before."""
        header = parse(f"%%{kind} {line}")
        assert header is not None
        if header.runs:
            line = line.replace("--run", "", 1)  # a magic cannot await: it is started instead
        self.shell.run_cell(f"%%{kind} {line}\n{cell}", store_history=False).raise_error()
        if not header.runs:
            return None
        agent = self.shell.user_ns[header.name]
        return hub.current().start(agent, agent.bind((), {}))
