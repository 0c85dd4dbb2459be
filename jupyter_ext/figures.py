"""pyplot keeps its figures in one place for the whole process; here each node has its own.

Without this, the end of a cell would show and close the half-drawn figures of nodes that run meanwhile, and two tools
that draw at once would draw into each other's figure. (`rcParams` stay shared.)
"""

from __future__ import annotations

import importlib.util
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping, Sequence, ValuesView
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from io import BytesIO
from types import ModuleType
from typing import Any

from aethergraph.engine import Desk, here

from .prints import Where, where

HOME = "matplotlib._pylab_helpers"


class Figures(MutableMapping[Any, Any]):
    """Stands in the place of pyplot's own dict of open figures: gives the running node's, or the notebook's."""

    def __init__(self) -> None:
        self.own: OrderedDict[Any, Any] = OrderedDict()
        self._of: dict[Where, OrderedDict[Any, Any]] = {}

    def install(self) -> Callable[[], None]:
        """Take pyplot's place now or when it is first imported; call what is returned to undo."""
        finder = _OnImport(self._take)
        if HOME in sys.modules:
            self._take(sys.modules[HOME])
        else:
            sys.meta_path.insert(0, finder)

        def undo() -> None:
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)
            home = sys.modules.get(HOME)
            if home is not None and home.Gcf.figs is self:
                home.Gcf.figs = self.own

        return undo

    def finish(self, desk: Desk) -> None:
        """Note the figures that a node left open, as PNG, and close them."""
        for manager in self._of.pop(where(desk), OrderedDict()).values():
            try:
                png = BytesIO()
                manager.canvas.figure.savefig(png, format="png", bbox_inches="tight")
                desk.note("figure", {"png": desk.store.blobs.put(png.getvalue())})
            except Exception as error:  # noqa: BLE001  # drawing runs the user's own formatters and texts
                desk.note("out", {"s": f"figure {manager.num} could not be drawn: {error}\n", "err": True})
            finally:
                manager.destroy()

    def _take(self, home: ModuleType) -> None:
        if not isinstance(home.Gcf.figs, Figures):
            self.own, home.Gcf.figs = home.Gcf.figs, self

    @property
    def _here(self) -> OrderedDict[Any, Any]:
        desk = here()
        return self.own if desk is None else self._of.setdefault(where(desk), OrderedDict())

    def __getitem__(self, number: Any) -> Any:
        return self._here[number]

    def __setitem__(self, number: Any, manager: Any) -> None:
        self._here[number] = manager

    def __delitem__(self, number: Any) -> None:
        del self._here[number]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._here)

    def __len__(self) -> int:
        return len(self._here)

    def values(self) -> ValuesView[Any]:
        """pyplot reads them in reverse, which a plain mapping's values cannot do."""
        return self._here.values()

    def move_to_end(self, number: Any, last: bool = True) -> None:
        """As an OrderedDict does."""
        self._here.move_to_end(number, last)


class _OnImport(MetaPathFinder):
    """Calls `then(module)` after pyplot's figure manager has been imported for the first time."""

    def __init__(self, then: Callable[[ModuleType], None]) -> None:
        self._then, self._looking = then, False

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != HOME or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self._then(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
