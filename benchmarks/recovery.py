"""What going on costs: with a recorded run after its process ended, and with a question after its answer."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

import agents
from bench import MS, US, Bench, commit
from measure import Row, mark, seconds, take_marks

from aethergraph import Run, resume, start
from aethergraph.record import facts as f


def replay(bench: Bench) -> list[Row]:
    """From `resume` to the first line after the last recorded node, everything read from disk."""
    n, short = bench.sizes.largest, bench.sizes.chains[-2]
    prepared = {
        f"chain of {n:,}": (_stopped(agents.stopped_pure_chain, n), n),
        f"fan of {n:,}": (_stopped(agents.stopped_fan, n), n),
        f"chain of {short:,}, a commit a step": (_stopped(agents.stopped_chain, short), short),
    }
    samples = bench.interleave({name: partial(_replayed, run_id) for name, (run_id, _) in prepared.items()})
    rows = []
    for name, (_, nodes) in prepared.items():
        rows.append(Row(f"resume, {name}", [US * s / nodes for s in samples[name]], "us a node", goal=12.0, must=25.0))
        if nodes == n:
            rows.append(Row(f"resume, {name}, until live", samples[name], "s", must=0.3))
    return rows


def _stopped(agent: Any, n: int) -> str:
    stopped = start(agent, n=n)
    _end(stopped)
    return stopped.run_id


def _end(stopped: Run) -> None:
    with contextlib.suppress(agents.Stopped):
        stopped.result()


def _replayed(run_id: str) -> float:
    take_marks()

    def again() -> None:
        mark()
        _end(resume(run_id))

    seconds(again)
    began, live = take_marks()
    return live - began


def wait(bench: Bench) -> list[Row]:
    """Opening a question, answering it as a view does, and going on: what it takes beyond its two commits."""
    n = bench.sizes.waits
    samples = bench.interleave(
        {
            "commit": lambda: commit(bench),
            "asked": lambda: seconds(lambda: _answered(bench, n)),
            "empty": lambda: seconds(lambda: _answered(bench, 0)),
        }
    )
    each = [(asked - empty) / n for asked, empty in zip(samples["asked"], samples["empty"], strict=True)]
    beyond = [MS * (one - 2 * commit) for one, commit in zip(each, samples["commit"], strict=True)]
    return [
        Row("one wait, from asking to going on", [MS * s for s in each], "ms"),
        Row("one wait, beyond two commits", beyond, "ms", must=1.0),
    ]


def _answered(bench: Bench, n: int) -> None:
    asking = start(agents.questions, n=n)

    def answer(facts: list[f.AnyFact]) -> None:
        for fact in facts:
            if isinstance(fact, f.WaitOpened):
                bench.runtime.answer_soon(fact.token, "yes", fact.token, lambda reason: None)

    unfollow = asking.follow(answer)
    asking.result(timeout_s=60.0)
    unfollow()
