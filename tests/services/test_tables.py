"""Tables: whatever writes itself as Parquet or CSV, with its head as preview."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aethergraph.services.artifact import Artifact, find
from tests.services.fake_desk import Room, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


class Table:
    """A table as polars has them."""

    columns = ("n", "<b>name</b>")

    def __init__(self, rows: int) -> None:
        self.rows = [(n, f"row {n}") for n in range(rows)]

    def head(self, n: int) -> Table:
        return Table(min(n, len(self.rows)))

    def iter_rows(self) -> Any:
        return iter(self.rows)

    def write_csv(self, path: Path) -> None:
        path.write_text("".join(f"{n},{name}\n" for n, name in [self.columns, *self.rows]), encoding="utf-8")


class Packed(Table):
    def write_parquet(self, path: Path) -> None:
        path.write_bytes(b"PAR1")


def saved(place: Room, *what: Any) -> Artifact:
    return asyncio.run(place.context()[0].artifacts().save_dataframe(*what))


def test_a_table_is_saved_as_its_name_says_and_shows_its_head(place: Room) -> None:
    one = saved(place, Table(100))
    assert (one.name, one.mime, one.kind) == ("table.csv", "text/csv", "dataframe")
    assert place.store.blobs.get(one.sha256).count(b"\n") == 101
    assert one.preview == "n,<b>name</b>\n" + "".join(f"{n},row {n}\n" for n in range(5))
    assert "<td style='text-align:left'>row 4</td>" in one._repr_html_() and "<b>name" not in one._repr_html_()
    packed = saved(place, Packed(3), "scores.v2")
    assert (packed.name, packed.mime) == ("scores.v2.parquet", "application/vnd.apache.parquet")
    assert packed.preview.count("\n") == 4 and "row 2" in packed._repr_html_()
    assert saved(place, Packed(3), "scores.CSV").mime == "text/csv"


@pytest.mark.parametrize(
    ("what", "error", "why"),
    [
        (({"a": 1},), TypeError, "takes a table with to_parquet or to_csv .pandas, polars., got dict"),
        ((Table,), TypeError, "got type"),
        ((Table(1), "x.parquet"), TypeError, "a Table cannot write .parquet: name it with .csv"),
        ((Table(1), "x.xlsx"), ValueError, "writes .parquet and .csv, not '.xlsx'"),
    ],
)
def test_what_is_no_table_or_has_another_ending_is_refused(
    place: Room, what: tuple[Any, ...], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        saved(place, *what)
    assert find(place.store) == []


def test_a_table_of_pandas_keeps_an_index_that_says_something(place: Room) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": [1.5, 2.5]}, index=["a", "b"])
    one = saved(place, table, "t.csv")
    assert place.store.blobs.get(one.sha256).decode().splitlines() == [",x", "a,1.5", "b,2.5"]
    assert one.preview.splitlines() == [",x", "a,1.5", "b,2.5"]
    plain = saved(place, table.reset_index(drop=True), "t.csv")
    assert (
        plain.preview.splitlines() == place.store.blobs.get(plain.sha256).decode().splitlines() == ["x", "1.5", "2.5"]
    )


def test_a_table_of_polars_comes_back(place: Room) -> None:
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"x": [1.5, 2.5], "y": ["a", "b"]})
    one = saved(place, table)
    assert one.name == "table.parquet" and one.preview == "x,y\n1.5,a\n2.5,b\n"
    assert polars.read_parquet(place.store.blobs.get(one.sha256)).equals(table)
