"""`module.py:agent` and `package.module:agent`: finding what is to be run."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import AetherGraphError
from ..record import facts as f
from .codes import Wrong


def load(target: str) -> Any:
    """The agent that `target` names. Where it names none, the only one of the module, or its entry point.

    Raises:
        Wrong: there is no such file, module or agent; says which there are.
    """
    place, _, name = target.rpartition(":") if ":" in target[2:] else (target, "", "")  # C:\agents.py is a file
    found = module(place)
    agents = _agents(found)
    if name:
        return _named(found, name, agents, place)
    main = [key for key, agent in agents.items() if agent.metadata.get("entrypoint")]
    chosen = main if len(main) == 1 else list(agents)
    if len(chosen) == 1:
        return agents[chosen[0]]
    if not agents:
        raise Wrong(f"{place} defines no agent: decorate a function with @graph_fn or @graphify")
    raise Wrong(f"{place} defines several agents; say which: {', '.join(f'{place}:{key}' for key in agents)}")


def _named(module: ModuleType, name: str, agents: dict[str, Any], place: str) -> Any:
    if name in agents:
        return agents[name]
    by_own_name = [agent for agent in agents.values() if agent.name == name]
    if by_own_name:
        return by_own_name[0]
    if hasattr(module, name):
        if _is_agent(getattr(module, name)):  # it is only imported there
            return getattr(module, name)
        raise Wrong(f"{name} of {place} is no agent but {type(getattr(module, name)).__name__}; {_there(agents)}")
    near = difflib.get_close_matches(name, agents, 1)
    hint = f"did you mean {place}:{near[0]}?" if near else _there(agents)
    raise Wrong(f"{place} has no {name!r}; {hint}")


def _there(agents: dict[str, Any]) -> str:
    return f"its agents are: {', '.join(agents) or 'none'}"


def _agents(module: ModuleType) -> dict[str, Any]:
    """The agents that a module defines, by variable; those that it only imports come where it defines none."""
    found = {key: value for key, value in vars(module).items() if _is_agent(value) and not key.startswith("_")}
    own = {key: value for key, value in found.items() if getattr(value, "__module__", "") == module.__name__}
    return own or found


def _is_agent(value: Any) -> bool:
    return getattr(value, "kind", None) == f.GRAPH and hasattr(value, "bind")


def file_of(agent: Any) -> str:
    """The file that defines an agent: what its runs belong to, and where a resume finds its code."""
    return os.path.abspath(getattr(sys.modules.get(agent.__module__), "__file__", None) or "")


def reload(file: str) -> None:
    """Import the file that a run was started from, if it is there: a resume goes on with the code as it is now."""
    if file.endswith(".py") and Path(file).is_file():
        _from_file(Path(file))


def module(place: str) -> ModuleType:
    """The module of a file or of a dotted name.

    Raises:
        Wrong: there is none, or it cannot be imported under its name.
    """
    path = Path(place).expanduser()
    if path.suffix == ".ipynb":
        raise Wrong(f"{place} is a notebook: write `aether export {place} NAME -o module.py`, or `aether nb {place}`")
    if path.suffix == ".py" or path.is_file():
        return _from_file(path)
    if not all(part.isidentifier() for part in place.split(".")):
        raise Wrong(f"{place!r} names no module; write module.py:agent, or package.module:agent")
    _importable_from(Path.cwd())
    try:
        return _imported(place, place)
    except ModuleNotFoundError:
        raise Wrong(f"there is no module {place!r} and no file of that name; write module.py:agent") from None


def _imported(name: str, place: str) -> ModuleType:
    """The module of that name, which is told as `place`.

    Raises:
        ModuleNotFoundError: there is none.
        Wrong: its code failed, or ended the process; says in which line.
    """
    try:
        return importlib.import_module(name)
    except AetherGraphError:
        raise  # it names the line itself
    except (Exception, SystemExit) as error:
        lacks = error.name if isinstance(error, ModuleNotFoundError) else None
        if lacks is not None and f"{name}.".startswith(f"{lacks}."):
            raise
        why = "it ends the process" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
        raise Wrong(f"{place} cannot be imported: {why}{_line_of(error)}") from error


def _line_of(error: BaseException) -> str:
    """Where in the user's code it happened; nothing where it says that itself, as a SyntaxError does."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<frozen")]
    own = [one for one in frames if one.filename not in (__file__, importlib.__file__)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own and not isinstance(error, SyntaxError) else ""


def _from_file(path: Path) -> ModuleType:
    """The module of a file, under the name that it has when it is imported, so that worker processes find it."""
    if not path.is_file():
        raise Wrong(f"there is no file {path}")
    path = path.resolve()
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    if names[-1] == "__init__":
        names.pop()
    name = ".".join(names)
    if not all(part.isidentifier() for part in names):
        raise Wrong(f"{path.name} cannot be imported, as {name!r} is no name in Python: rename the file")
    _importable_from(folder)
    loaded = _imported(name, str(path))
    found = getattr(loaded, "__file__", None)
    if found is None or Path(found).resolve() != path:
        raise Wrong(f"{path} cannot be imported: another module is called {name!r} ({found}); rename the file")
    return loaded


def _importable_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
