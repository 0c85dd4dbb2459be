"""The import that binds a name, as a cell has it or as it would be written."""

from __future__ import annotations

import collections
import linecache
import os.path
import statistics
from typing import Any

import pytest

from aethergraph.code import importing, source
from aethergraph.code.gathering import gather
from aethergraph.code.importing import Written, import_of
from tests.cells import notebook


def test_a_module_is_imported_as_a_cell_does() -> None:
    with notebook("import statistics as st\nfrom collections import Counter as C, OrderedDict\n"):
        assert import_of("st", statistics) == "import statistics as st"
        assert import_of("C", collections.Counter) == "from collections import Counter as C"
        assert import_of("OrderedDict", collections.OrderedDict) == "from collections import OrderedDict"


def test_what_no_cell_imports_is_imported_where_a_module_has_it() -> None:
    with notebook("x = 1\n"):
        assert import_of("statistics", statistics) == "import statistics"
        assert import_of("mean", statistics.mean) == "from statistics import mean"
        assert import_of("average", statistics.mean) == "from statistics import mean as average"
        assert import_of("x", 1) is None


def test_the_parts_of_a_package_are_imported_together() -> None:
    with notebook("import os.path\n", "import os\n"):
        assert import_of("os", os) == "import os\nimport os.path"


def test_a_cell_counts_from_the_moment_that_it_is_run() -> None:
    with notebook("x = 1\n") as book:
        assert import_of("path", os.path) == f"import {os.path.__name__} as path"
        book.run("from os import path\n")
        assert import_of("path", os.path) == "from os import path"


def test_a_cell_that_takes_the_place_of_another_counts_instead_of_it() -> None:
    with notebook("x = 1\n", "from os import path as p\n"):
        assert import_of("p", os.path) == "from os import path as p"
        file = source.cells()[-1]
        text = "import os.path as p\n"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        assert import_of("p", os.path) == "import os.path as p"


def test_an_import_that_came_to_nothing_is_passed_over() -> None:
    with notebook("x = 1\n") as book:
        with pytest.raises(ImportError):
            book.run("from this_is_nowhere import mean\n")
        with pytest.raises(ZeroDivisionError):
            book.run("1 / 0\nfrom wsgiref.types import mean\n")  # there is one, and nobody has loaded it
        assert import_of("mean", statistics.mean) == "from statistics import mean"


def test_hundreds_of_cells_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    plain = source.text_of
    with notebook("import math, statistics, collections\n", *(f"x{n} = {n}\n" for n in range(300))) as book:
        book.run("def f(n):\n    return math.floor(statistics.mean([n])) + len(collections.Counter([n]))\n")

        def told(file: str, names: dict[str, Any] | None = None) -> str | None:
            looked.append(file)
            return plain(file, names)

        monkeypatch.setattr(source, "text_of", told)
        head = gather(book["f"]).source.splitlines()[:3]
        assert head == ["import collections", "import math", "import statistics"]
        assert 302 <= len(looked) < len(source.cells()) + 30  # each cell, and that of the function a few times more


def test_cells_are_not_read_again_while_there_are_no_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with notebook("import math\n", "y = 1\n") as book:
        before = Written.now()
        monkeypatch.setattr(importing, "_imports_in", None)  # to be called by nobody
        assert Written.now() is before
        monkeypatch.undo()
        book.run("import statistics\n")
        assert Written.now() is not before
