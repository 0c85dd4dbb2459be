"""Outputs: a dict with attributes, lazily loaded, and never a hole where anyone can see it."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from aethergraph.errors import DamagedRecord
from aethergraph.values.outputs import Outputs, reserved

WHOLE = {"a": [1], "b": 2, "c": 3}


def keywords(**given: Any) -> dict[str, Any]:
    return given


def lazy(loaded: list[str] | None = None) -> Outputs:
    """`WHOLE`, with `b` ready and the others to be loaded; notes what was."""

    def loader(key: str) -> Callable[[], Any]:
        def load() -> Any:
            if loaded is not None:
                loaded.append(key)
            return WHOLE[key]

        return load

    return Outputs.lazy({key: loader(key) for key in WHOLE}, {"b": 2})


def test_keys_are_attributes() -> None:
    out = Outputs(y=1)
    assert out.y == out["y"] == 1


def test_an_unknown_attribute_is_an_error_that_names_the_outputs() -> None:
    with pytest.raises(AttributeError, match="no output 'loss'; the outputs are: model, score"):
        _ = Outputs(model=1, score=2).loss


def test_awaiting_gives_itself() -> None:
    out = Outputs(y=1)

    async def body() -> Outputs:
        return await out

    assert asyncio.run(body()) is out


def test_awaiting_does_not_suspend() -> None:
    with pytest.raises(StopIteration):
        next(Outputs().__await__())


def test_hashes_by_identity_and_compares_as_a_dict() -> None:
    one, other = Outputs(y=1), Outputs(y=1)
    assert one == other == {"y": 1}
    assert len({one, other}) == 2


def test_a_value_is_loaded_when_it_is_read_and_only_then() -> None:
    loaded: list[str] = []
    out = lazy(loaded)
    assert (len(out), "a" in out, list(out.keys()), loaded) == (3, True, ["a", "b", "c"], [])
    assert out.a == [1]
    assert out["a"] is out.a
    assert loaded == ["a"]


WHOLE_DICT_OPERATIONS: dict[str, Callable[[Outputs], Any]] = {
    "dict(x)": dict,
    "{**x}": lambda out: {**out},
    "f(**x)": lambda out: keywords(**out),
    "{} | x": lambda out: {} | out,
    "x | {}": lambda out: out | {},
    "update": lambda out: (lambda target: target.update(out) or target)({}),
    "|=": lambda out: (lambda target: target.__ior__(out))({}),
    "copy": lambda out: out.copy(),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda out: pickle.loads(pickle.dumps(out)),
    "json": lambda out: json.loads(json.dumps(out)),
    "items": lambda out: dict(out.items()),
    "values": lambda out: dict(zip(WHOLE, out.values(), strict=True)),
    "iteration": lambda out: {key: out[key] for key in out},
    "reversed": lambda out: {key: out[key] for key in reversed(out)},
    "get": lambda out: {key: out.get(key) for key in WHOLE},
    "pop": lambda out: {key: out.pop(key) for key in WHOLE},
    "popitem": lambda out: dict(out.popitem() for _ in WHOLE),
    "setdefault": lambda out: {key: out.setdefault(key, "default") for key in WHOLE},
    "== of it": lambda out: WHOLE if out == WHOLE else None,
    "== with it": lambda out: WHOLE if WHOLE == out else None,  # noqa: SIM300
    "!=": lambda out: None if out != WHOLE else WHOLE,
    "match": lambda out: out if match_all(out) else None,
    "%": lambda out: WHOLE if "%(a)s%(c)s" % out == "[1]3" else None,  # noqa: UP031
    "format": lambda out: WHOLE if "{a}{c}".format(**out) == "[1]3" else None,
    "repr": lambda out: WHOLE if repr(out) == f"Outputs({WHOLE})" else None,
}


def match_all(out: Outputs) -> bool:
    match out:
        case {"a": [1], "c": 3}:
            return True
    return False


@pytest.mark.parametrize("operation", WHOLE_DICT_OPERATIONS.values(), ids=WHOLE_DICT_OPERATIONS)
def test_no_hole_is_seen_by(operation: Callable[[Outputs], Any]) -> None:
    assert operation(lazy()) == WHOLE


def test_a_library_that_walks_the_dict_in_c_gets_an_error_rather_than_a_hole() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(lazy())


def test_the_order_of_keys_is_the_declared_one_whatever_is_read_first() -> None:
    out = lazy()
    _ = out.c
    assert list(out) == ["a", "b", "c"]


def test_a_value_that_is_written_before_it_is_read_is_never_loaded() -> None:
    loaded: list[str] = []
    out = lazy(loaded)
    out["a"] = "mine"
    assert dict(out) == {"a": "mine", "b": 2, "c": 3}
    assert loaded == ["c"]


def test_a_missing_key_is_a_key_error_and_has_its_default() -> None:
    out = lazy()
    assert out.get("z", 7) == 7
    assert out.pop("z", 8) == 8
    with pytest.raises(KeyError):
        _ = out["z"]


def test_with_everything_ready_nothing_is_slowed_down() -> None:
    assert type(Outputs.lazy({"a": list}, {"a": 1})) is Outputs


def test_once_all_is_loaded_it_is_an_ordinary_outputs() -> None:
    out = lazy()
    assert dict(out.items()) == WHOLE
    assert type(out) is Outputs


def test_two_threads_get_the_same_object() -> None:
    both = threading.Barrier(2)

    def load() -> object:
        both.wait(5)
        return object()

    out = Outputs.lazy({"a": load})
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(out.a)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[0] is got[1]


def test_a_value_that_cannot_be_loaded_raises_when_read_and_is_named_in_the_display() -> None:
    def fail() -> Any:
        raise DamagedRecord("output 'a'", "cut short")

    out = Outputs.lazy({"a": fail, "b": lambda: 2})
    assert repr(out) == "Outputs({'a': <not loaded: output 'a' in the store is damaged: cut short>, 'b': 2})"
    with pytest.raises(DamagedRecord):
        dict(out)


@pytest.mark.parametrize("name", ["items", "keys", "get", "copy", "pop", "lazy", "__class__"])
def test_names_of_dict_methods_are_reserved(name: str) -> None:
    assert reserved(name)


@pytest.mark.parametrize("name", ["y", "result", "model", "item", "_private"])
def test_other_names_are_free(name: str) -> None:
    assert not reserved(name)
