"""Payloads: what goes in comes out, of the same type; nothing untrusted runs; what cannot be stored is said."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import math
import os
import pathlib
import pickle
import sqlite3
import subprocess
import sys
import types
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aethergraph.errors import DamagedRecord, NotLoadable, NotStorable, Untrusted
from aethergraph.storage import codec as codec_module
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.codec import Codec, about, about_outputs, plain, preview_args
from aethergraph.storage.keyring import Keyring
from aethergraph.values.outputs import Outputs


class Color(enum.Enum):
    RED = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int
    y: tuple[int, ...] = ()


class Model(pydantic.BaseModel):
    a: int
    b: list[str] = []
    _private: int = pydantic.PrivateAttr(default=3)


Pair = collections.namedtuple("Pair", "left right")


class Opaque:
    def __init__(self, value: int) -> None:
        self.value = value


@pytest.fixture
def codec(tmp_path: Path) -> Codec:
    return Codec(DiskBlobs(tmp_path / "blobs"), Keyring(tmp_path / "key"))


def blobs_of(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def same(one: Any, other: Any) -> bool:
    """Equal, of equal types all the way down, NaN and -0.0 told apart."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return math.copysign(1, one) == math.copysign(1, other) and (one == other or one != one and other != other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same([list(pair) for pair in one.items()], [list(pair) for pair in other.items()])
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    return bool(one == other)


text = st.text(max_size=20)
plains = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | text | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | text
    | st.binary(max_size=20)
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.timedeltas()
    | st.times()
    | st.sampled_from(
        [*Color, Right.READ | Right.WRITE, Path("/a/b"), pathlib.PureWindowsPath("c:/x"), Frozen(1, (2,))]
    ),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
anything = st.recursive(
    hashables | st.floats() | st.complex_numbers(allow_nan=False) | st.binary(max_size=9).map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.builds(Pair, inner, inner)
        | st.builds(Point, st.integers(), st.lists(st.integers(), max_size=2))
    ),
    max_leaves=8,
)
many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(plains)
def test_plain_data_comes_back_equal_and_of_equal_types(codec: Codec, value: Any) -> None:
    payload = codec.dump(value)
    assert plain(value)
    assert payload[:1] == b"m"
    assert same(codec.load(payload), value)


@many
@given(anything)
def test_everything_else_comes_back_equal_and_of_equal_types(codec: Codec, value: Any) -> None:
    assert same(codec.load(codec.dump(value)), value)


@many
@given(anything)
def test_a_preview_of_anything_is_short_and_needs_nothing(codec: Codec, value: Any) -> None:
    assert 0 < len(about(codec.dump(value))) <= 200


@many
@given(st.binary(max_size=60), st.sampled_from(b"mtpboh"))
def test_bytes_that_are_no_payload_are_damage(codec: Codec, junk: bytes, kind: int) -> None:
    payload = bytes([kind]) + junk
    with contextlib.suppress(DamagedRecord, NotLoadable, Untrusted, NotStorable):
        codec.load(payload)
    assert len(about(payload)) <= 200


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**63) - 1,
        "\ud800",
        (1,),
        True,
        datetime.datetime(2024, 3, 31, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "here")),
        decimal.Decimal("1.20"),
        uuid.UUID(int=5),
        Model(a=1, b=["x"]),
        Outputs(y=(1, 2)),
        {1: 2, (1, 2): {3}},
        np.float64(2.5),
        np.int8(-3),
        np.bool_(True),
        np.datetime64("2020-01-01", "ms"),
        range(3),
        slice(1, 2),
        collections.OrderedDict(a=1),
        Color,
        len,
    ],
    ids=repr,
)
def test_values_of_all_kinds(codec: Codec, value: Any) -> None:
    loaded = codec.load(codec.dump(value))
    assert type(loaded) is type(value)
    assert loaded == value


