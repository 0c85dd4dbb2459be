"""What a run saves, and how it gets it back."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from aethergraph.errors import DamagedRecord, NotStorable, UnknownArtifact, Untrusted
from aethergraph.record.files import amount
from aethergraph.services.artifact import Artifact, find
from aethergraph.services.artifacts import Artifacts
from aethergraph.storage.keyring import Keyring
from tests.services.fake_desk import FakeDesk, Room, room

Save = Callable[[Artifacts, Path], Awaitable[Artifact]]


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


def saver(place: Room, desk: FakeDesk | None = None) -> tuple[Artifacts, FakeDesk]:
    context, desk = place.context(desk)
    return context.artifacts(), desk


class Figure:
    """As much of a matplotlib figure as is used."""

    def savefig(self, file: Any, **how: Any) -> None:
        file.write(b"\x89PNG drawn")


def file(folder: Path, name: str = "data.csv", content: bytes = b"a,b\n1,2\n") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


WAYS: dict[str, tuple[Save, str, str, bytes]] = {
    "file": (lambda a, p: a.save_file(file(p)), "data.csv", "text/csv", b"a,b\n1,2\n"),
    "save": (lambda a, p: a.save(path=str(file(p)), kind="file"), "data.csv", "text/csv", b"a,b\n1,2\n"),
    "text": (lambda a, p: a.save_text("häß", "r.md"), "r.md", "text/markdown", "häß".encode()),
    "write_text": (lambda a, p: a.write_text("old", name="r.txt"), "r.txt", "text/plain", b"old"),
    "json": (lambda a, p: a.save_json({"x": [1]}), "data.json", "application/json", b'{\n  "x": [\n    1\n  ]\n}'),
    "bytes": (lambda a, p: a.save_bytes(b"\0\1", "x"), "x", "application/octet-stream", b"\0\1"),
    "figure": (lambda a, p: a.save_figure(Figure(), "plot"), "plot.png", "image/png", b"\x89PNG drawn"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_saved_comes_back_and_is_described(place: Room, tmp_path: Path, way: str) -> None:
    save, name, mime, content = WAYS[way]

    async def body() -> tuple[Artifact, bytes, bytes]:
        artifacts, _ = saver(place)
        saved = await save(artifacts, tmp_path)
        return saved, await artifacts.load_bytes(saved.uri), await artifacts.load_bytes_by_id(saved.artifact_id)

    saved, by_uri, by_id = asyncio.run(body())
    assert by_uri == by_id == content
    assert (saved.name, saved.mime, saved.size) == (name, mime, len(content))
    assert (saved.run_id, saved.graph_id, saved.node_id) == ("study-1", "study", "fit")
    assert saved.uri == f"aether://sha256/{saved.sha256}"
    assert saved.created_at == place.clock.now()


def test_labels_metrics_tags_and_pin_are_kept(place: Room) -> None:
    artifacts, _ = saver(place)
    how = {"labels": {"model": "svm"}, "metrics": {"acc": np.float64(0.9)}, "tags": ("best",), "pin": True}
    saved = asyncio.run(artifacts.save_text("x", kind="report", **how))  # type: ignore[arg-type]
    kept = find(place.store, "study-1")
    assert kept == [saved]
    assert (saved.kind, saved.labels, saved.metrics, saved.tags) == ("report", {"model": "svm"}, {"acc": 0.9}, ["best"])
    assert saved.pinned and saved.preview == "x"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"labels": {"m": object()}}, "labels are texts, numbers or bools"),
        ({"metrics": {"acc": "high"}}, "metrics are numbers by name, got 'acc': str"),
        ({"tags": "best"}, r"write tags=\['best'\]"),
        ({"tags": [1]}, "tags are texts"),
        ({"labels": ["svm"]}, "labels are a dict of texts, numbers or bools by name, got list"),
        ({"metrics": [("acc", 1)]}, "metrics are a dict of numbers by name, got list"),
    ],
)
def test_descriptions_of_a_wrong_type_are_refused(place: Room, how: dict[str, Any], why: str) -> None:
    artifacts, desk = saver(place)
    with pytest.raises(TypeError, match=why):
        asyncio.run(artifacts.save_text("x", **how))
    assert desk.journal.names == []


def test_a_replay_gives_the_recorded_artifact_without_the_content(place: Room, tmp_path: Path) -> None:
    async def body(artifacts: Artifacts) -> list[Artifact]:
        return [await artifacts.save_file(path), await artifacts.save_figure(Figure())]

    path = file(tmp_path)
    artifacts, desk = saver(place)
    first = asyncio.run(body(artifacts))
    path.unlink()
    again, _ = saver(place, desk.again())
    assert asyncio.run(body(again)) == first
    assert len(find(place.store)) == 2


def test_a_save_whose_record_was_lost_is_done_again_and_listed_once(place: Room) -> None:
    for _ in range(2):
        artifacts, _ = saver(place, FakeDesk(place.store))
        asyncio.run(artifacts.save_text("x", "a.txt"))
    assert len(find(place.store)) == 1


def test_a_retry_takes_the_place_of_what_the_failed_attempt_saved(place: Room) -> None:
    for attempt in (1, 2):
        artifacts, _ = saver(place, FakeDesk(place.store, attempt=attempt))
        asyncio.run(artifacts.save_text(f"attempt {attempt}", "a.txt"))
    assert [one.preview for one in find(place.store)] == ["attempt 2"]


def test_other_content_after_an_edit_is_saved_anew_in_its_place(place: Room) -> None:
    artifacts, desk = saver(place)
    asyncio.run(artifacts.save_text("old", "a.txt"))
    asyncio.run(artifacts.save_object({"v": 1}, "o"))
    again, _ = saver(place, desk.again())
    asyncio.run(again.save_text("new", "a.txt"))
    asyncio.run(again.save_object({"v": 2}, "o"))
    assert [one.preview for one in find(place.store)] == ["new", "{'v': 2}"]


def test_two_saves_under_one_name_are_two_artifacts_of_one_content(place: Room) -> None:
    async def body() -> list[Artifact]:
        artifacts, _ = saver(place)
        return [await artifacts.save_text("same", "a.txt"), await artifacts.save_text("same", "a.txt")]

    one, two = asyncio.run(body())
    assert one.artifact_id != two.artifact_id
    assert one.sha256 == two.sha256
    assert len(find(place.store)) == 2


@pytest.mark.parametrize("value", [{"a": [1, 2]}, {1, 2}, np.arange(100_000.0)], ids=["plain", "set", "large"])
def test_objects_come_back_as_they_were(place: Room, value: Any) -> None:
    async def body() -> tuple[Artifact, Any, Any]:
        artifacts, _ = saver(place)
        saved = await artifacts.save_object(value, "thing")
        return saved, await artifacts.load_object(saved.uri), await artifacts.load_object_by_id(saved.artifact_id)

    saved, by_uri, by_id = asyncio.run(body())
    for loaded in (by_uri, by_id):
        assert type(loaded) is type(value)
        assert np.array_equal(loaded, value) if isinstance(value, np.ndarray) else loaded == value
    assert saved.size == place.store.blobs.path(saved.sha256).stat().st_size
    assert saved.mime == "application/x-aethergraph-value"


def test_a_plain_object_is_not_copied_into_the_record_of_its_call(place: Room) -> None:
    artifacts, desk = saver(place)
    asyncio.run(artifacts.save_object(list(range(10_000)), "many"))
    assert len(repr(desk.journal.args[0])) < 500


def test_an_object_that_cannot_be_stored_is_named(place: Room) -> None:
    artifacts, desk = saver(place)
    with pytest.raises(NotStorable, match="artifact 'lock' of type .*lock cannot be stored"):
        asyncio.run(artifacts.save_object(threading.Lock(), "lock"))
    assert desk.journal.names == []


class Model:
    """A class that only pickling can store."""

    def __reduce__(self) -> Any:
        return Model, ()


def test_a_pickled_object_of_somebody_else_is_not_loaded(place: Room, tmp_path: Path) -> None:
    artifacts, _ = saver(place)
    saved = asyncio.run(artifacts.save_object(Model(), "model"))
    place.codec._keyring = Keyring(tmp_path / "another-key")
    with pytest.raises(Untrusted):
        asyncio.run(artifacts.load_object(saved))


def test_texts_and_json_are_loaded_as_such(place: Room) -> None:
    async def body() -> tuple[str, Any, str, Any]:
        artifacts, _ = saver(place)
        saved = await artifacts.save_json({"x": 1})
        return (
            await artifacts.load_text(saved),
            await artifacts.load_json(saved.uri),
            await artifacts.load_text_by_id(saved.artifact_id),
            await artifacts.load_json_by_id(saved.artifact_id),
        )

    text, data, text_by_id, data_by_id = asyncio.run(body())
    assert json.loads(text) == data == data_by_id == {"x": 1}
    assert text == text_by_id


def test_json_takes_what_research_is_made_of_and_names_what_it_cannot(place: Room) -> None:
    artifacts, _ = saver(place)
    value = {"n": np.int64(3), "a": np.arange(2), "d": date(2026, 1, 2), "p": Path("x"), "s": {2, 1}}

    async def body() -> Any:
        return await artifacts.load_json(await artifacts.save_json(value))

    assert asyncio.run(body()) == {"n": 3, "a": [0, 1], "d": "2026-01-02", "p": "x", "s": [1, 2]}
    with pytest.raises(TypeError, match="cannot write a object; save_object can"):
        asyncio.run(artifacts.save_json({"x": object()}))


@pytest.mark.parametrize(
    ("call", "error", "why"),
    [
        (lambda a: a.save_file("no/such.csv"), FileNotFoundError, r"no file .*such\.csv' \(looked in "),
        (lambda a: a.save_file("."), IsADirectoryError, "is a folder: `ingest_dir` saves a whole one"),
        (lambda a: a.save_file(3), TypeError, "save_file takes a path, got int"),
        (lambda a: a.save_text(3), TypeError, "takes a text, got int"),
        (lambda a: a.save_bytes("x"), TypeError, "takes bytes, got str"),
        (lambda a: a.save_figure("x"), TypeError, "takes a matplotlib Figure or Axes, got str"),
        (lambda a: a.load_bytes("report.md"), ValueError, "'report.md' is no uri of an artifact"),
        (lambda a: a.load_bytes("aether://sha256/" + "0" * 64), UnknownArtifact, "no artifact 'aether://sha256/000"),
        (lambda a: a.get_by_id(3), TypeError, "found by its artifact_id, a text; got int"),
        (lambda a: a.search(query=3), TypeError, "query is a text, got int: 3"),
        (lambda a: a.list(kind=["model"]), TypeError, "kind is a text, got list"),
        (lambda a: a.get_by_id("nope"), UnknownArtifact, "no artifact 'nope' in"),
        (
            lambda a: a.list("galaxy"),
            ValueError,
            "scope='galaxy' is unknown; there are: all, graph",
        ),
        (lambda a: a.save_text("x", ""), TypeError, "name is a text that is not empty, got ''"),
        (lambda a: a.save_text("x", metrics={"loss": float("nan")}), ValueError, "metric 'loss' is nan"),
    ],
)
def test_bad_calls_say_what_is_wrong(place: Room, call: Any, error: type[Exception], why: str) -> None:
    artifacts, _ = saver(place)
    with pytest.raises(error, match=why):
        asyncio.run(call(artifacts))
    assert find(place.store) == []


def test_content_of_another_kind_is_named(place: Room) -> None:
    artifacts, _ = saver(place)
    saved = asyncio.run(artifacts.save_bytes(b"\xff\xfe", "x.bin"))
    text = asyncio.run(artifacts.save_text("prose", "p.txt"))
    with pytest.raises(ValueError, match=r"artifact 'x.bin' \(.*\) is not text"):
        asyncio.run(artifacts.load_text(saved))
    with pytest.raises(ValueError, match="is not JSON"):
        asyncio.run(artifacts.load_json(text))
    for of in (text, text.uri):
        with pytest.raises(ValueError, match="is text/plain, not saved by save_object"):
            asyncio.run(artifacts.load_object(of))


def test_damaged_content_is_named(place: Room) -> None:
    artifacts, _ = saver(place)
    saved = asyncio.run(artifacts.save_text("whole", "a.txt"))
    path = place.store.blobs.path(saved.sha256)
    path.chmod(0o600)
    path.write_bytes(b"other")
    with pytest.raises(DamagedRecord, match="the content [0-9a-f]{12} .*, of artifact 'a.txt'"):
        asyncio.run(artifacts.load_text(saved))


def test_a_damaged_record_is_named(place: Room) -> None:
    with place.store.transact() as transaction:
        transaction.set("a:study-1:x", b"\xc1")
        transaction.set("a:study-2:y", b"\x80")
    with pytest.raises(DamagedRecord, match="the record a:study-1:x"):
        find(place.store, "study-1")
    with pytest.raises(DamagedRecord, match="the record a:study-2:y"):
        find(place.store, "study-2")


def test_a_list_is_by_scope_and_kind_and_the_same_on_replay(place: Room) -> None:
    async def save(desk: FakeDesk, name: str, kind: str = "text") -> None:
        place.clock.advance(1)
        await saver(place, desk)[0].save_text(name, name, kind=kind)

    async def body() -> None:
        await save(FakeDesk(place.store), "a")
        await save(FakeDesk(place.store, no=4, node_id="score"), "b", "report")
        await save(FakeDesk(place.store, run_id="other-1"), "c")

    asyncio.run(body())
    artifacts, desk = saver(place)

    async def names(artifacts: Artifacts) -> list[list[str]]:
        asked: list[Any] = [{}, {"scope": "node"}, {"scope": "graph"}, {"scope": "all"}, {"kind": "report"}]
        return [[one.name for one in await artifacts.list(**how)] for how in asked]

    want = [["a", "b"], ["a"], ["a", "b"], ["a", "b", "c"], ["b"]]
    assert asyncio.run(names(artifacts)) == want
    asyncio.run(save(FakeDesk(place.store, no=5), "later"))
    assert asyncio.run(names(saver(place, desk.again())[0])) == want


def test_a_scope_sees_what_it_saved_before_that_is_on_disk(place: Room) -> None:
    class Lagging(FakeDesk):
        """As a body: what it did is on disk a little later."""

        def _commit(self, key: bytes, name: str, args: Any, value: Any, ops: Any) -> Any:
            return super()._commit(key, name, args, value, ())

    async def body() -> tuple[Artifact, list[Artifact], Artifact]:
        context, _ = place.context(Lagging(place.store))
        saved = await context.artifacts().save_object({"v": 1}, "o")
        return saved, await context.artifacts().list(), await context.artifacts().get_by_id(saved.artifact_id)

    saved, listed, got = asyncio.run(body())
    assert [saved] == listed == [got]
    assert find(place.store) == []


def test_an_artifact_of_another_run_is_found_by_id(place: Room) -> None:
    other = asyncio.run(saver(place, FakeDesk(place.store, run_id="other-1"))[0].save_text("x", "a.txt"))
    assert asyncio.run(saver(place)[0].get_by_id(other.artifact_id)) == other


def test_a_picture_shows_as_a_picture_and_markup_as_text(place: Room) -> None:
    artifacts, _ = saver(place)
    figure = asyncio.run(artifacts.save_figure(Figure(), "p"))
    shown, _ = DisplayFormatter().format(figure)
    assert set(figure._repr_mimebundle_()) == set(shown) == {"text/plain", "image/png"}  # html would be preferred
    nasty = "<script>alert(1)</script>"
    for saved in (
        asyncio.run(artifacts.save_text(nasty, "x.html")),
        asyncio.run(artifacts.save_text(f"<svg>{nasty}</svg>", "x.svg")),
    ):
        assert set(saved._repr_mimebundle_()) == {"text/plain", "text/html"}
        assert nasty in saved._repr_mimebundle_()["text/plain"]
        assert "<script" not in saved._repr_html_() and "&lt;script&gt;" in saved._repr_html_()


def test_a_table_shows_its_head_with_every_cell_escaped(place: Room) -> None:
    artifacts, _ = saver(place)
    text = "a,<b>x</b>\n" + "".join(f"{n},<img src=x>\n" for n in range(100))
    shown = asyncio.run(artifacts.save_text(text, "t<i>.csv", metrics={"loss": 0.25}))._repr_html_()
    assert shown.count("<tr>") == 6 and "<th style='text-align:left'>&lt;b&gt;x&lt;/b&gt;</th>" in shown
    assert "t&lt;i&gt;.csv" in shown and "loss 0.25" in shown and "<img" not in shown and "<b>x" not in shown


def test_a_picture_that_is_gone_says_so(place: Room) -> None:
    figure = asyncio.run(saver(place)[0].save_figure(Figure(), "p"))
    place.store.blobs.path(figure.sha256).unlink()
    shown = figure._repr_mimebundle_()
    assert "image/png" not in shown and "damaged" in shown["text/plain"]


def test_an_artifact_is_a_value_like_others(place: Room) -> None:
    saved = asyncio.run(saver(place)[0].save_text("x", "a.txt"))
    assert place.codec.load(place.codec.dump(saved)) == saved
    assert hash(saved) == hash(find(place.store)[0])


def test_large_content_is_saved_and_loaded_whole(place: Room) -> None:
    async def body() -> bytes:
        artifacts, _ = saver(place)
        return await artifacts.load_bytes(await artifacts.save_bytes(b"x" * 1_000_000, "big.bin"))

    assert asyncio.run(body()) == b"x" * 1_000_000


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (12_300, "12.3 kB"), (5_000_000, "5.0 MB")])
def test_sizes_are_readable(size: int, text: str) -> None:
    assert amount(size) == text


def test_a_real_figure_is_saved_from_several_threads(place: Room) -> None:
    from matplotlib.figure import Figure as Real

    async def body() -> list[bytes]:
        artifacts, _ = saver(place)
        figures = [Real() for _ in range(3)]
        for number, figure in enumerate(figures):
            figure.subplots().plot([0, number])
        saved = await asyncio.gather(*(artifacts.save_figure(figure, f"p{n}") for n, figure in enumerate(figures)))
        axes = await artifacts.save_figure(figures[0].axes[0], "axes")
        return [await artifacts.load_bytes(one) for one in [*saved, axes]]

    contents = asyncio.run(body())
    assert all(content.startswith(b"\x89PNG") for content in contents)
    assert contents[0] == contents[3] and len(set(contents)) == 3


def test_an_object_is_one_blob_of_its_own_however_large(place: Room) -> None:
    artifacts, _ = saver(place)
    big = {"weights": np.arange(100_000, dtype="float64"), "name": "big"}
    artifact = asyncio.run(artifacts.save_object(big, name="model"))
    assert artifact.size > 800_000
    loaded = asyncio.run(artifacts.load_object(artifact))
    assert loaded["name"] == "big" and (loaded["weights"] == big["weights"]).all()
