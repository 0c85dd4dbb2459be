"""An agent's source: gathered from cells, stored signed, made again elsewhere, and still the same code."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec
import pytest

from aethergraph.code import fingerprint
from aethergraph.code.definitions import Definition, load_definition, materialise, save
from aethergraph.code.gathering import gather
from aethergraph.errors import DamagedRecord, Untrusted
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.codec import Codec
from aethergraph.storage.keyring import Keyring
from aethergraph.storage.store import MemoryStore
from tests.cells import notebook

IMPORTS = """
import dataclasses, enum, functools, re
import math as maths
import xml.dom, xml.sax
from json import dumps as to_json
from pathlib import Path
from aethergraph import graph_fn, tool
"""

HELPERS = """
class Mode(enum.Enum):
    FAST = 1

@dataclasses.dataclass
class Config:
    depth: int = 2
    mode: Mode = Mode.FAST

class Base:
    def value(self): return FACTOR

class Child(Base):
    pass

FACTOR = 3
OPTIONS = {"a": (1, {2, 3}), "inf": float("inf")}
CONFIG = Config(depth=5)
DATA = Path("/data")
PATTERN = re.compile("a+")

def loud(fn):
    @functools.wraps(fn)
    def inner(*args):
        return fn(*args) + FACTOR
    return inner

def make(k):
    def times(x):
        return x * k
    return times

thrice = make(3)
square = lambda x: x ** 2
same = square
capped = functools.partial(max, 100)

def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
"""

AGENT = '''
@tool
def fit(x: int, config: Config = CONFIG) -> int:
    """Fit.

        An indented docstring.
    """
    text = """left
margin"""
    return helper(x) + len(text)  # a comment that stays

raw = lambda x: x + 1
bump = tool(outputs=["y"])(raw)

@loud
def helper(x):
    return (thrice(x) + square(x) + same(1) + capped(x) + Child().value()
            + maths.floor(2.5) + len(to_json(1)) + even(4) + OPTIONS["a"][0])

@graph_fn
async def study(n: int):
    xml.dom, xml.sax, DATA, PATTERN, Mode.FAST
    out = fit(n)
    return {"y": out, "z": bump(n)}
'''

CELLS = (IMPORTS, HELPERS, AGENT)


@pytest.fixture(autouse=True)
def no_modules_left() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("made"):
            cloudpickle.unregister_pickle_by_value(sys.modules[name])
            del sys.modules[name]


def gathered(*cells: str, name: str = "study") -> Definition:
    with notebook(*cells) as book:
        return gather(book[name])


def made(*cells: str, winners: dict[str, Any] | None = None, name: str = "study") -> dict[str, Any]:
    return materialise(gathered(*cells, name=name), "made", winners or {})


def test_the_made_agent_has_the_fingerprint_of_the_original() -> None:
    with notebook(*CELLS) as book:
        original = fingerprint.code(book["study"])
        definition = gather(book["study"])
    assert definition.missing == []
    again = fingerprint.code(materialise(definition, "made", {})["study"])
    assert fingerprint.changed(original.parts, again.parts) == []
    assert again.digest == original.digest


def test_the_made_agent_does_the_same() -> None:
    with notebook(*CELLS) as book:
        expected = book["fit"].fn(3), book["bump"].fn(3), book["helper"](5)
    names = made(*CELLS)
    assert (names["fit"].fn(3), names["bump"].fn(3), names["helper"](5)) == expected


def test_gathering_the_made_agent_gives_the_same_source() -> None:
    definition = gathered(*CELLS)
    names = materialise(definition, "made", {})
    assert gather(names["study"]) == definition


def test_it_holds_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    with notebook(*CELLS) as book:
        digest, definition = fingerprint.code(book["study"]).digest.hex(), gather(book["study"])
    (tmp_path / "definition").write_bytes(msgspec.msgpack.encode(definition))
    script = f"""
