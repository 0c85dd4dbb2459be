"""Chains, fans, nested graphs and going on after a kill, beside durable peers at equal durability, in one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import US, Sizes, sizes
from measure import Row, ratios
from peers import LIMIT_S, Found, Sides, ask

__all__ = ["NOT_MEASURED", "measure", "sizes"]

NOT_MEASURED: list[str] = []
REPEATS = 5  # the best of these is what a round tells: the first runs of a process take everybody longer
AT_MOST = {"langgraph": 1 / 3, "dbos": 1 / 8}  # of what a chain takes there
FASTER = 20.0  # times, in a fan, than the fastest peer


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> list[Row]:
    """All rows, with the ratios that the budget names."""
    sides = Sides(folder, sizes)
    NOT_MEASURED[:] = sides.absent
    steps, width = sizes.durable_chain, min(1_000, sizes.largest)
    tell(f"chain, fan, nested: {', '.join(sides.names)}")
    found = sides.interleave("speed", plain=True, steps=steps, width=width, repeats=REPEATS)
    rows = _side_by_side("chain", f"chain of {steps:,}", found)
    rows += _side_by_side("chain ahead", f"chain of {steps:,}, ahead of its commits", found)
    rows += _side_by_side("fan", f"fan of {width:,}", found)
    rows += _side_by_side("nested", f"nested, {steps:,} graphs of one step", found)
    tell(f"going on after a kill: {', '.join(sides.names)}")
    return rows + _going_on(sides)


def _side_by_side(what: str, name: str, found: dict[str, list[Found]]) -> list[Row]:
    each = {side: [one[what] for one in rounds] for side, rounds in found.items() if what in rounds[0]}
    rows = [Row(f"{name}, {side}", [US * s for s in values], "us a step") for side, values in each.items()]
    peers = {side: values for side, values in each.items() if side not in ("ours", "plain")}
    if what == "fan" and peers:
        fastest = [min(values) for values in zip(*peers.values(), strict=True)]
        return [*rows, Row(f"{name}, ours / the fastest peer", ratios(each["ours"], fastest), "x", must=1 / FASTER)]
    for side, values in peers.items():
        must = AT_MOST[side] if what == "chain" else None
        rows.append(Row(f"{name}, ours / {side}", ratios(each["ours"], values), "x", must=must))
    return rows


def _going_on(sides: Sides) -> list[Row]:
    """From opening the store in a new process, after its owner died, until a chain is past its last step."""
    rows: list[Row] = []

    def stop_and_go_on(side: str, folder: str) -> None:
        steps = ask(side, "stop", folder, steps=sides.sizes.largest, limit_s=LIMIT_S)["steps"]
        took = ask(side, "go_on", folder, steps=steps)["seconds"]
        rows.append(Row(f"new process, going on after {steps:,} steps, {side}", [took], "s"))
        rows.append(Row(f"new process, going on after {steps:,} steps, {side}, each", [US * took / steps], "us a step"))

    sides.each(stop_and_go_on)
    return rows
