"""A process that opens a session, asks in it, and is killed while the question is open."""

from __future__ import annotations

import asyncio
import sys

from aethergraph import Runtime, open_session
from aethergraph.runtime import set_default_channel


async def hold() -> None:
    async with open_session("the project") as context:
        await context.artifacts().save_text("kept", name="kept.txt")
        print(context.run_id, flush=True)
        await context.channel().ask_text("Who is there?")


with Runtime(sys.argv[1]).use():
    set_default_channel("inbox")
    asyncio.run(hold())
