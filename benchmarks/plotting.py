"""What plots cost: a call, the disk, the wire, the kernel, and a browser that draws them.

The browser shows the view as the package ships it, without a notebook around it; where there is no Chromium
(the one that browser tests find) or no playwright, that part is left out and said.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import MS, US, Bench, Sizes, sizes
from measure import Row, mark, take_marks

from aethergraph import NodeContext, Run, Runtime, graph_fn, tool
from aethergraph.record import facts as f
from aethergraph.storage import journal
from aethergraph.views.picture import Picture
from jupyter_ext import following, run_view
from jupyter_ext.patches import Teller

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []
TRACKS = 20
PACKAGE = Path(run_view.__file__).parent
DRAW_S = 3.0


@tool(outputs=["n"])
def plot(points: int, *, context: NodeContext) -> int:
    """Lines of noise around a curve, as losses are."""
    viz: Any = context.viz()
    mark()
    for step in range(points // TRACKS):
        for k in range(TRACKS):
            viz.scalar(f"loss/model-{k}", step, math.exp(-step / (900 + 100 * k)) + 0.05 * math.sin(step * (k + 0.7)))
    mark()
    return points


@graph_fn
async def plots(points: int) -> int:
    """One tool that plots."""
    return int((await plot(points)).n)


class _Counted(run_view.RunView):
    """A view that counts what it would send."""

    def __init__(self, run: Run) -> None:
        self.messages, self.bytes = 0, 0
        super().__init__(run)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.messages += 1
        self.bytes += len(json.dumps(content)) + sum(map(len, buffers or ()))


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows. `folder` must be empty, and on the disk that is meant."""
    runtime = Runtime(folder / "store")
    try:
        with runtime.use():
            tell("plots: calls, disk and wire")
            bench = Bench(folder, runtime, sizes)
            rows, facts = _kernel(bench)
        tell("plots: in a browser")
        return rows + _drawn(facts, sizes)
    finally:
        runtime.close()


def _kernel(bench: Bench) -> tuple[list[Row], list[f.AnyFact]]:
    count, runtime = 10 * bench.sizes.largest // TRACKS * TRACKS, bench.runtime
    following.publish = lambda *_, **__: None  # type: ignore[assignment]  # there is no cell to publish in
    calls: list[float] = []
    disk: list[float] = []
    rows: list[float] = []
    wire: list[float] = []
    rates: list[float] = []
    facts: list[f.AnyFact] = []
    for _ in range(bench.sizes.rounds):
        commits, began = runtime.journal.commits, time.perf_counter()
        run = runtime.start(plots, {"points": count})
        view = _Counted(run)
        run.result()
        runtime.journal.flush()
        took = time.perf_counter() - began
        first, last = take_marks()
        calls.append((last - first) / count * US)
        rows.append((runtime.journal.commits - commits) / max(took, 1.0))
        disk.append(sum(len(row) for _, row in runtime.store.scan(f"j:{run.run_id}:")) / count)
        view._flush()
        wire.append(view.bytes / count)
        rates.append(view.messages / max(took, 1.0))
        view.shut()
        facts = [fact for batch in journal.read(runtime.store, run.run_id) for fact in batch]
    what = f"{count:,} points in {TRACKS} tracks"
    return [
        Row(f"{what}, a call", calls, "us"),
        Row(f"{what}, disk a point", disk, "bytes", must=24.0),
        Row(f"{what}, commits", rows, "a second"),
        Row(f"{what}, watched live, messages", rates, "a second", must=10.5),
        Row(f"{what}, watched live, wire a point", wire, "bytes"),
        *_snapshots(what, facts, bench.sizes.rounds),
    ], facts


def _snapshots(what: str, facts: list[f.AnyFact], rounds: int) -> list[Row]:
    folding: list[float] = []
    telling: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        picture = Picture()
        for fact in facts:
            picture.fold(fact)
        folded = time.perf_counter()
        snapshot = json.dumps(Teller(picture).snapshot(0.0, live=False))
        folding.append((folded - began) * MS)
        telling.append((time.perf_counter() - folded) * MS)
    return [
        Row(f"{what}, folding their facts", folding, "ms"),
        Row(f"{what}, a snapshot in the kernel", telling, "ms", must=100.0),
        Row(f"{what}, a snapshot on the wire", [len(snapshot) / 1024], "KiB", must=512.0),
    ]


# ---------------------------------------------------------------------- in a browser

