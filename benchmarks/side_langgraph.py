"""LangGraph with its SQLite saver, for `side.py`. Needs `langgraph` and `langgraph-checkpoint-sqlite`."""

from __future__ import annotations

import operator
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from side import at_rest, fewer, held, main, on_disk, resident, tell


class Chain(TypedDict):
    y: int


class Fan(TypedDict):
    n: int
    found: Annotated[list[int], operator.add]


def saver(folder: str) -> SqliteSaver:
    """Fully durable, as it ships."""
    connection = sqlite3.connect(Path(folder) / "langgraph.db", check_same_thread=False)
    opened = SqliteSaver(connection)
    opened.setup()
    connection.execute("PRAGMA synchronous=FULL")
    return opened


def chain(n: int, kept: Any, at_end: Callable[[], object] = lambda: None) -> Any:
    """A loop of one node, n times, and one more that calls `at_end`."""

    def step(state: Chain) -> dict[str, int]:
        if state["y"] == n:
            at_end()
        return {"y": state["y"] + 1}

    graph = StateGraph(Chain)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: END if state["y"] > n else "step")
    return graph.compile(checkpointer=kept)


def fan(kept: Any) -> Any:
    """n nodes that need nothing of each other."""
    graph = StateGraph(Fan)
    graph.add_node("step", lambda state: {"found": [state["x"] + 1]})
    graph.add_conditional_edges(START, lambda state: [Send("step", {"x": i}) for i in range(state["n"])], ["step"])
    graph.add_edge("step", END)
    return graph.compile(checkpointer=kept)


def nested(n: int, kept: Any) -> Any:
    """A loop of one node, n times, that is a graph of one node."""
    part = StateGraph(Chain)
    part.add_node("step", lambda state: {"y": state["y"] + 1})
    part.add_edge(START, "step")
    part.add_edge("step", END)
    graph = StateGraph(Chain)
    graph.add_node("part", part.compile())
    graph.add_edge(START, "part")
    graph.add_conditional_edges("part", lambda state: END if state["y"] >= n else "part")
    return graph.compile(checkpointer=kept)


def waiting(kept: Any) -> Any:
    """Asks one question."""
    graph = StateGraph(Chain)
    graph.add_node("ask", lambda state: {"y": len(interrupt("go on?"))})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=kept)


def config(thread: str, n: int = 1) -> dict[str, Any]:
    """Names the run."""
    return {"configurable": {"thread_id": thread}, "recursion_limit": n + 10}


def seconds(graph: Any, inputs: Any, thread: str, n: int = 1, durability: Any = "sync") -> float:
    """How long one run takes. "sync": a step starts when the one before is on disk; "async", the default: before."""
    began = time.perf_counter()
    graph.invoke(inputs, config(thread, n), durability=durability)
    return time.perf_counter() - began


def speed(folder: str, steps: int, width: int, repeats: int) -> dict[str, float]:
    kept = saver(folder)
    chains, fans, nests = chain(steps - 1, kept), fan(kept), nested(steps, kept)
    chains.invoke({"y": steps - 10}, config("warm-chain")), fans.invoke({"n": 10, "found": []}, config("warm-fan"))
    nests.invoke({"y": steps - 10}, config("warm-nested"))
    numbers = range(repeats)
    ahead = [seconds(chains, {"y": 0}, f"ahead-{number}", steps, "async") for number in numbers]
    return {
        "chain": min(seconds(chains, {"y": 0}, f"chain-{number}", steps) for number in numbers) / steps,
        "chain ahead": min(ahead) / steps,
        "fan": min(seconds(fans, {"n": width, "found": []}, f"fan-{number}", width) for number in numbers) / width,
        "nested": min(seconds(nests, {"y": 0}, f"nested-{number}", steps) for number in numbers) / steps,
    }


def space(folder: str, steps: int) -> dict[str, float]:
    kept, weights = saver(folder), []
    few, many = chain(10, kept), chain(steps, kept, lambda: weights.append(held()))
    few.invoke({"y": 0}, config("warm", 10))
    disk, memory = on_disk(folder), held()
    many.invoke({"y": 0}, config("chain", steps))
    chained = on_disk(folder)
    fan(kept).invoke({"n": steps, "found": []}, config("fan", steps))
    return {
        "disk, chain": (chained - disk) / steps,
        "disk, fan": (on_disk(folder) - chained) / steps,
        "memory, chain": (weights[0] - memory) / steps,
    }


def stop(folder: str, steps: int, limit_s: float) -> dict[str, Any]:
    kept = saver(folder)
    n = fewer(steps, seconds(chain(100, kept), {"y": 0}, "timed", 100) / 100, limit_s)

    def die() -> None:
        tell({"steps": n})
        os._exit(0)

    seconds(chain(n, kept, die), {"y": 0}, "chain", n)
    raise AssertionError("the process is gone")


def go_on(folder: str, steps: int) -> dict[str, float]:
    live: list[float] = []
    began = time.perf_counter()
    again = chain(steps, saver(folder), lambda: live.append(time.perf_counter()))
    again.invoke(None, config("chain", steps))
    return {"seconds": live[0] - began}


def park(folder: str, waits: int, limit_s: float, idle_s: float) -> dict[str, Any]:
    graph = waiting(saver(folder))
    each = sum(seconds(graph, {"y": 0}, f"timed-{number}") for number in range(20)) / 20
    n, memory, disk = fewer(waits, each, limit_s), resident(), on_disk(folder)
    for number in range(n):
        seconds(graph, {"y": 0}, f"wait-{number}")
    memory, disk, share = resident() - memory, on_disk(folder) - disk, at_rest(idle_s)
    warm = [seconds(graph, Command(resume="yes"), f"timed-{number}") for number in range(10)]
    found = {"waits": n, "memory": memory / n, "disk": disk / n, "processor": share, "answered": warm}
    return {**found, "waiting": f"wait-{n // 2}"}


def answer(folder: str, waiting: str) -> dict[str, float]:
    began = time.perf_counter()
    done = _waiting(saver(folder)).invoke(Command(resume="yes"), config(waiting))
    assert done == {"y": 3}
    return {"seconds": time.perf_counter() - began}


_waiting = waiting

if __name__ == "__main__":
    main(speed, space, stop, go_on, park, answer)
