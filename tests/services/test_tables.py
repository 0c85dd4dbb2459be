"""Tables: whatever writes itself as Parquet or CSV, with its head as preview."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aethergraph.services import content, showing
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
    assert "<td style='text-align:right'>4</td>" in one._repr_html_() and ">95 more rows</div>" in one._repr_html_()
    assert one.rows == 100 and one._repr_mimebundle_()["text/plain"].endswith("4,row 4\n95 more rows")
    packed = saved(place, Packed(3), "scores.v2")
    assert packed.rows is None and "more row" not in packed._repr_html_()  # it does not tell how many there are
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
    assert one.rows == 2 and "more row" not in one._repr_html_()
    assert saved(place, polars.DataFrame({"x": range(6)}), "long.parquet")._repr_html_().endswith("1 more row</div>")
    assert polars.read_parquet(place.store.blobs.get(one.sha256)).equals(table)


NOTES = 'name,note\n"a","two\nlines"\n\nb,x\n'


@pytest.mark.parametrize(
    ("text", "name", "rows", "more"),
    [
        ("n,x\n" + "1,2\n" * 13, "t.csv", 13, "8 more rows"),
        ("n\tx\n" + "1\t2\n" * 6, "t.tsv", 6, "1 more row"),
        ("n,x\n" + "1,2\n" * 5, "t.csv", 5, ""),
        ("n," + "x" * 90 + "\n" + f"1,{'y' * 90}\n" * 12_000, "t.csv", 12_000, "11,996 more rows"),
        (NOTES, "t.csv", 2, ""),
        ("", "t.csv", 0, ""),
        ("a" * 200_000, "t.csv", None, "more rows"),  # no reader takes a cell of that size
        ("n,x\n1,2\n", "t.txt", None, ""),
    ],
)
def test_rows_are_counted_however_a_table_is_saved(
    place: Room, tmp_path: Path, text: str, name: str, rows: int | None, more: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")

    async def every() -> list[Artifact]:
        artifacts = place.context()[0].artifacts()
        async with artifacts.writer(name=name) as writer:
            writer.write(text)
        ways = [artifacts.save_text(text, name), artifacts.save_bytes(text.encode(), name), artifacts.save_file(path)]
        return [writer.artifact, *[await way for way in ways]]

    for one in asyncio.run(every()):
        assert one.rows == rows and all(found.rows == rows for found in find(place.store))
        assert showing.left_out(one.preview, one.mime, one.size, one.rows) == more
        assert f">{more}</div>" in one._repr_html_() if more else "more row" not in one._repr_html_()


def test_of_a_table_whose_rows_were_not_counted_it_is_only_said_that_there_are_more(
    place: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "COUNTED", 1000)
    long, short = "n,x\n" + "1,2\n" * 400, "n,x\n" + "1,2\n" * 4
    artifacts = place.context()[0].artifacts()
    one, other = (asyncio.run(artifacts.save_text(text, "t.csv")) for text in (long, short))
    assert one.rows is None and one._repr_html_().endswith(">more rows</div>")
    assert other.rows == 4 and "more rows" not in other._repr_html_()


def test_columns_of_numbers_and_of_nothing_else_are_told_apart() -> None:
    head = [["name", "n", "mixed", "none", "gaps"], ["a", "1", "2", "", "-1e-3"], ["b", "2.5", "x", ""], ["1"]]
    assert showing.numeric(head) == [False, True, False, False, True]
    assert showing.numeric([]) == [] and showing.numeric([["n"]]) == [False]