_OPEN = """async (snap) => {
  const { default: view } = await import("/run_view.js");
  const listeners = [];
  const traits = { uid: "view", snap };
  const model = () => ({
    get: (name) => traits[name],
    on: (name, call) => name === "msg:custom" && listeners.push(call),
    send: (message) => message.kind === "plotting" && fetch("/plotting.js").then((reply) => reply.arrayBuffer())
      .then((text) => window.tell({ kind: "plotting" }, [new DataView(text)])),
  });
  window.tell = (message, buffers) => listeners.forEach((call) => call(message, buffers));
  view.initialize({ model: model() });
  const el = document.body.appendChild(document.createElement("div"));
  view.render({ model: model(), el });
}"""
_READY = "() => Object.getOwnPropertySymbols(globalThis).some((key) => String(key).includes('aethergraph.plotting'))"
_FIRST = """() => new Promise((done) => {
  const tab = [...document.querySelectorAll("[role=tab]")].find((one) => one.textContent.startsWith("Plots"));
  const began = performance.now();
  tab.click();
  const look = () => requestAnimationFrame(() => {
    if (document.querySelector(".chart canvas")) setTimeout(() => done(performance.now() - began));
    else look();
  });
  look();
})"""
_FRAMES = """async ([patches, for_ms]) => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  const began = performance.now();
  let [frames, worked] = [0, 0];
  while (performance.now() - began < for_ms && frames < patches.length) {
    const at = performance.now();
    window.tell(patches[frames]);
    worked += performance.now() - at;
    await frame();
    frames += 1;
  }
  return [frames / ((performance.now() - began) / 1000), worked / frames];
}"""


@contextmanager
def _page() -> Iterator[Any]:
    """A page that can load the view; raises ImportError or OSError where there is no browser."""
    from playwright.sync_api import Error, sync_playwright

    from tests.browser.lab import CHROMIUM_FLAGS, chromium

    def serve(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        if not name:
            head = '<link rel="stylesheet" href="/run_view.css">'
            route.fulfill(body=f"<!doctype html>{head}<body></body>", content_type="text/html")
        elif (PACKAGE / "static" / name).is_file():
            kind = "text/css" if name.endswith(".css") else "text/javascript"
            route.fulfill(body=(PACKAGE / "static" / name).read_bytes(), content_type=kind)
        else:
            route.abort()

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        except (Error, RuntimeError) as error:
            raise OSError(str(error)) from error
        try:
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            page.route("**/*", serve)
            yield page
        finally:
            browser.close()


def _drawn(facts: list[f.AnyFact], sizes: Sizes) -> list[Row]:
    """First frame of the plots, and frames while one more point of each track comes with every frame."""
    first: list[float] = []
    rates: list[float] = []
    works: list[float] = []
    try:
        with _page() as page:
            for _ in range(min(sizes.rounds, 3)):
                snapshot, patches = _told(facts, int(70 * DRAW_S))
                page.goto("http://view.bench/")
                page.evaluate(_OPEN, snapshot)
                page.wait_for_function(_READY)
                first.append(page.evaluate(_FIRST))
                rate, work = page.evaluate(_FRAMES, [patches, 1000 * (DRAW_S if sizes.largest > 1_000 else 0.3)])
                rates.append(rate)
                works.append(work)
    except (ImportError, OSError) as error:
        NOT_MEASURED.append(f"plots in a browser: {str(error).splitlines()[0]}")
        return []
    what = f"{TRACKS} tracks in a browser"
    return [
        Row(f"{what}, first frame", first, "ms", must=1_000.0),
        Row(f"{what}, drawing again with {TRACKS} more points", works, "ms"),
        Row(f"{what}, while they come", rates, "frames a second"),
    ]


def _told(facts: list[f.AnyFact], count: int) -> tuple[Any, list[Any]]:
    """A snapshot, and patches with one more point of each track each."""
    picture = Picture()
    for fact in facts:
        if not isinstance(fact, (f.RunDone, f.NodeDone)):
            picture.fold(fact)
    teller = Teller(picture)
    picture.changes()
    snapshot = json.loads(json.dumps(teller.snapshot(0.0, live=True)))
    no, patches = next(iter(picture.nodes)), []
    step = max(len(track) for track in picture.tracks.values())
    for number in range(count):
        for name, track in picture.tracks.items():
            picture.changed.tracks[name] = track.add(no, [step + number], [math.sin(number)])
        patches.append(json.loads(json.dumps(teller.patch(picture.changes(), 0.0, live=True))))
    return snapshot, patches
