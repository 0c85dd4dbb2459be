"""Code as a notebook has it: cells in `linecache`, names in one namespace that is a module's."""

from __future__ import annotations

import itertools
import linecache
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_numbers = itertools.count()


class Notebook:
    """Cells run one after the other. Its namespace stands in for `__main__` while the notebook is open."""

    def __init__(self, module: types.ModuleType) -> None:
        self.names: dict[str, Any] = vars(module)

    def run(self, text: str) -> None:
        file = f"/tmp/ipykernel_0/{next(_numbers)}.py"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec", dont_inherit=True), self.names)

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


@contextmanager
def notebook(*texts: str) -> Iterator[Notebook]:
    """A notebook whose cells have been run."""
    before, cached = sys.modules["__main__"], dict(linecache.cache)
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        opened = Notebook(module)
        for text in texts:
            opened.run(text)
        yield opened
    finally:
        sys.modules["__main__"] = before
        linecache.cache.clear()
        linecache.cache.update(cached)
