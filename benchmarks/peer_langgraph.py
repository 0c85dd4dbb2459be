"""A chain and a fan in LangGraph with its SQLite saver, for `peers.py`: prints the seconds as JSON.

Run in a process of its own, by an interpreter that has `langgraph` and `langgraph-checkpoint-sqlite`.
"""

from __future__ import annotations

import json
import operator
import sqlite3
import sys
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class Chain(TypedDict):
    y: int


class Fan(TypedDict):
    n: int
    found: Annotated[list[int], operator.add]


def chain(n: int, saver: Any) -> Any:
    """A loop of one node, n times."""
    graph = StateGraph(Chain)
    graph.add_node("step", lambda state: {"y": state["y"] + 1})
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: END if state["y"] >= n else "step")
    return graph.compile(checkpointer=saver)


def fan(saver: Any) -> Any:
    """n nodes that need nothing of each other."""
    graph = StateGraph(Fan)
    graph.add_node("step", lambda state: {"found": [state["x"] + 1]})
    graph.add_conditional_edges(START, lambda state: [Send("step", {"x": i}) for i in range(state["n"])], ["step"])
    graph.add_edge("step", END)
    return graph.compile(checkpointer=saver)


def seconds(graph: Any, inputs: Any, thread: str, n: int) -> float:
    """How long one run takes."""
    config = {"configurable": {"thread_id": thread}, "recursion_limit": n + 10}
    began = time.perf_counter()
    graph.invoke(inputs, config)
    return time.perf_counter() - began


def main(folder: str, steps: int, width: int, rounds: int) -> None:
    """One round more than is told: the first does not count."""
    connection = sqlite3.connect(Path(folder) / "langgraph.db", check_same_thread=False)
    saver = SqliteSaver(connection)
    saver.setup()
    connection.execute("PRAGMA synchronous=FULL")
    told: dict[str, list[float]] = {"chain": [], "fan": []}
    for number in range(rounds + 1):
        took = seconds(chain(steps, saver), {"y": 0}, f"chain-{number}", steps)
        wide = seconds(fan(saver), {"n": width, "found": []}, f"fan-{number}", width)
        if number:
            told["chain"].append(took / steps)
            told["fan"].append(wide / width)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
