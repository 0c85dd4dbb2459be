"""Small random agents, as text. Whatever the parts do to each other, a module has to do, too.

All values are whole numbers. `stamp` depends on all stamps of its run before it, so a change of order changes values.
"""

from __future__ import annotations

from hypothesis import strategies as st

PRELUDE = """
import asyncio
from pathlib import Path
from aethergraph import graph_fn, tool

NUMBERS = [2, 3, 5]


def halved(x):
    return x // 2


@tool(outputs=["y"])
def plus(x, by):
    return (x + by) % 1009


@tool(outputs=["y", "z"])
async def both(x, by):
    return (x * 3 + by) % 1009, (x - by) % 1009


@tool(outputs=["many"])
def count(x):
    return [x % 7, x % 5, 1][: 1 + x % 3]


@tool(outputs=["y"])
def total(xs):
    return sum(xs) % 1009


@tool(outputs=["y"])
def stamp(x, *, context):
    path = Path(f"{context.run_id}.log")
    path.write_text((path.read_text() if path.exists() else "") + f"{x},")
    return sum(ord(c) * n for n, c in enumerate(path.read_text(), 1)) % 1009


@graph_fn(outputs=["y"])
async def inner(x, by=1):
    one = await plus(x, by)
    two = await both(one.y + by, 2)
    return {"y": two.z}
"""

NAMES = ["a", "b", "c", "d"]  # variables that are assigned again and again
ANSWER = 7  # to every question


@st.composite
def expressions(draw: st.DrawFn) -> str:
    one, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from([*NAMES, "x", "4"]))
    return draw(
        st.sampled_from(
            [
                f"{one} + {other}",
                f"{one} * 2 - {other}",
                f"halved({one})",
                f"max({one}, {other})",
                f"sum([{one}, {other}, len(NUMBERS)])",
                f"len(f'{{{one}}} and {{{other}}}')",
                f"({one} if {one} > {other} else {other}) + 1",
            ]
        )
    )


@st.composite
def statements(draw: st.DrawFn, number: int, deep: bool = True) -> list[str]:
    to, one, other = (draw(st.sampled_from(NAMES)) for _ in range(3))
    given = draw(st.one_of(st.sampled_from([*NAMES, "x"]), expressions()))
    kinds = ["tool", "both", "plain", "stamp", "gather", "listed", "mapped", "inner", "expression", "say", "ask"]
    kinds += ["if", "branch", "for", "while", "try", "list", "begun", "rounds", "filled"] if deep else []
    held = f"v{number}"
    match draw(st.sampled_from(kinds)):
        case "tool":
            return [f"{held} = await plus({given}, {other})", f"{to} = {held}.y"]
        case "both":
            return [f"{held} = await both({given}, by={other})", f"{to} = {held}.y - {held}['z']"]
        case "plain":
            return [f"{to} = {draw(expressions())}"]
        case "stamp":
            return [f"{held} = await stamp({given})", f"{to} = {held}.y"]
        case "gather":
            return [
                f"{held}, w{number} = await asyncio.gather(plus({given}, 1), both({one}, {other}))",
                f"{to} = {held}.y + w{number}.z",
            ]
        case "listed":
            return [
                f"{held} = await asyncio.gather(*(plus({one}, k) for k in NUMBERS))",
                f"w{number} = await total([each.y for each in {held}])",
                f"{to} = w{number}.y",
            ]
        case "mapped":
            return [
                f"{held} = await count({given})",
                f"w{number} = await asyncio.gather(*(plus(k, {one}) for k in {held}.many))",
                f"{to} = sum([each.y for each in w{number}])",
            ]
        case "inner":
            return [f"{held} = await inner({given}, by={one})", f"{to} = {held}.y"]
        case "expression":
            return [f"{to} = (await plus({given}, {other})).y + {one}"]
        case "say":
            return [f"await context.channel().send_text(f'{{{one}}}!')"]
        case "ask":
            return [f"{to} = await context.channel().ask_number(f'How many {{{one}}}?', 0, 100, 1)"]
        case "if":
            return [f"if {one} > {other}:", f"    {to} = {draw(expressions())}"]
        case "begun":
            return [
                f"{held} = plus({given}, {other})",
                f"w{number} = await plus({one}, 1)",
                f"{to} = (await {held}).y + w{number}.y",
            ]
        case "list":
            return [
                f"{held} = [{one}, {other}]",
                f"{held}.append({given})",
                f"w{number} = await total({held})",
                f"{to} = w{number}.y + len({held})",
            ]
        case "rounds":
            return [
                f"w{number} = await count({given})",
                f"{held} = []",
                f"for k{number} in w{number}.many:",
                f"    {held}.append((await plus(k{number}, {one})).y)",
                f"{to} = sum({held})",
            ]
        case "filled":
            return [
                f"{held} = {{}}",
                f"for i{number}, k{number} in enumerate([{one}, {other}, *NUMBERS]):",
                f"    if k{number} % 2:",
                f"        r{number} = await both(k{number}, by={one})",
                f"        {held}[i{number}] = r{number}.y - r{number}.z",
                f"{to} = sum({held}.values()) + len({held})",
            ]
        case kind:
            body = [f"    {line}" for line in draw(statements(number + 100, deep=False))]
            if kind == "branch":
                rest = [f"    {line}" for line in draw(statements(number + 200, deep=False))]
                return [f"if {one} > {other}:", *body, "else:", *rest]
            if kind == "for":
                return [f"for i{number} in range(2):", *body]
            if kind == "try":
                return ["try:", *body, "except ValueError:", f"    {to} = 0"]
            return [f"t{number} = 0", f"while t{number} < 2:", f"    t{number} += 1", *body]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The cell that defines `agent`."""
    lines = [f"{name} = x + {place}" for place, name in enumerate(NAMES)]
    for number in range(draw(st.integers(1, 6))):
        lines += draw(statements(number))
    body = "\n".join(f"    {line}" for line in lines)
    outputs = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    pairs = ", ".join(f'"{name}": {name}' for name in outputs)
    return (
        f"@graph_fn(outputs={outputs!r})\nasync def agent(x: int = 11, *, context):\n{body}\n    return {{{pairs}}}\n"
    )