import msgspec, pathlib
from aethergraph.code import definitions, fingerprint, gathering
data = pathlib.Path({str(tmp_path / "definition")!r}).read_bytes()
definition = msgspec.msgpack.decode(data, type=definitions.Definition)
agent = definitions.materialise(definition, "made", {{}})["study"]
print(fingerprint.code(agent).digest.hex(), gathering.gather(agent).source == definition.source)
"""
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        shown = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=True
        ).stdout.split()
        assert shown == [digest, "True"]


def test_the_source_is_what_the_user_wrote_and_nothing_else() -> None:
    text = gathered(*CELLS).source
    assert "# a comment that stays" in text
    assert "from json import dumps as to_json" in text
    assert "import math as maths" in text
    assert text.rstrip().endswith('return {"y": out, "z": bump(n)}')
    assert text.count("FACTOR = 3") == 1


def test_what_is_not_used_is_left_out() -> None:
    assert "unused" not in gathered(*CELLS, "unused = 1\n").source


def test_a_function_of_an_importable_module_is_imported() -> None:
    definition = gathered("from tests.cells import notebook as nb\ndef study(): return nb\n")
    assert "from tests.cells import notebook as nb" in definition.source
    assert "linecache" not in definition.source


def test_an_agent_of_an_importable_module_is_one_import() -> None:
    assert gather(materialise).source == "from aethergraph.code.definitions import materialise\n"


def test_definitions_come_before_what_needs_them() -> None:
    cells = ("def late(fn): return wrap(fn)\n", "def wrap(fn): return fn\n", "@late\ndef a(x=None): return x\n",
             "DEFAULT = a\ndef study(f=DEFAULT): return f(4)\n")  # fmt: skip
    assert made(*cells)["study"]() == 4


@pytest.mark.parametrize(
    ("cell", "name", "why"),
    [
        ("import threading\nlock = threading.Lock()\n", "lock", "a lock is a computed object"),
        ("import numpy as np\nlock = np.zeros(3)\n", "lock", "a ndarray is a computed object"),
        ("lock = [].append\n", "lock", "source"),
        ("lock = 'x' * 300_000\n", "lock", "data rather than source"),
    ],
)
def test_what_cannot_be_carried_is_named_with_the_reason(cell: str, name: str, why: str) -> None:
    (missing,) = gathered(cell, "def study(): return lock\n").missing
    assert missing.name == name
    assert why in missing.why


def test_using_a_missing_name_says_which_cell_to_run() -> None:
    names = made("import threading\nlock = threading.Lock()\n", "def study(x):\n    return lock if x else len('ab')\n")
    assert names["study"](False) == 2
    with pytest.raises(NameError, match="Run the cell that makes 'lock'"):
        names["study"](True)
    with pytest.raises(NameError, match="name 'typo' is not defined"):
        exec("typo", names)


def test_a_missing_name_is_taken_from_this_kernel() -> None:
    names = made("import threading\nlock = threading.Lock()\n", "def study(): return lock\n", winners={"lock": "here"})
    assert names["study"]() == "here"


def test_cells_of_this_kernel_win_name_by_name_before_their_dependents_run() -> None:
    cells = ("def deco(fn):\n    return lambda: ['stored', fn()]\n", "def helper(): return 1\n",
             "@deco\ndef study(): return helper()\n")  # fmt: skip
    assert made(*cells)["study"]() == ["stored", 1]
    winners = {"deco": lambda fn: lambda: ["mine", fn()], "unrelated": 1}
    names = made(*cells, winners=winners)
    assert names["study"]() == ["mine", 1]
    assert "unrelated" not in names


def test_a_definition_that_lost_is_not_executed() -> None:
    cells = ("def boom(fn):\n    boom.calls = getattr(boom, 'calls', 0) + 1\n    return fn\n",
             "@boom\ndef helper(): return 1\n", "def study(): return helper()\n")  # fmt: skip
    names = made(*cells, winners={"helper": lambda: "mine"})
    assert names["study"]() == "mine"
    assert not hasattr(names["boom"], "calls")


def test_annotations_keep_their_meaning() -> None:
    late = "from __future__ import annotations\ndef study(x: Unknown) -> Gone: return 1\n"
    assert made(late)["study"].__annotations__ == {"x": "Unknown", "return": "Gone"}
    assert made("def study(x: int): return 1\n")["study"].__annotations__ == {"x": int}


def test_errors_in_a_made_agent_show_its_lines() -> None:
    names = made("def study():\n    raise ValueError  # right here\n")
    import traceback

    with pytest.raises(ValueError) as caught:
        names["study"]()
    assert "raise ValueError  # right here" in "".join(traceback.format_exception(caught.value))


def test_instances_of_made_classes_travel_as_those_of_cells(tmp_path: Path) -> None:
    cell = "import dataclasses\n@dataclasses.dataclass\nclass Cell:\n    x: int = 1\ndef study(): return Cell()\n"
    names = made(cell)
    codec = Codec(DiskBlobs(tmp_path / "b"), Keyring(tmp_path / "k"), lambda: names)
    payload = codec.dump(names["Cell"](5))
    assert payload[:1] == b"t"
    assert b"__main__:Cell" in payload
    with notebook(cell) as book:
        kernel = Codec(DiskBlobs(tmp_path / "b"), Keyring(tmp_path / "k"))
        assert kernel.load(payload) == book["Cell"](5)


def test_closures_are_made_again_with_their_values() -> None:
    cell = (
        "def outer(k, f):\n    async def study(n):\n"
        "        return n and await study(n - 1) or k + f()\n    return study\n"
    )
    names = made(cell + "study = outer(5, lambda: 2)\n")
    assert asyncio.run(names["study"](3)) == 7


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path, DiskBlobs(tmp_path / "blobs"))


def test_a_stored_definition_comes_back(store: MemoryStore, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "key")
    definition = gathered(*CELLS)
    digest = save(store, definition, keyring)
    assert save(store, definition, keyring) == digest
    assert load_definition(store, keyring, digest) == definition
    assert [key for key, _ in store.scan("d:")] == [f"d:{digest}"]


def test_source_that_somebody_else_signed_is_not_loaded(store: MemoryStore, tmp_path: Path) -> None:
    digest = save(store, gathered(*CELLS), Keyring(tmp_path / "key"))
    for key in ("other", "key-that-is-not-there"):
        keyring = Keyring(tmp_path / key)
        with pytest.raises(Untrusted):
            load_definition(store, keyring, digest)


def test_a_definition_under_another_name_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "key")
    digest = save(store, gathered("def study(): return 1\n"), keyring)
    with store.transact() as transaction:
        transaction.set("d:" + "0" * 32, store.get(f"d:{digest}") or b"")
    with pytest.raises(DamagedRecord):
        load_definition(store, keyring, "0" * 32)
    with pytest.raises(DamagedRecord, match="not in this store"):
        load_definition(store, keyring, "1" * 32)
