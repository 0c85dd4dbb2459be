"""The identity of a call is the same in every process, whatever its hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio, sys
from pathlib import Path
from aethergraph import Runtime, graph_fn, tool

@tool
async def work(x, **more):
    return 1

@tool(pure=True)
async def quick(x):
    return {"a": {"set", "of", "words"}, "b": frozenset({1, "one", (1, 2)})}

@graph_fn
async def inner(x):
    return await work({x, "a", "b", "c", "d"})

@graph_fn
async def body():
    async def sibling(a, b="b"):
        await asyncio.sleep(0)
        await work((a, b), k={"x": 1, "y": {"p", "q", "r"}})
        return await quick(a)
    made = await asyncio.gather(sibling(1), sibling(2), sibling(2), sibling("x", b=(1, "t")), inner(3))
    async for done in as_they_come([sibling("c"), sibling("d"), sibling("e")]):
        made.append(done)
    await work(made[0].a, y=made[1].b)
    await work({"k": [Path("p"), 1.5, None, b"x", 2**70]})
    return 1

async def as_they_come(coroutines):
    for done in asyncio.as_completed(coroutines):
        yield await done

runtime = Runtime(sys.argv[1])
with runtime.use():
    run = runtime.start(body, {}, run_id="fixed")
    run.result(30)
    for line in sorted(f"{node.callee} {node.key.hex()} {node.path}" for node in run.nodes):
        print(line)
runtime.close()
"""


def _identities(folder: Path, seed: str) -> list[str]:
    folder.mkdir()
    script = folder / "body.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "store")],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_identities_are_the_same_in_every_process(tmp_path: Path) -> None:
    first, *others = [_identities(tmp_path / seed, seed) for seed in ("0", "1", "4242")]
    assert len(first) == len(set(first)) == 18
    for other in others:
        assert other == first