def test_private_and_set_fields_of_a_model_come_back(codec: Codec) -> None:
    model = Model(a=1)
    model._private = 9
    loaded = codec.load(codec.dump(model))
    assert (loaded._private, loaded.model_fields_set) == (9, {"a"})


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.array(5),
        np.zeros((0, 3), "i2"),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.asfortranarray(np.eye(3)),
        np.arange(10)[::2],
        np.array(["a", "bc"]),
        np.array([None, "x", {1}], dtype=object),
        np.array(["2020"], "M8[D]"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays(codec: Codec, array: Any) -> None:
    loaded = codec.load(codec.dump(array))
    assert loaded.dtype == array.dtype
    assert loaded.shape == array.shape
    np.testing.assert_array_equal(loaded, array)


def test_an_array_is_no_pickle(codec: Codec, tmp_path: Path) -> None:
    stranger = Codec(DiskBlobs(tmp_path / "blobs"), Keyring(tmp_path / "other"))
    assert stranger.load(codec.dump({"a": np.arange(3)}))["a"].sum() == 3


def test_large_parts_go_to_blobs_once(codec: Codec, tmp_path: Path) -> None:
    array = np.arange(20_000.0)
    payload = codec.dump({"one": array, "two": array.copy(), "text": "x" * 100_000, "raw": bytes(99_999)})
    assert len(payload) < 1_000
    assert len(blobs_of(tmp_path)) == 3
    np.testing.assert_array_equal(codec.load(payload)["two"], array)


def test_long_plain_data_is_one_blob(codec: Codec, tmp_path: Path) -> None:
    value = list(range(100_000))
    payload = codec.dump(value)
    assert payload[:1] == b"b"
    assert codec.load(payload) == value
    assert about(payload).startswith("[0, 1, 2")


def test_a_damaged_blob_is_said(codec: Codec, tmp_path: Path) -> None:
    payload = codec.dump(list(range(100_000)))
    (file,) = blobs_of(tmp_path)
    file.chmod(0o600)
    file.write_bytes(b"m\x01")
    with pytest.raises(DamagedRecord, match="checksum"):
        codec.load(payload)


def test_objects_without_a_form_are_signed_pickles(codec: Codec) -> None:
    assert codec.load(codec.dump(Opaque(3))).value == 3
    assert codec.load(codec.dump([Opaque(3)]))[0].value == 3


def test_functions_of_cells_travel_by_value(codec: Codec) -> None:
    names: dict[str, Any] = {"__name__": "__main__", "k": 3}
    exec("def f(x): return x * k", names)
    assert codec.load(codec.dump(names["f"]))(2) == 6


def test_one_object_in_two_places_stays_one(codec: Codec) -> None:
    model = Opaque(1)
    first, second = codec.load(codec.dump((model, {"again": model})))
    assert first is second["again"]


def test_a_value_that_contains_itself(codec: Codec) -> None:
    knot: list[Any] = [1]
    knot.append(knot)
    loaded = codec.load(codec.dump(knot))
    assert loaded[1] is loaded


@pytest.mark.parametrize("value", [Opaque(1), [Opaque(1)], {"a": (Opaque(1),)}], ids=["bare", "in a list", "deep"])
def test_a_pickle_that_somebody_else_signed_is_not_loaded(codec: Codec, tmp_path: Path, value: Any) -> None:
    stranger = Codec(DiskBlobs(tmp_path / "blobs"), Keyring(tmp_path / "other"))
    payload = stranger.dump(value)
    with pytest.raises(Untrusted, match="Opaque"):
        codec.load(payload)
    assert "Opaque" in about(payload)


def test_a_pickle_with_a_forged_signature_never_runs(codec: Codec, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "boom",)

    codec.dump(Opaque(1))  # so that there is a key
    payload = b"p" + msgspec.msgpack.encode(["nice", bytes(36) + pickle.dumps(Bomb())])
    with pytest.raises(Untrusted):
        codec.load(payload)
    assert not (tmp_path / "boom").exists()


def test_a_class_that_is_not_loaded_is_never_imported(codec: Codec) -> None:
    module = types.ModuleType("made_up")
    sys.modules["made_up"] = module
    try:
        exec("import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int", vars(module))
        payload = codec.dump(module.P(1))
        assert codec.load(payload) == module.P(1)
    finally:
        del sys.modules["made_up"]
    with pytest.raises(NotLoadable, match="run `import made_up`"):
        codec.load(payload)


def test_a_name_that_is_no_such_class_now_is_refused(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = codec.dump(Point(1))
    monkeypatch.setattr(sys.modules[__name__], "Point", Opaque)
    with pytest.raises(NotLoadable, match="was a dataclass"):
        codec.load(payload)


def test_classes_of_cells_are_found_among_the_definitions_of_the_run(codec: Codec, tmp_path: Path) -> None:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec("import dataclasses\n@dataclasses.dataclass\nclass Cell:\n    x: int", cells)
    with_cells = Codec(DiskBlobs(tmp_path / "blobs"), Keyring(tmp_path / "key"), lambda: cells)
    payload = with_cells.dump(cells["Cell"](1))
    assert payload[:1] == b"t"
    assert with_cells.load(payload) == cells["Cell"](1)
    with pytest.raises(NotLoadable, match="run the cell"):
        codec.load(payload)


def test_a_field_that_was_added_since_has_its_default(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass
    class Newer(Point):
        z: int = 7

    payload = codec.dump(Point(1))
    Newer.__qualname__ = "Point"
    monkeypatch.setattr(sys.modules[__name__], "Point", Newer)
    assert codec.load(payload) == Newer(1, [], 7)


@pytest.mark.parametrize("make", [lambda p: sqlite3.connect(":memory:"), lambda p: (i for i in ()), os.scandir])
def test_what_lives_only_in_this_process_cannot_be_stored(codec: Codec, tmp_path: Path, make: Any) -> None:
    value = make(tmp_path)
    with pytest.raises(NotStorable, match="output 'x' of node fit"):
        codec.dump(value, "output 'x' of node fit")
    value.close()


def test_an_open_file_is_refused_however_deep(codec: Codec) -> None:
    with open(__file__, encoding="utf-8") as file, pytest.raises(NotStorable, match="TextIOWrapper"):
        codec.dump({"log": [Opaque(file)]})  # type: ignore[arg-type]


def test_plain_outputs_are_one_small_payload(codec: Codec) -> None:
    packed = codec.dump_outputs({"y": 3, "name": "a"}, "node f")
    assert packed.payload == b"m" + msgspec.msgpack.encode({"y": 3, "name": "a"})
    assert packed.volatile == ""
    assert {len(digest) for digest in packed.hashes.values()} == {16}
    assert codec.load_outputs(packed.payload) == {"y": 3, "name": "a"}


def test_outputs_load_key_by_key(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = codec.dump_outputs({"score": 0.5, "model": Opaque(1), "data": np.arange(3)}, "node f")
    unpickled: list[str] = []
    actual = codec_module.pickle.loads
    monkeypatch.setattr(codec_module.pickle, "loads", lambda data: (unpickled.append("x"), actual(data))[1])
    outputs = codec.load_outputs(packed.payload)
    assert (outputs.score, outputs.data.sum(), list(outputs.keys())) == (0.5, 3, ["score", "model", "data"])
    assert unpickled == []
    assert outputs.model.value == 1
    assert outputs.model is outputs["model"]


def test_many_small_outputs_may_be_large_together(codec: Codec) -> None:
    value = {f"k{number}": "x" * 1_000 for number in range(200)}
    packed = codec.dump_outputs(value, "node f")
    assert len(packed.payload) < 1_000
    assert codec.load_outputs(packed.payload) == value
    mixed = codec.dump_outputs({**value, "t": (1,)}, "node f")
    assert codec.load_outputs(mixed.payload) == {**value, "t": (1,)}


def test_what_cannot_be_stored_leaves_a_hole_and_the_rest_is_kept(codec: Codec) -> None:
    connection = sqlite3.connect(":memory:")
    packed = codec.dump_outputs({"y": 1, "db": connection}, "node load of run r-1")
    connection.close()
    assert "output 'db' of node load of run r-1 of type sqlite3.Connection" in packed.volatile
    assert set(packed.hashes) == {"y"}
    outputs = codec.load_outputs(packed.payload)
    assert outputs.y == 1
    with pytest.raises(NotStorable, match="'db'"):
        _ = outputs.db


def test_equal_outputs_have_equal_hashes(codec: Codec) -> None:
    def hashes(**outputs: Any) -> dict[str, bytes]:
        return codec.dump_outputs(outputs, "node f").hashes

    assert hashes(y={"a": 1, "b": 2}) == hashes(y={"b": 2, "a": 1})
    assert hashes(y={"a", "b", "c"}) == hashes(y={"c", "b", "a"})
    assert hashes(y=np.arange(3)) == hashes(y=np.arange(3))
    assert hashes(y=1)["y"] != hashes(y=1.0)["y"] != hashes(y=True)["y"]
    assert hashes(y=[1]) != hashes(y=(1,))
    assert hashes(y=1, t=())["y"] == hashes(y=1)["y"]


def test_files_that_outputs_name_are_noted(codec: Codec, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1,2")
    outputs = {"a": str(file), "b": file, "c": [str(file), "no/such"], "d": {"x": tmp_path / "gone"}, "e": "data.csv"}
    stat = file.stat()
    assert codec.dump_outputs(outputs, "node f").files == [(str(file), 3, stat.st_mtime_ns)]


def test_arguments_are_kept_whole_where_small_and_plain() -> None:
    assert preview_args((1, "a"), {"k": [2]}) == b"m" + msgspec.msgpack.encode([[1, "a"], {"k": [2]}])


@pytest.mark.parametrize(
    ("args", "kwargs", "shown"),
    [
        ((np.zeros((2, 3)),), {"k": 1}, "ndarray (2, 3) float64, k=1"),
        ((Opaque(1),), {}, "Opaque"),
        (("x" * 300,), {}, "'xxx"),
        (("\ud800",), {}, "'\\ud800'"),
    ],
)
def test_other_arguments_are_kept_as_a_text(args: Any, kwargs: Any, shown: str) -> None:
    kept = preview_args(args, kwargs)
    assert kept.startswith(b"t" + shown.encode())
    assert len(kept) <= 256


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.zeros((1437, 64)), "ndarray (1437, 64) float64"),
        (Opaque(1), "Opaque"),
        (0.987, "0.987"),
        ({"a": [1, (2,)]}, "{'a': [1, (2,)]}"),
        (Color.RED, "Color.RED"),
        (Point(1, [2]), "Point(x=1, y=[2])"),
        (Pair(1, "b"), "Pair(left=1, right='b')"),
        (np.float32(0.5), "0.5"),
        ({1: {2}}, "{1: {2}}"),
    ],
)
def test_previews(codec: Codec, value: Any, shown: str) -> None:
    assert about(codec.dump(value)) == shown


def test_previews_of_outputs(codec: Codec) -> None:
    plain_ones = codec.dump_outputs({"y": 1, "s": "a"}, "node f").payload
    assert about_outputs(plain_ones) == {"y": "1", "s": "'a'"}
    mixed = codec.dump_outputs({"y": 1, "m": Opaque(1), "f": iter(())}, "node f").payload
    assert about_outputs(mixed)["m"] == "Opaque"


def test_payloads_are_the_same_in_each_process(codec: Codec) -> None:
    script = (
        "import tempfile, pathlib; from aethergraph.storage.codec import Codec; "
        "from aethergraph.storage.blobs import DiskBlobs; "
        "from aethergraph.storage.keyring import Keyring; d = pathlib.Path(tempfile.mkdtemp()); "
        "codec = Codec(DiskBlobs(d), Keyring(d / 'k')); "
        "print(codec.dump({'s': {'a', 'b', 'c', ('d', 1)}, 'f': frozenset('xyz')}).hex())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
