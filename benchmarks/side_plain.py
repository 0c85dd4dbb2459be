"""Plain asyncio tasks, nothing stored, for `side.py`: the floor under all sides."""

from __future__ import annotations

import asyncio

import agents
from side import main


def speed(folder: str, steps: int, width: int, repeats: int) -> dict[str, float]:
    parts = {
        "chain": (agents.bare_chain, steps),
        "fan": (agents.bare_fan, width),
        "nested": (agents.bare_nested, steps),
    }
    return {
        name: min(asyncio.run(part(n)) for _ in range(1 + repeats)) / n  # one more: the first is never the best
        for name, (part, n) in parts.items()
    }


if __name__ == "__main__":
    main(speed)
