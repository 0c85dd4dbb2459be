"""Values of several kinds, as nodes return them: each different from the one before it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from aethergraph import graph_fn, tool


@dataclass
class Place:
    """A small dataclass."""

    name: str
    x: float
    y: float


class Person(BaseModel):
    """A small model."""

    name: str
    age: int
    tags: list[str]


KINDS: dict[str, Callable[[int], Any]] = {
    "a number": lambda i: i,
    "a line of text": lambda i: f"{i:060d}",
    "a list of 10 numbers": lambda i: list(range(i, i + 10)),
    "a dict of 3": lambda i: {"name": f"item {i}", "score": i / 7, "done": True},
    "a dataclass": lambda i: Place(f"place {i}", float(i), i / 3),
    "a pydantic model": lambda i: Person(name=f"person {i}", age=i, tags=["first", "second"]),
    "a numpy array of 8": lambda i: np.arange(i, i + 8, dtype=float),
    "a pickled counter": lambda i: Counter({f"word {i}": i}),
    "a text of 1,000": lambda i: f"{i:01000d}",
}
SMALL = tuple(KINDS)[:6]  # plain data and records, which the budget means; the others bring a format of their own


@tool(outputs=["value"])
async def keep(kind: str, i: int) -> dict[str, Any]:
    """One node with a value of a kind."""
    return {"value": KINDS[kind](i)}


@graph_fn
async def kept(kind: str, n: int) -> int:
    """n of them, that need nothing of each other."""
    await asyncio.gather(*[keep(kind, i) for i in range(n)])
    return n
