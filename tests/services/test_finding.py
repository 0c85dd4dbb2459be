"""Lists, searches and the best by a metric, over a run, a session and all runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aethergraph.errors import UnknownArtifact
from aethergraph.services import catalogue, searching
from aethergraph.services.artifact import Artifact, find
from aethergraph.services.artifacts import Artifacts
from aethergraph.storage.store import Transaction
from tests.services.fake_desk import FakeDesk, Room, room


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


class Elsewhere(FakeDesk):
    """A run of another session."""

    session_id = "another.ipynb"


def saver(place: Room, run_id: str = "study-1", *, elsewhere: bool = False) -> Artifacts:
    desk = (Elsewhere if elsewhere else FakeDesk)(place.store, run_id=run_id)
    return place.context(desk)[0].artifacts()


async def filled(place: Room) -> None:
    """Six artifacts of three runs, one of another session; each a second later than the one before."""
    for run_id, name, loss, tags in (
        ("study-1", "a_plot.png", 0.5, ["draft"]),
        ("study-1", "b_plot.png", 0.25, ["final", "paper"]),
        ("study-1", "notes.md", None, ["paper"]),
        ("study-2", "c_plot.png", 0.75, ["final"]),
        ("study-3", "d_plot.png", 0.125, ["final"]),
        ("study-3", "e_plot.png", 0.25, []),
    ):
        artifacts = saver(place, run_id, elsewhere=run_id == "study-3")
        kind = "note" if name.endswith("md") else "figure"
        metrics = {} if loss is None else {"loss": loss}
        await artifacts.save_text(name, name, kind=kind, tags=tags, labels={"run": run_id}, metrics=metrics)
        place.clock.advance(1)


def names(found: list[Artifact]) -> str:
    return " ".join(one.name[0] for one in found)


@pytest.mark.parametrize(
    ("how", "want"),
    [
        ({}, "n b a"),
        ({"scope": "session"}, "c n b a"),
        ({"scope": "all"}, "e d c n b a"),
        ({"scope": "all", "kind": "note"}, "n"),
        ({"scope": "all", "tags": ["final"]}, "d c b"),
        ({"scope": "all", "tags": ["final", "paper"]}, "b"),
        ({"scope": "session", "tags": ["final"]}, "c b"),
        ({"scope": "all", "labels": {"run": "study-2"}}, "c"),
        ({"scope": "all", "query": "PLOT"}, "e d c b a"),
        ({"scope": "all", "query": "plo dra"}, "a"),
        ({"scope": "all", "query": "lot"}, ""),
        ({"scope": "all", "metric": "loss"}, "c a e b d"),
        ({"scope": "all", "metric": "loss", "mode": "min"}, "d e b a c"),
        ({"scope": "all", "metric": "loss", "mode": "min", "limit": 2, "tags": ["final"]}, "d b"),
        ({"scope": "all", "limit": 2}, "e d"),
        ({"scope": "all", "metric": "accuracy"}, ""),
        ({"metric": "loss", "mode": "max", "limit": 1}, "a"),
    ],
    ids=str,
)
def test_a_search_gives_what_all_conditions_hold_for_in_order(place: Room, how: dict[str, Any], want: str) -> None:
    asyncio.run(filled(place))
    assert names(asyncio.run(saver(place).search(**how))) == want


def test_the_best_is_the_one_with_the_best_metric_and_the_newest_of_equals(place: Room) -> None:
    asyncio.run(filled(place))

    async def best(**how: Any) -> str:
        found = await saver(place).best("figure", metric="loss", **how)
        return "" if found is None else found.name[0]

    assert asyncio.run(best(mode="max")) == "a"
    assert asyncio.run(best(mode="min")) == "b"
    assert asyncio.run(best(mode="min", scope="all")) == "d"
    assert asyncio.run(best(mode="min", scope="session")) == "b"
    assert asyncio.run(best(scope="all", tags=["draft"])) == "a"
    assert asyncio.run(best(scope="all", tags=["nothing"])) == ""


KINDS, TAGS = st.sampled_from(["figure", "note"]), st.lists(st.sampled_from("xyz"), max_size=2, unique=True)
ONE = st.tuples(KINDS, TAGS, st.sampled_from([None, 0.0, 1.0, 2.0]), st.sampled_from(["r-1", "r-2"]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(ONE, max_size=12),
    st.none() | KINDS,
    TAGS,
    st.sampled_from([None, "max", "min"]),
    st.integers(1, 4) | st.none(),
    st.sampled_from([1, 2, searching.PAGE]),
)
def test_the_index_finds_what_looking_at_everything_finds(
    tmp_path_factory: pytest.TempPathFactory,
    saved: list[Any],
    kind: str | None,
    tags: list[str],
    mode: str | None,
    limit: int | None,
    page: int,
) -> None:
    place = room(tmp_path_factory.mktemp("index"))

    async def body() -> list[Artifact]:
        for number, (of, tagged, loss, run_id) in enumerate(saved):
            metrics = {} if loss is None else {"loss": loss}
            await saver(place, run_id).save_text("x", f"{number}", kind=of, tags=tagged, metrics=metrics)
            place.clock.advance(1)
        metric = None if mode is None else "loss"
        return await saver(place).search(kind, tags=tags, metric=metric, mode=mode, limit=limit, scope="all")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searching, "PAGE", page)
        found = asyncio.run(body())
    fits = [
        one
        for one in reversed(find(place.store))
        if (kind is None or one.kind == kind) and set(tags) <= set(one.tags) and (mode is None or one.metrics)
    ]
    if mode is not None:
        fits.sort(key=lambda one: one.metrics["loss"], reverse=mode == "max")
    assert found == fits[:limit]


def test_a_search_among_thousands_of_runs_reads_few_rows(place: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    base = {
        "uri": "", "sha256": "a" * 64, "size": 1, "mime": "text/plain", "graph_id": "g", "node_id": "n", "preview": "",
        "labels": {}, "pinned": False,
    }  # fmt: skip

    def record(n: int) -> dict[str, Any]:
        rare = ["rare"] if n % 1000 == 0 else []
        return base | {
            "artifact_id": f"i-{n}", "run_id": f"r-{n}", "kind": "note", "name": f"t{n}", "created_at": float(n),
            "tags": ["common", *rare], "metrics": {"loss": (n * 7919) % 5000},
        }  # fmt: skip

    def fill(transaction: Transaction) -> None:
        for n in range(5000):
            catalogue.write(transaction, record(n))

    with place.store.transact() as transaction:
        fill(transaction)
    artifacts = saver(place)
    asyncio.run(artifacts.search(scope="all", limit=1))  # builds the index
    read: list[str] = []
    get = place.store.get
    monkeypatch.setattr(place.store, "get", lambda key: read.append(key) or get(key))  # type: ignore[func-returns-value]
    for how, most in (
        ({"tags": ["rare"]}, 10),
        ({"tags": ["rare", "common"], "kind": "note"}, 10),
        ({"metric": "loss", "mode": "min", "limit": 3}, 10),
        ({"kind": "note", "limit": 3}, 10),
        ({"query": "t4999"}, 10),
    ):
        read.clear()
        assert asyncio.run(artifacts.search(scope="all", **how))  # type: ignore[arg-type]
        assert len(read) <= most, how
    read.clear()
    assert asyncio.run(artifacts.get_by_id("i-4000")).run_id == "r-4000"
    assert len(read) <= 10


def test_what_was_found_is_the_same_on_replay(place: Room) -> None:
    asyncio.run(filled(place))
    context, desk = place.context()

    async def body(artifacts: Artifacts) -> str:
        return names(await artifacts.search(scope="all")) + names(await artifacts.list("session"))

    first = asyncio.run(body(context.artifacts()))
    asyncio.run(saver(place, "study-9").save_text("x", "z.txt"))
    assert asyncio.run(body(place.context(desk.again())[0].artifacts())) == first == "e d c n b aa b n c"


@pytest.mark.parametrize(
    ("how", "error", "why"),
    [
        ({"scope": "galaxy"}, ValueError, "scope='galaxy' is unknown; there are: all, graph, node, run, session"),
        ({"metric": "loss", "mode": "best"}, ValueError, "mode='best' is unknown; there are: max, min"),
        ({"mode": "max"}, ValueError, "name it, metric="),
        ({"limit": 0}, ValueError, "limit=0"),
        ({"tags": "final"}, TypeError, r"write tags=\['final'\]"),
        ({"labels": {"a": []}}, TypeError, "labels are texts, numbers or bools"),
    ],
)
def test_a_wrong_search_is_refused(place: Room, how: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        asyncio.run(saver(place).search(**how))
    with pytest.raises(TypeError, match="needs the metric"):
        asyncio.run(saver(place).best("figure"))


def test_an_unknown_id_is_told_with_those_that_are_called_alike(place: Room) -> None:
    asyncio.run(filled(place))
    (notes,) = (one for one in find(place.store) if one.kind == "note")
    wrong = notes.artifact_id[:-1] + "_"
    for asked in (wrong, "notes.md"):
        context, desk = place.context()
        with pytest.raises(UnknownArtifact, match=f"did you mean {notes.artifact_id}"):
            asyncio.run(context.artifacts().get_by_id(asked))
        again = place.context(desk.again())[0]
        with pytest.raises(UnknownArtifact, match=f"did you mean {notes.artifact_id}"):
            asyncio.run(again.artifacts().get_by_id(asked))


def test_a_pin_is_set_and_taken_away_and_done_once(place: Room) -> None:
    context, desk = place.context()

    async def body(artifacts: Artifacts) -> tuple[bool, bool]:
        saved = await artifacts.save_text("x", "a.txt")
        pinned = await artifacts.pin(saved.artifact_id)
        return pinned.pinned, (await artifacts.get_by_id(saved.artifact_id)).pinned

    assert asyncio.run(body(context.artifacts())) == (True, True)
    (saved,) = find(place.store)
    assert saved.pinned
    asyncio.run(saver(place, "other-1").pin(saved, False))
    assert not find(place.store)[0].pinned
    assert asyncio.run(body(place.context(desk.again())[0].artifacts())) == (True, True)
    assert not find(place.store)[0].pinned  # the replay did not pin it again
    with pytest.raises(UnknownArtifact):
        asyncio.run(saver(place).pin("nothing"))
