"""What `%load_ext aethergraph` puts into a shell, and `%unload_ext` takes out again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aethergraph import errors, hooks
from aethergraph.lifecycle import hub
from aethergraph.storage.disk import find_store

from . import cells, lane, notebook, run_view, tracebacks, turning
from .capture import Capture
from .commands import complete
from .magics import AetherMagics

_loaded: Extension | None = None


def load(shell: Any) -> None:
    """Load into `shell`; again: nothing."""
    global _loaded
    if _loaded is None:
        _loaded = Extension(shell)


def unload() -> None:
    """Take everything out again; runs go on, without views."""
    global _loaded
    if _loaded is not None:
        _loaded.close()
        _loaded = None


class Extension:
    """Everything that is registered in one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        with ExitStack() as undo:  # where something raises, what came before it is taken back
            self._magics(undo)
            if notebook.kernel() is not None:
                self._kernel(undo)
            self._hub(undo)
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Undo all of it."""
        self._undo.close()

    def _magics(self, undo: ExitStack) -> None:
        shell = self.shell

        def function_cells(lines: list[str]) -> list[str]:
            return cells.transform(lines, shell.input_transformer_manager.transform_cell)

        # Left out where IPython asks whether a cell is complete: a header alone would count as a whole function.
        function_cells.has_side_effects = True  # type: ignore[attr-defined]
        shell.input_transformers_cleanup.append(function_cells)
        undo.callback(shell.input_transformers_cleanup.remove, function_cells)
        undo.callback(tracebacks.install(shell))
        errors.cell_name = partial(tracebacks.cell_name, shell)
        undo.callback(setattr, errors, "cell_name", None)
        shell.register_magics(AetherMagics)
        undo.callback(_forget_magics, shell)
        for word in ("%aether", "aether"):
            shell.set_hook("complete_command", complete, str_key=word)
            undo.callback(shell.strdispatchers["complete_command"].strs.pop, word, None)

    def _kernel(self, undo: ExitStack) -> None:
        """What needs a kernel: in a console, prints and figures are where one looks for them."""
        capture = Capture(self.shell)
        undo.callback(capture.close)
        hooks.on_attempt_end.append(capture.node_ended)
        undo.callback(setattr, hooks, "flush", hooks.flush)
        hooks.flush = capture.prints.flush
        undo.callback(hooks.on_attempt_end.remove, capture.node_ended)
        blocked, quiet = logging.getLogger("aethergraph.watchdog"), logging.NullHandler()
        blocked.addHandler(quiet)  # without a handler Python prints warnings; the run view shows these
        undo.callback(blocked.removeHandler, quiet)
        lane.install(notebook.kernel(), version("ipykernel"))
        undo.callback(lane.uninstall)
        for name, hook in (
            ("display_hook", run_view.open_view),
            ("bundle", run_view.static_bundle),
            ("blocking_asker", notebook.ask_while_blocked),
            ("origin", notebook.cell),
            ("session", notebook.session),
            ("wake_s", 0.25),
            ("turn", turning.turn),
        ):
            undo.callback(setattr, hooks, name, getattr(hooks, name))
            setattr(hooks, name, hook)

    def _hub(self, undo: ExitStack) -> None:
        home = find_store(Path.cwd())
        is_new = not home.exists()
        runtime = hub.current()
        if is_new and runtime.store.folder == home:
            print(f"aethergraph keeps its runs in {home}")
        bus = runtime.bus
        before, bus.notebook = bus.notebook, notebook.live
        undo.callback(setattr, bus, "notebook", before)
        bus.scripts.append(self._answers)
        undo.callback(bus.scripts.remove, self._answers)

    def _answers(self) -> Mapping[str, Any] | None:
        """papermill's parameter `answers`, or a variable of that name: question name or text to answer."""
        answers = self.shell.user_ns.get("answers")
        return answers if isinstance(answers, Mapping) else None


def _forget_magics(shell: Any) -> None:
    manager = shell.magics_manager
    for kind, names in (("line", ["aether"]), ("cell", ["graph_fn", "graphify", "tool"])):
        for name in names:
            manager.magics[kind].pop(name, None)
    manager.registry.pop(AetherMagics.__name__, None)
